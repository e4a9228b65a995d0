//! Uploads in parts, each with a note in the bucket from its begin to its end.
//!
//! Parts of an upload that nobody completes are paid for and listed nowhere among the objects. A note says that there may
//! be one: whoever opens the place next aborts it. So no permission to list uploads is needed, and no other's is touched.

use std::io;

use bytes::Bytes;
use drawbridge_store::blobs::is_drawn;
use futures_util::TryStreamExt as _;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{MultipartId, ObjectStore as _, ObjectStoreExt as _, PutPayload};

use crate::bucket::BucketBlobs;
use crate::error::of_store;

/// An upload that is not complete.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    blobs: BucketBlobs,
    path: Path,
    note: Path,
    id: MultipartId,
}

impl Upload {
    /// Begins the upload of a blob, and notes it before any part is sent.
    pub(crate) async fn begin(blobs: &BucketBlobs, blob: &str) -> io::Result<Self> {
        let path = blobs.keys.blob(blob)?;
        let id = blobs.s3.create_multipart(&path).await.map_err(of_store)?;
        let upload = Self {
            blobs: blobs.clone(),
            note: blobs.keys.note(blob),
            path,
            id,
        };
        let note = Bytes::from(upload.id.clone());
        if let Err(error) = blobs.s3.put(&upload.note, note.into()).await {
            // One that is lost by a second failure has no parts.
            let _ = upload.abort().await;
            return Err(of_store(error));
        }
        Ok(upload)
    }

    /// Sends a part, counted from 0.
    pub(crate) async fn put(&self, number: usize, part: PutPayload) -> io::Result<PartId> {
        let put = self.blobs.s3.put_part(&self.path, &self.id, number, part);
        put.await.map_err(of_store)
    }

    /// Makes the blob of its parts.
    pub(crate) async fn complete(&self, parts: Vec<PartId>) -> io::Result<()> {
        let completed = self.blobs.s3.complete_multipart(&self.path, &self.id, parts);
        completed.await.map_err(of_store)?;
        if let Err(error) = self.blobs.delete(&self.note).await {
            // There is nothing left to abort; the next start finds that out.
            tracing::debug!(%error, "a note of an upload stays");
        }
        Ok(())
    }

    /// Leaves nothing of it.
    pub(crate) async fn abort(&self) -> io::Result<()> {
        let aborted = self.blobs.s3.abort_multipart(&self.path, &self.id).await;
        match aborted.map_err(of_store) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.blobs.delete(&self.note).await
    }
}

/// Aborts the uploads of servers that died; call it before any is begun. Returns how many notes there were.
pub(crate) async fn abort_all(blobs: &BucketBlobs) -> io::Result<u64> {
    let mut notes = blobs.s3.list(Some(&blobs.keys.notes()));
    let mut aborted = 0;
    while let Some(note) = notes.try_next().await.map_err(of_store)? {
        let note = note.location;
        let Some(blob) = note.filename().filter(|name| is_drawn(name)) else {
            continue;
        };
        let id = blobs.small(&note).await?;
        let Ok(id) = String::from_utf8(id.to_vec()) else {
            continue;
        };
        let upload = Upload {
            blobs: blobs.clone(),
            path: blobs.keys.blob(blob)?,
            note,
            id,
        };
        upload.abort().await?;
        aborted += 1;
    }
    Ok(aborted)
}
