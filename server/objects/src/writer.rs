//! Writing a blob: in one request where it is short, in parts where it is long.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use drawbridge_store::blobs::{Away, BlobWriter};
use object_store::multipart::PartId;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::bucket::BucketBlobs;
use crate::error::of_store;
use crate::uploads::Upload;

/// Bytes of each part but the last; some stores want them all alike. One is gathered while one is sent.
const PART: usize = 8 * 1024 * 1024;

/// The most parts of an upload; S3's rule.
const MOST_PARTS: usize = 10_000;

/// Gathers the bytes of a blob, and sends them.
pub(crate) struct BucketWriter {
    blobs: BucketBlobs,
    id: String,
    gathered: Gathered,
    sent: Sent,
}

/// Bytes that were not sent yet, and the memory that they take up.
#[derive(Default)]
struct Gathered {
    bytes: Vec<Bytes>,
    length: usize,
    memory: Option<OwnedSemaphorePermit>,
}

impl Gathered {
    /// Adds bytes, if all that are being written have room for them.
    fn push(&mut self, bytes: Bytes, memory: &Arc<Semaphore>) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let room = Arc::clone(memory).try_acquire_many_owned(length);
        let room = room.map_err(|_| Away("too much is being written at one time".into()))?;
        match &mut self.memory {
            Some(memory) => memory.merge(room),
            none => *none = Some(room),
        }
        self.length += bytes.len();
        self.bytes.push(bytes);
        Ok(())
    }

    /// Splits into what is sent and the memory to let go of then.
    fn into_payload(self) -> (PutPayload, Option<OwnedSemaphorePermit>) {
        (self.bytes.into_iter().collect(), self.memory)
    }
}

/// What the store has of the blob.
enum Sent {
    /// Nothing.
    Nothing,
    /// A request with all of it is on its way.
    Whole,
    /// Parts of it.
    Parts(Parts),
    /// All of it, for good.
    Finished,
}

struct Parts {
    upload: Upload,
    ids: Vec<PartId>,
    /// The part that is on its way.
    sending: Option<JoinHandle<io::Result<PartId>>>,
}

impl Parts {
    /// Sends a part once the one before has arrived.
    async fn send(&mut self, part: Gathered) -> io::Result<()> {
        self.arrived().await?;
        let number = self.ids.len();
        if number == MOST_PARTS {
            return Err(io::Error::other("the blob has more parts than the store takes"));
        }
        let upload = self.upload.clone();
        self.sending = Some(tokio::spawn(async move {
            let (part, memory) = part.into_payload();
            let sent = upload.put(number, part).await;
            drop(memory);
            sent
        }));
        Ok(())
    }

    async fn arrived(&mut self) -> io::Result<()> {
        if let Some(sending) = &mut self.sending {
            let sent = sending.await;
            self.sending = None;
            self.ids.push(sent.map_err(io::Error::other)??);
        }
        Ok(())
    }

    async fn complete(&mut self, last: Gathered) -> io::Result<()> {
        if last.length > 0 {
            self.send(last).await?;
        }
        self.arrived().await?;
        self.upload.complete(std::mem::take(&mut self.ids)).await
    }
}

impl BucketWriter {
    pub(crate) fn new(blobs: BucketBlobs, id: &str) -> io::Result<Self> {
        blobs.keys.blob(id)?;
        Ok(Self {
            blobs,
            id: id.to_owned(),
            gathered: Gathered::default(),
            sent: Sent::Nothing,
        })
    }

    async fn send_part(&mut self) -> io::Result<()> {
        let part = std::mem::take(&mut self.gathered);
        if !matches!(self.sent, Sent::Parts(_)) {
            let upload = Upload::begin(&self.blobs, &self.id).await?;
            self.sent = Sent::Parts(Parts {
                upload,
                ids: Vec::new(),
                sending: None,
            });
        }
        match &mut self.sent {
            Sent::Parts(parts) => parts.send(part).await,
            _ => Err(io::Error::other("the blob was finished before")),
        }
    }
}

#[async_trait]
impl BlobWriter for BucketWriter {
    async fn write(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.gathered.length == PART {
                self.send_part().await?;
            }
            let now = bytes.split_to(bytes.len().min(PART - self.gathered.length));
            self.gathered.push(now, &self.blobs.memory)?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> io::Result<()> {
        let rest = std::mem::take(&mut self.gathered);
        if let Sent::Parts(parts) = &mut self.sent {
            parts.complete(rest).await?;
        } else {
            let path = self.blobs.keys.blob(&self.id)?;
            self.sent = Sent::Whole;
            let (whole, memory) = rest.into_payload();
            self.blobs.s3.put(&path, whole).await.map_err(of_store)?;
            drop(memory);
        }
        self.sent = Sent::Finished;
        Ok(())
    }
}

impl Drop for BucketWriter {
    fn drop(&mut self) {
        let sent = std::mem::replace(&mut self.sent, Sent::Nothing);
        let (Ok(runtime), false) = (
            tokio::runtime::Handle::try_current(),
            matches!(sent, Sent::Nothing | Sent::Finished),
        ) else {
            return;
        };
        let (blobs, id) = (self.blobs.clone(), self.id.clone());
        runtime.spawn(async move {
            if let Err(error) = undo(&blobs, &id, sent).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what is left of an unfinished blob goes at the next start"
                );
            }
        });
    }
}

/// Removes what the store has, and what it may have without our knowing: an answer may have been lost.
async fn undo(blobs: &BucketBlobs, id: &str, sent: Sent) -> io::Result<()> {
    if let Sent::Parts(mut parts) = sent {
        // A part that arrives after the end of its upload would stay.
        let _ = parts.arrived().await;
        parts.upload.abort().await?;
    }
    blobs.delete(&blobs.keys.blob(id)?).await
}
