//! Activations, whose codes are kept as hashes only.

use async_trait::async_trait;
use drawbridge_session::{AccountId, Activation, ActivationId, Region};

use crate::{StoreError, TokenHash};

/// Remembers activations.
#[async_trait]
pub trait Activations: Send + Sync {
    /// Stores an activation and the hash of its code.
    async fn create_activation(&self, activation: &Activation, code: &TokenHash) -> Result<(), StoreError>;

    /// Finds an activation by its id.
    async fn activation(
        &self,
        account: &AccountId,
        region: &Region,
        id: &ActivationId,
    ) -> Result<Option<Activation>, StoreError>;

    /// Lists up to `limit` activations after an id, in the order of their ids.
    async fn activations_after(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&ActivationId>,
        limit: u32,
    ) -> Result<Vec<Activation>, StoreError>;

    /// Removes an activation; returns whether there was one. Its nodes stay.
    async fn remove_activation(
        &self,
        account: &AccountId,
        region: &Region,
        id: &ActivationId,
    ) -> Result<bool, StoreError>;
}
