//! Long-lived access keys.

use async_trait::async_trait;
use drawbridge_session::{AccessKeyId, Principal, Secret};
use jiff::Timestamp;

use crate::StoreError;

/// A long-lived access key of a user or of the account's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id, `AKIA…`.
    pub id: AccessKeyId,
    /// Its secret, sealed where it is stored.
    pub secret: Secret,
    /// Whose it is: a [`Principal::User`] or [`Principal::Root`].
    pub principal: Principal,
    /// Whether it may sign.
    pub active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Remembers access keys.
#[async_trait]
pub trait AccessKeys: Send + Sync {
    /// Stores a key; a principal that can own none, or a taken id, is an error.
    async fn create_access_key(&self, key: &AccessKey) -> Result<(), StoreError>;

    /// Finds a key by its id, active or not.
    async fn access_key(&self, id: &AccessKeyId) -> Result<Option<AccessKey>, StoreError>;
}
