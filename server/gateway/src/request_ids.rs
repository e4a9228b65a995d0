//! Request ids for the answers that are not ours: those of hyper to what it cannot read as a request.
//!
//! hyper writes them by itself (400, 414, 431) and asks nobody. Each is a head without a body, the last thing that is
//! written on its connection, so a look at the end of what is written finds it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use drawbridge_session::Random;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::REQUEST_ID;
use crate::listener::Io;

/// More than hyper's own answers are long.
const LONGEST_OWN_ANSWER: usize = 256;

/// A stream under an HTTP/1.1 connection on which every answer has an `x-amzn-RequestId`.
pub(crate) struct RequestIds<S> {
    stream: S,
    address: SocketAddr,
    random: Arc<dyn Random>,
    /// An answer that was given its id, as far as the stream has not taken it yet.
    held: Vec<u8>,
}

impl<S: Io> RequestIds<S> {
    /// Puts it on a stream from `address`.
    pub(crate) fn new(stream: S, address: SocketAddr, random: Arc<dyn Random>) -> RequestIds<S> {
        RequestIds {
            stream,
            address,
            random,
            held: Vec::new(),
        }
    }

    /// The stream alone, for a connection that has been upgraded.
    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Io> AsyncWrite for RequestIds<S> {
    // Not vectored: hyper then writes an answer in one piece, and looking at its end is enough.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_held(cx))?;
        let Some(at) = headers_of_own_answer(bytes) else {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        };
        let id = self.random.uuid();
        tracing::debug!(address = %self.address, request.id = %id, "refused what is not a request");
        let (before, after) = bytes.split_at(at);
        self.held = [before, format!("{REQUEST_ID}: {id}\r\n").as_bytes(), after].concat();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Io> AsyncRead for RequestIds<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

/// Where the headers of an answer begin that ends these bytes, refuses something and has no request id.
fn headers_of_own_answer(bytes: &[u8]) -> Option<usize> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let end = bytes.get(bytes.len().saturating_sub(LONGEST_OWN_ANSWER)..)?;
    let start = end.windows(7).rposition(|window| window == b"HTTP/1.")?;
    let head = end.get(start..)?;
    let is_refusal = head.get(8..10) == Some(b" 4");
    let has_id = head
        .windows(REQUEST_ID.as_str().len())
        .any(|window| window.eq_ignore_ascii_case(REQUEST_ID.as_str().as_bytes()));
    if !is_refusal || has_id {
        return None;
    }
    let line = head.windows(2).position(|window| window == b"\r\n")? + 2;
    Some(bytes.len() - head.len() + line)
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const OWN: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    #[test]
    fn finds_the_answer_that_has_no_id_behind_another() {
        let ours = "HTTP/1.1 200 OK\r\nx-amzn-requestid: 1\r\ncontent-length: 2\r\n\r\n{}";
        let both = format!("{ours}{OWN}");
        assert_eq!(
            headers_of_own_answer(both.as_bytes()),
            Some(ours.len() + "HTTP/1.1 400 Bad Request\r\n".len())
        );
    }

    #[test]
    fn leaves_everything_else_alone() {
        let long = format!("HTTP/1.1 400 Bad Request\r\nx: {}\r\n\r\n", "y".repeat(400));
        for other in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nX-Amzn-RequestId: 1\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.\r\n\r\n",
            &long,
        ] {
            assert_eq!(headers_of_own_answer(other.as_bytes()), None, "{other:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_reaches_a_reader_that_takes_a_byte_at_a_time() {
        let (near, mut far) = tokio::io::duplex(1);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut stream = RequestIds::new(near, address, Arc::new(SeededRandom::new(1)));
        let writing = tokio::spawn(async move {
            stream.write_all(OWN.as_bytes()).await.expect("taken");
            stream.shutdown().await.expect("sent");
        });
        let mut told = String::new();
        far.read_to_string(&mut told).await.expect("text");
        writing.await.expect("no panic");
        let (line, rest) = told.split_once("\r\nx-amzn-requestid: ").expect("an id");
        let (id, rest) = rest.split_at(36);
        assert!(id.parse::<uuid::Uuid>().is_ok(), "{id}");
        assert_eq!(format!("{line}{rest}"), OWN);
    }
}
