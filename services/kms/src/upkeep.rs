//! What is done to keys now and then: materials that are due are made, and keys that are due are deleted.

use drawbridge_store::{ChangeKeyError, MaterialCause, StoreError};

use crate::Kms;

/// How many keys are rotated at once; the rest waits for the next time.
const MOST_ROTATIONS: u32 = 1000;

impl Kms {
    /// Rotates and deletes the keys whose date is past.
    ///
    /// # Errors
    /// The store's; what was done stays done.
    pub async fn keep_up(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for key in self.store.keys_to_rotate(now, MOST_ROTATIONS).await? {
            let id = key.id.clone();
            match self.rotate(key, MaterialCause::Automatic).await {
                Ok(()) => tracing::info!(key.id = %id, "key rotated"),
                // Whoever changed it may have changed when it is due, too.
                Err(ChangeKeyError::Changed) => {}
                Err(ChangeKeyError::Store(error)) => return Err(error),
            }
        }
        for arn in self.store.delete_due_keys(now).await? {
            tracing::info!(key.arn = arn, "key deleted");
        }
        Ok(())
    }
}
