//! The administrator's access key, made at the first start.

use std::sync::Arc;

use drawbridge_session::random::RandomArray as _;
use drawbridge_session::{AccessKeyId, AccountId, Clock, Principal, Random};
use drawbridge_store::credentials::draw_secret;
use drawbridge_store::{AccessKey, Store, StoreError};

/// The setting that holds the key's id; its secret is sealed in the store.
const SETTING: &str = "administrator access key";

/// The user behind it.
const NAME: &str = "admin";

/// Finds the administrator's key, or makes it.
pub(crate) async fn administrator(
    store: &dyn Store,
    account: &AccountId,
    clock: &Arc<dyn Clock>,
    random: &dyn Random,
) -> Result<AccessKey, StoreError> {
    if let Some(id) = store.setting(SETTING).await?
        && let Ok(id) = AccessKeyId::parse(&id)
        && let Some(key) = store.access_key(&id).await?
    {
        return Ok(key);
    }
    let key = AccessKey {
        id: AccessKeyId::generate(random),
        secret: draw_secret(random),
        principal: Principal::User {
            account: account.clone(),
            name: NAME.to_owned(),
            id: user_id(random),
        },
        active: true,
        created_at: clock.now(),
    };
    store.create_access_key(&key).await?;
    store.set_setting(SETTING, key.id.as_str()).await?;
    Ok(key)
}

/// A user's unique id: `AIDA` and 17 characters of base 32.
fn user_id(random: &dyn Random) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = random
        .array::<17>()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    letters.iter().fold("AIDA".to_owned(), |mut id, letter| {
        id.push(*letter);
        id
    })
}
