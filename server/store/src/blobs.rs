//! Bytes that are too many for the database: blobs, named at random, each sealed under a data key of its own.
//!
//! ```text
//! bytes ──seal──▶ chunks of 64 KiB, AES-256-GCM ──Blobs──▶ a folder, or any other place for bytes
//! ```
//!
//! A blob is complete and durable when its writer is finished, and nobody's until a row of the database refers to it.
//! What lies about without one is removed by [`sweep`].

mod folder;
mod seal;

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_session::{Random, RandomArray as _};
use tokio::io::AsyncRead;

pub use folder::BlobFolder;
pub use seal::{DataKey, Opened, SealedWriter, create_sealed, create_sealed_under, unsealed};

use crate::objects::Objects;

/// Keeps bytes under names that its user draws.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Begins a blob; what is not finished is not there.
    async fn create(&self, id: &str) -> io::Result<Box<dyn BlobWriter>>;

    /// Reads a blob from an offset on, which is before its end.
    async fn open(&self, id: &str, from: u64) -> io::Result<BlobReader>;

    /// Removes a blob; one that is not there is no error.
    async fn remove(&self, id: &str) -> io::Result<()>;

    /// Lists blobs after one, in any fixed order; an empty list is the end.
    async fn list(&self, after: Option<&str>) -> io::Result<Vec<String>>;
}

/// The bytes of a blob.
pub type BlobReader = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// Writes a blob; dropped, it leaves nothing.
#[async_trait]
pub trait BlobWriter: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> io::Result<()>;

    /// Makes the blob durable.
    async fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Says that the place of the blobs cannot be reached at this moment, and may be later.
#[derive(Debug, thiserror::Error)]
#[error("the store of the blobs cannot be reached")]
pub struct Away(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl From<Away> for io::Error {
    fn from(away: Away) -> Self {
        Self::new(io::ErrorKind::NotConnected, away)
    }
}

/// Tells whether what failed may succeed when it is tried later.
pub fn is_away(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Away>())
}

/// Tells a name that was drawn here: nothing else becomes a path or a key.
pub fn is_drawn(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Draws the name of a blob: 32 hex digits.
pub fn draw_id(random: &dyn Random) -> String {
    hex::encode(random.array::<16>())
}

/// The setting that says where the blobs lie; there is none while they lie in the data folder.
pub const PLACE_SETTING: &str = "objects place";

/// The setting that tells this data folder from others where blobs lie outside of it. A backup does not restore it.
pub const OWNER_SETTING: &str = "objects owner";

/// Counts the blobs that are referred to and are not there.
///
/// # Errors
///
/// The blobs cannot be listed, or the store cannot be read.
pub async fn count_missing(blobs: &dyn Blobs, objects: &dyn Objects) -> io::Result<u64> {
    let mut missing = objects.count_blobs().await.map_err(io::Error::other)?;
    let mut after: Option<String> = None;
    while missing > 0 {
        let some = blobs.list(after.as_deref()).await?;
        let Some(last) = some.last() else {
            break;
        };
        let known = objects.known_blobs(&some).await.map_err(io::Error::other)?;
        missing = missing.saturating_sub(known.len() as u64);
        after = Some(last.clone());
    }
    Ok(missing)
}

/// Removes what nobody refers to; call it before anything is written. Returns how many blobs there were of that kind.
///
/// # Errors
///
/// The blobs cannot be listed, or the store cannot be read; what was removed until then is removed.
pub async fn sweep(blobs: &dyn Blobs, objects: &dyn Objects) -> io::Result<u64> {
    let mut removed = 0;
    let mut after = None;
    loop {
        let some = blobs.list(after.as_deref()).await?;
        let Some(last) = some.last() else {
            return Ok(removed);
        };
        let known = objects.known_blobs(&some).await.map_err(io::Error::other)?;
        for id in some.iter().filter(|id| !known.contains(id)) {
            blobs.remove(id).await?;
            removed += 1;
        }
        after = Some(last.clone());
    }
}
