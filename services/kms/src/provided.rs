//! Keys that the server makes for its services at their first use.

use drawbridge_session::{KeyError, KeyId};
use drawbridge_store::{
    Alias, CreateKeyError, Key, KeyManager, KeyPlace, KeyState, MaterialCause, Rotation, provided,
};

use crate::error::fault;
use crate::{Kms, material};

/// Days from one rotation to the next, which AWS fixes for its own.
const ROTATION_DAYS: u16 = 365;

impl Kms {
    /// Finds the key of a service, or makes it.
    pub(crate) async fn provided_key(
        &self,
        service: &'static str,
        place: &KeyPlace,
    ) -> Result<Key, KeyError> {
        if let Some(key) = self.store.key_at(place).await.map_err(fault)? {
            return Ok(key);
        }
        match self.create_provided(service, place).await {
            // Somebody else was faster.
            Ok(()) | Err(CreateKeyError::AliasExists) => {}
            Err(error) => return Err(fault(error)),
        }
        let key = self.store.key_at(place).await.map_err(fault)?;
        key.ok_or_else(|| KeyError::NotFound(format!("The key of {service} is not there.")))
    }

    async fn create_provided(&self, service: &'static str, place: &KeyPlace) -> Result<(), CreateKeyError> {
        let KeyPlace { account, region, .. } = place;
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let id = KeyId::generate(random);
        let material = material::draw(&id, MaterialCause::Creation, now, &self.root, random);
        let key = Key {
            id: id.clone(),
            account: account.clone(),
            region: region.clone(),
            manager: KeyManager::Aws,
            state: KeyState::Enabled,
            description: provided::description(service),
            policy: provided::policy(service, account, region),
            created_at: now,
            rotation: Some(Rotation::after(now, ROTATION_DAYS)),
            material: material.id,
            revision: 0,
        };
        let alias = Alias {
            account: account.clone(),
            region: region.clone(),
            name: format!("{}{service}", provided::PREFIX),
            key: id,
            created_at: now,
            updated_at: now,
        };
        self.store.create_key(&key, &material, &[], Some(&alias)).await
    }
}
