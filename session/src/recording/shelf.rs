//! Where the readable copies of recordings are put.

use async_trait::async_trait;

use crate::ids::{AccountId, Region};

/// Keeps what the server itself puts into an account's bucket of recordings, [`bucket_name`].
///
/// No node and no role of the account may write there; what is there twice is replaced.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// Puts an object under a name, and returns where others find it.
    ///
    /// # Errors
    ///
    /// When it could not be kept; the server tries again.
    async fn put(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
        content_type: &str,
        bytes: Vec<u8>,
    ) -> Result<String, ShelfError>;
}

/// Why something was not kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep `{name}`")]
pub struct ShelfError {
    /// The object's name.
    pub name: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What the names of these buckets begin with, and no others.
pub const BUCKET_PREFIX: &str = "drawbridge-recordings-";

/// Names the bucket of an account's recordings.
pub fn bucket_name(account: &AccountId, region: &Region) -> String {
    format!("{BUCKET_PREFIX}{account}-{region}")
}
