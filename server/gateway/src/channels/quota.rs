//! A byte stream of which only so much is read while its peer is a stranger.
//!
//! The websocket library keeps what has come of a message until it is whole. A stranger's longest message is short,
//! but it must not cost the memory of the longest that a known peer may send.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that fails once its quota is read, until that is lifted.
#[derive(Debug)]
pub(crate) struct Quota<S> {
    io: S,
    left: Option<usize>,
}

impl<S> Quota<S> {
    /// Lets `bytes` be read, and the rest of the read that goes beyond.
    pub(crate) fn new(io: S, bytes: usize) -> Quota<S> {
        let left = Some(bytes);
        Quota { io, left }
    }

    /// Lets everything be read from now on.
    pub(crate) fn lift(&mut self) {
        self.left = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quota<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == Some(0) {
            let text = "the peer sent too much before it was admitted";
            return Poll::Ready(Err(io::Error::other(text)));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        self.left = self.left.map(|left| left.saturating_sub(read));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quota<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::Quota;

    #[tokio::test]
    async fn a_stranger_sends_so_much_and_no_more() {
        let (mut far, near) = tokio::io::duplex(64);
        let mut near = Quota::new(near, 10);
        far.write_all(&[7; 40]).await.expect("room");
        let mut buffer = [0; 8];
        assert_eq!(near.read(&mut buffer).await.expect("within the quota"), 8);
        assert_eq!(near.read(&mut buffer).await.expect("goes beyond it"), 8);
        assert!(near.read(&mut buffer).await.is_err(), "and that was all");
        near.lift();
        assert_eq!(near.read(&mut buffer).await.expect("known by now"), 8);
    }
}
