//! Keys: the material that encrypts and its predecessors, names for them, and who may use them by grants.

mod grant;
mod material;
mod place;
pub mod provided;
mod state;

use async_trait::async_trait;
use drawbridge_session::{AccountId, KeyId, Region, Tag};
use jiff::Timestamp;

pub use grant::{CreateGrantError, Grant, GrantConstraint, GrantOperation};
pub use material::{KeyMaterial, MaterialCause, MaterialId};
pub use place::{KeyPlace, KeyRef};
pub use state::{KeyState, Rotation, WrongState};

use crate::StoreError;

/// The most keys of one account in one region (KMS's documented quota).
pub const MAX_KEYS: u32 = 100_000;

/// The most aliases of one key (KMS's documented quota).
pub const MAX_ALIASES: u32 = 50;

/// The most grants of one key (KMS allows more; every decision on a key reads them all).
pub const MAX_GRANTS: u32 = 500;

/// A key, without its materials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Names it among all keys.
    pub id: KeyId,
    /// The account that owns it.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// Who may change it.
    pub manager: KeyManager,
    /// Whether it can be used.
    pub state: KeyState,
    /// For people.
    pub description: String,
    /// The text of its policy, as it was given.
    pub policy: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it gets a new material; `None` for never.
    pub rotation: Option<Rotation>,
    /// The material that encrypts.
    pub material: MaterialId,
    /// Counts its changes; whoever stores a change must have seen the one before.
    pub revision: u32,
}

/// Who manages a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyManager {
    /// The account.
    Customer,
    /// The server, for the service that its alias names.
    Aws,
}

/// A name of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The account that has it.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// With `alias/` before it.
    pub name: String,
    /// The key, of the same account and region.
    pub key: KeyId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last given another key.
    pub updated_at: Timestamp,
}

impl Key {
    /// Returns its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:kms:{}:{}:key/{}", self.region, self.account, self.id)
    }
}

impl Alias {
    /// Returns its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:kms:{}:{}:{}", self.region, self.account, self.name)
    }
}

impl KeyManager {
    /// Returns the word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "CUSTOMER",
            Self::Aws => "AWS",
        }
    }
}

/// Why a key was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// There are [`MAX_KEYS`].
    #[error("an account has at most 100000 keys in a region")]
    TooMany,
    /// Somebody else made the alias that it was to have.
    #[error("there is such an alias")]
    AliasExists,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a key was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeKeyError {
    /// It is gone, or was changed after it was read.
    #[error("the key has changed meanwhile")]
    Changed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an alias was not stored.
#[derive(Debug, thiserror::Error)]
pub enum CreateAliasError {
    /// There is one of that name.
    #[error("there is such an alias")]
    Exists,
    /// The key has [`MAX_ALIASES`].
    #[error("a key has at most 50 aliases")]
    TooMany,
    /// The key is gone.
    #[error("the key is gone")]
    NoKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers keys.
#[async_trait]
pub trait Keyring: Send + Sync {
    /// Finds a key by its id.
    async fn key(&self, id: &KeyId) -> Result<Option<Key>, StoreError>;

    /// Finds the key at a place, by its id or an alias.
    async fn key_at(&self, place: &KeyPlace) -> Result<Option<Key>, StoreError>;

    /// Lists the ids of keys in their order.
    async fn key_ids(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KeyId>, StoreError>;

    /// Stores a new key with its first material, its tags and, for one that the server manages, its alias.
    async fn create_key(
        &self,
        key: &Key,
        material: &KeyMaterial,
        tags: &[Tag],
        alias: Option<&Alias>,
    ) -> Result<(), CreateKeyError>;

    /// Stores a change of a key, and the material that encrypts from now on if it is a new one.
    ///
    /// `key.revision` is that of the key as it was read.
    async fn change_key(&self, key: &Key, material: Option<&KeyMaterial>) -> Result<(), ChangeKeyError>;

    /// Finds a material of a key.
    async fn key_material(&self, key: &KeyId, id: &MaterialId) -> Result<Option<KeyMaterial>, StoreError>;

    /// Lists the materials of a key, the oldest first.
    async fn key_materials(&self, key: &KeyId) -> Result<Vec<KeyMaterial>, StoreError>;

    /// Lists enabled keys whose automatic rotation is due.
    async fn keys_to_rotate(&self, now: Timestamp, limit: u32) -> Result<Vec<Key>, StoreError>;

    /// Removes the keys whose deletion is due, with all that belongs to them; returns their ARNs.
    async fn delete_due_keys(&self, now: Timestamp) -> Result<Vec<String>, StoreError>;

    /// Finds an alias.
    async fn alias(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Alias>, StoreError>;

    /// Lists aliases in the order of their names, all or those of one key.
    async fn aliases(
        &self,
        account: &AccountId,
        region: &Region,
        key: Option<&KeyId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Alias>, StoreError>;

    /// Stores a new alias.
    async fn create_alias(&self, alias: &Alias) -> Result<(), CreateAliasError>;

    /// Gives an alias another key; returns whether there is the alias.
    async fn point_alias(&self, alias: &Alias) -> Result<bool, CreateAliasError>;

    /// Removes an alias; returns whether there was one.
    async fn remove_alias(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<bool, StoreError>;

    /// Finds a grant by its id.
    async fn grant(&self, id: &str) -> Result<Option<Grant>, StoreError>;

    /// Lists the grants of a key in the order of their ids.
    async fn grants(&self, key: &KeyId) -> Result<Vec<Grant>, StoreError>;

    /// Lists the grants of keys of a region that a principal may retire, in the order of their ids.
    async fn retirable_grants(
        &self,
        principal: &str,
        region: &Region,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError>;

    /// Stores a new grant.
    async fn create_grant(&self, grant: &Grant) -> Result<(), CreateGrantError>;

    /// Removes a grant; returns whether there was one.
    async fn remove_grant(&self, id: &str) -> Result<bool, StoreError>;
}
