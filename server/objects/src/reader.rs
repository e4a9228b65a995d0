//! Reading a blob range by range: no connection is held open for a reader that is slow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use object_store::path::Path;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use crate::bucket::BucketBlobs;

/// The first range: most readers want little, such as one chunk.
const FIRST: u64 = 256 * 1024;

/// The longest range. One is being read, one waits, and one is on its way.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The bytes of a blob from an offset on.
pub(crate) struct ChunkedReader {
    chunk: Bytes,
    /// Bytes of the blob that have not come yet.
    left: u64,
    chunks: mpsc::Receiver<io::Result<Bytes>>,
}

impl ChunkedReader {
    /// Reads the first range; the others are read ahead while there are readers.
    pub(crate) async fn open(blobs: BucketBlobs, path: Path, from: u64) -> io::Result<Self> {
        let (chunk, size) = blobs.range(&path, from..from.saturating_add(FIRST)).await?;
        let at = from + chunk.len() as u64;
        let (ahead, chunks) = mpsc::channel(1);
        if at < size {
            tokio::spawn(read_ahead(blobs, path, at, size, ahead));
        }
        Ok(Self {
            chunk,
            left: size - at,
            chunks,
        })
    }
}

async fn read_ahead(
    blobs: BucketBlobs,
    path: Path,
    mut at: u64,
    size: u64,
    ahead: mpsc::Sender<io::Result<Bytes>>,
) {
    let mut length = FIRST;
    while at < size {
        length = (length * 2).min(LONGEST);
        // Who has gone away needs no more; what was sent for them by then is all that is lost.
        let read = tokio::select! {
            read = blobs.range(&path, at..size.min(at + length)) => read,
            () = ahead.closed() => return,
        };
        let chunk = match read {
            Ok((_, other)) if other != size => Err(crate::error::wrong("a blob changed while it was read")),
            read => read.map(|(chunk, _)| chunk),
        };
        at += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let failed = chunk.is_err();
        if ahead.send(chunk).await.is_err() || failed {
            return;
        }
    }
}

impl AsyncRead for ChunkedReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.chunk.is_empty() && self.left > 0 {
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
