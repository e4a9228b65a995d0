//! What a server has from its first start on: its account, an administrator with an access key, a role for nodes.

use drawbridge_session::iam::{Directory, NewAccessKey};
use drawbridge_session::{AccessKeyId, Account, AccountId, Clock, OrganizationId, Random, Secret};
use drawbridge_store::credentials::{draw_secret, open_secret, seal_secret};
use drawbridge_store::{ChangeError, RootKey, Store, StoreError, change_directory};

/// The setting that holds the administrator's access key id; its secret is sealed in the directory.
const SETTING: &str = "administrator access key";

pub use drawbridge_session::iam::NODE_ROLE;

/// The administrator's access key.
#[derive(Debug, Clone)]
pub struct AdministratorKey {
    /// `AKIA…`.
    pub id: AccessKeyId,
    /// The secret.
    pub secret: Secret,
}

/// Makes what is missing, and returns the administrator's key.
///
/// A key that somebody deleted stays deleted: `None`, unless it is to be made anew.
pub(crate) async fn first_start(
    store: &dyn Store,
    root: &RootKey,
    account: &AccountId,
    clock: &dyn Clock,
    random: &dyn Random,
    renew_key: bool,
) -> Result<Option<AdministratorKey>, StoreError> {
    if store.directory(account).is_none() {
        found_account(store, account, clock, random).await?;
    }
    if let Some(id) = store.setting(SETTING).await? {
        if let Some(key) = find_key(store, root, account, &id)? {
            return Ok(Some(key));
        }
        if !renew_key {
            tracing::warn!(
                access_key.id = id,
                "the administrator's access key was deleted or made inactive; the environment file names none"
            );
            return Ok(None);
        }
    }
    let key = AdministratorKey {
        id: AccessKeyId::generate(random),
        secret: draw_secret(random),
    };
    give_key(store, root, account, &key, clock, random).await?;
    store.set_setting(SETTING, key.id.as_str()).await?;
    Ok(Some(key))
}

async fn found_account(
    store: &dyn Store,
    id: &AccountId,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let account = Account {
        id: id.clone(),
        name: "drawbridge".to_owned(),
        email: String::new(),
        organization: Some(OrganizationId::generate(random)),
        created_at: clock.now(),
    };
    let mut directory = Directory::new(id.clone());
    let furnished = directory.add_node_role(account.created_at, random);
    furnished.map_err(|error| StoreError::new(SETTING_UP, error))?;
    store.create_account_with(&account, directory).await.map(drop)
}

/// The key of the setting, if it may still sign.
fn find_key(
    store: &dyn Store,
    root: &RootKey,
    account: &AccountId,
    id: &str,
) -> Result<Option<AdministratorKey>, StoreError> {
    let directory = store.directory(account);
    let found = AccessKeyId::parse(id).ok().and_then(|id| {
        let found = directory.as_ref()?.find_access_key(&id)?;
        found
            .key
            .active
            .then(|| (id.clone(), found.key.sealed_secret.clone()))
    });
    let Some((id, sealed)) = found else {
        return Ok(None);
    };
    let secret = open_secret(root, &id, &sealed)?;
    Ok(Some(AdministratorKey { id, secret }))
}

async fn give_key(
    store: &dyn Store,
    root: &RootKey,
    account: &AccountId,
    key: &AdministratorKey,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(), StoreError> {
    let given = change_directory(store, account, |directory| {
        let new = NewAccessKey {
            id: key.id.clone(),
            sealed_secret: seal_secret(root, &key.id, &key.secret, random),
        };
        directory.give_administrator_key(new, clock.now(), random)
    });
    given.await.map_err(|error| match error {
        ChangeError::Store(error) => error,
        error => StoreError::new(SETTING_UP, error),
    })
}

const SETTING_UP: &str = "set up the account";
