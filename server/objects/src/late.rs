//! Blobs whose place could not be reached when the server started.

use std::io;
use std::sync::OnceLock;

use async_trait::async_trait;
use drawbridge_store::blobs::{Away, BlobReader, BlobWriter, Blobs};

use crate::bucket::BucketBlobs;

/// Says that the place is away until it is opened, and is the place from then on.
#[derive(Debug, Default)]
pub(crate) struct LateBlobs {
    opened: OnceLock<BucketBlobs>,
}

impl LateBlobs {
    /// Lets requests through.
    pub(crate) fn open(&self, blobs: BucketBlobs) {
        // Whoever opens it a second time opens the same place.
        let _ = self.opened.set(blobs);
    }

    fn opened(&self) -> io::Result<&BucketBlobs> {
        let closed = || Away("it has not been reached since the server started".into());
        self.opened.get().ok_or_else(|| closed().into())
    }
}

#[async_trait]
impl Blobs for LateBlobs {
    async fn create(&self, id: &str) -> io::Result<Box<dyn BlobWriter>> {
        self.opened()?.create(id).await
    }

    async fn open(&self, id: &str, from: u64) -> io::Result<BlobReader> {
        Blobs::open(self.opened()?, id, from).await
    }

    async fn remove(&self, id: &str) -> io::Result<()> {
        self.opened()?.remove(id).await
    }

    async fn list(&self, after: Option<&str>) -> io::Result<Vec<String>> {
        self.opened()?.list(after).await
    }
}
