//! Reading more than is asked for, while there is more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Bytes asked of the kernel at once.
const READ_BYTES: usize = 64 * 1024;

/// A byte stream that is read in large pieces as long as it is busy.
///
/// rustls asks for 4 KiB at a time and a record has 16: five calls of the kernel for each, which is most of what receiving in
/// bulk costs. While nothing is waiting to be read it keeps no buffer, for most connections are idle.
#[derive(Debug)]
pub struct ReadAhead<S> {
    inner: S,
    ahead: BytesMut,
    /// Whether the last read filled all that was asked for, so that more is likely to be there.
    is_busy: bool,
}

impl<S> ReadAhead<S> {
    /// Reads ahead of whoever reads this.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            ahead: BytesMut::new(),
            is_busy: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            if !this.is_busy || buffer.remaining() >= READ_BYTES {
                ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
                this.is_busy = buffer.remaining() == 0;
                return Poll::Ready(Ok(()));
            }
            this.ahead.reserve(READ_BYTES);
            match poll_read_buf(Pin::new(&mut this.inner), cx, &mut this.ahead) {
                Poll::Ready(read) => {
                    read?;
                }
                Poll::Pending => {
                    this.ahead = BytesMut::new();
                    this.is_busy = false;
                    return Poll::Pending;
                }
            }
        }
        let count = this.ahead.len().min(buffer.remaining());
        buffer.put_slice(&this.ahead[..count]);
        this.ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn gives_every_byte_in_order_whatever_is_asked_for() {
        let (mut writer, reader) = duplex(200_000);
        let sent: Vec<u8> = (0..1_000_000_u32).map(|at| (at * 7 + at / 251) as u8).collect();
        let writing = tokio::spawn({
            let sent = sent.clone();
            async move { writer.write_all(&sent).await.expect("taken") }
        });
        let mut reader = ReadAhead::new(reader);
        let (mut got, mut size) = (Vec::new(), 1);
        loop {
            let mut piece = vec![0; size];
            let count = reader.read(&mut piece).await.expect("read");
            if count == 0 {
                break;
            }
            got.extend_from_slice(&piece[..count]);
            size = (size * 3 + 1) % 9000 + 1;
        }
        assert!(got == sent);
        writing.await.expect("written");
    }

    #[tokio::test]
    async fn keeps_no_buffer_while_nothing_comes() {
        let (mut writer, reader) = duplex(200_000);
        let mut reader = ReadAhead::new(reader);
        writer.write_all(&[1; 100_000]).await.expect("taken");
        let mut piece = [0; 4096];
        let mut left = 100_000;
        while left > 0 {
            left -= reader.read(&mut piece).await.expect("read");
        }
        assert!(reader.ahead.capacity() > 0, "it was busy");
        tokio::select! {
            biased;
            _ = reader.read(&mut piece) => panic!("nothing came"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(reader.ahead.capacity(), 0);
    }
}
