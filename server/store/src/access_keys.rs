//! When and for what access keys were last used.

use drawbridge_session::{AccessKeyId, Region};
use jiff::Timestamp;

use crate::StoreError;

/// The last use of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// When.
    pub at: Timestamp,
    /// For which service, by its name in the signature's scope.
    pub service: String,
    /// In which region.
    pub region: Region,
}

/// Remembers the last uses of long-lived access keys, to the minute.
#[async_trait::async_trait]
pub trait KeyUses: Send + Sync {
    /// Notes a use; it is stored by [`KeyUses::store_key_uses`].
    fn access_key_used(&self, id: &AccessKeyId, usage: KeyUse);

    /// Finds the last use of a key.
    async fn last_use(&self, id: &AccessKeyId) -> Result<Option<KeyUse>, StoreError>;

    /// Stores what was noted since the last call.
    async fn store_key_uses(&self) -> Result<(), StoreError>;
}
