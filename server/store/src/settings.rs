//! Single values that the server keeps, by name.

use async_trait::async_trait;

use crate::StoreError;

/// Remembers named values.
#[async_trait]
pub trait Settings: Send + Sync {
    /// Finds a value.
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Stores a value in the place of any before it.
    async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError>;

    /// Removes a value; returns whether there was one.
    async fn remove_setting(&self, name: &str) -> Result<bool, StoreError>;
}
