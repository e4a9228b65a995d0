//! Reading a blob range by range: no connection is held open for a reader that is slow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use object_store::path::Path;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::bucket::BucketBlobs;
use crate::error::wrong;

/// The first range: most readers want little, such as one chunk.
const FIRST: u64 = 256 * 1024;

/// The longest range. One is being read, one waits, and one is on its way.
const LONGEST: u64 = 2 * 1024 * 1024;

/// The bytes of a blob from an offset on.
pub(crate) struct ChunkedReader {
    chunk: Bytes,
    /// Bytes of the blob that have not come yet.
    left: u64,
    /// What reads ahead, until somebody has read the first range: many want no more.
    ahead: Option<Ahead>,
    chunks: mpsc::Receiver<io::Result<Bytes>>,
}

impl ChunkedReader {
    /// Reads the first range.
    pub(crate) async fn open(blobs: BucketBlobs, path: Path, from: u64) -> io::Result<Self> {
        let (chunk, size) = blobs.range(&path, from..from.saturating_add(FIRST)).await?;
        let at = from + chunk.len() as u64;
        let (reader, chunks) = mpsc::channel(1);
        Ok(Self {
            chunk,
            left: size.saturating_sub(at),
            ahead: Some(Ahead {
                blobs,
                path,
                at,
                size,
                reader,
            }),
            chunks,
        })
    }
}

/// Reads range after range, a little before they are asked for.
struct Ahead {
    blobs: BucketBlobs,
    path: Path,
    at: u64,
    size: u64,
    reader: mpsc::Sender<io::Result<Bytes>>,
}

impl Ahead {
    async fn read(mut self) {
        let mut length = FIRST;
        while self.at < self.size {
            length = (length * 2).min(LONGEST);
            // Who has gone away needs no more.
            let chunk = tokio::select! {
                chunk = self.next(length) => chunk,
                () = self.reader.closed() => return,
            };
            self.at += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            let failed = chunk.is_err();
            if self.reader.send(chunk).await.is_err() || failed {
                return;
            }
        }
    }

    async fn next(&self, length: u64) -> io::Result<Bytes> {
        let end = self.size.min(self.at + length);
        let (chunk, size) = self.blobs.range(&self.path, self.at..end).await?;
        if size != self.size {
            return Err(wrong("a blob changed while it was read"));
        }
        Ok(chunk)
    }
}

impl AsyncRead for ChunkedReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.chunk.is_empty() && self.left > 0 {
            if let Some(ahead) = self.ahead.take() {
                tokio::spawn(ahead.read());
            }
            match ready!(self.chunks.poll_recv(context)) {
                Some(Ok(chunk)) => {
                    self.left = self.left.saturating_sub(chunk.len() as u64);
                    self.chunk = chunk;
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                // An end before the end is none.
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        let length = self.chunk.len().min(buffer.remaining());
        buffer.put_slice(&self.chunk[..length]);
        self.chunk.advance(length);
        Poll::Ready(Ok(()))
    }
}
