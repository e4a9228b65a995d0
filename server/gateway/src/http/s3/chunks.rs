//! Chunks of an `aws-chunked` body: none longer than may be held, and none missing.
//!
//! ```text
//! <hex length>[;chunk-signature=<64 hex>]\r\n<bytes>\r\n …  0[;chunk-signature=…]\r\n  trailers
//! ```
//!
//! The dialect reads the body after this, and holds each chunk until it has all of it. A chunk that is signed must be held, so
//! its length is bounded; some clients send an object of any length as one chunk that is not, and that is passed on in
//! chunks of what the network brings. Nothing else is changed: what a signature covers comes through as it came.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};

/// The most bytes of a signed chunk; clients send 64 KiB to 1 MiB.
const MOST_SIGNED: u64 = 16 * 1024 * 1024;

/// The most bytes of the line before a chunk.
const MOST_OF_A_LINE: usize = 256;

/// What is wrong with the chunks; the dialect's own errors say it with the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("FormatError: a chunk is not well-formed")]
    Malformed,
    #[error("TooLarge: a chunk is longer than may be held")]
    TooLarge,
    #[error("Incomplete: the last chunk is missing")]
    Incomplete,
}

/// A body whose chunks are bounded.
pub(crate) struct BoundedChunks<B> {
    body: B,
    place: Place,
    ready: VecDeque<Bytes>,
}

/// Where in the body the next byte stands.
#[derive(Debug)]
enum Place {
    /// In the line before a chunk, of which this much is here.
    Line(Vec<u8>),
    /// In a chunk, of which this much is to come.
    Chunk { left: u64, is_signed: bool },
    /// Between a chunk and the next line.
    Between { rest: &'static [u8], is_signed: bool },
    /// Behind the last chunk.
    Trailers,
}

/// What a line says of its chunk.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    length: u64,
    is_signed: bool,
}

impl<B> BoundedChunks<B> {
    /// Begins before the first chunk.
    pub(crate) fn new(body: B) -> Self {
        Self {
            body,
            place: Place::Line(Vec::new()),
            ready: VecDeque::new(),
        }
    }

    fn take(&mut self, mut bytes: Bytes) -> Result<(), ChunkError> {
        while !bytes.is_empty() {
            self.place = match std::mem::replace(&mut self.place, Place::Trailers) {
                Place::Line(line) => self.take_line(line, &mut bytes)?,
                Place::Chunk { left, is_signed } => self.take_chunk(left, is_signed, &mut bytes),
                Place::Between { rest, is_signed } => self.take_between(rest, is_signed, &mut bytes)?,
                Place::Trailers => {
                    self.ready.push_back(std::mem::take(&mut bytes));
                    Place::Trailers
                }
            };
        }
        Ok(())
    }

    fn take_line(&mut self, mut line: Vec<u8>, bytes: &mut Bytes) -> Result<Place, ChunkError> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = bytes.split_to(end.map_or(bytes.len(), |end| end + 1));
        if line.len() + piece.len() > MOST_OF_A_LINE {
            return Err(ChunkError::TooLarge);
        }
        line.extend_from_slice(&piece);
        if end.is_none() {
            return Ok(Place::Line(line));
        }
        let Line { length, is_signed } = Line::read(&line).ok_or(ChunkError::Malformed)?;
        if is_signed && length > MOST_SIGNED {
            return Err(ChunkError::TooLarge);
        }
        if is_signed || length == 0 {
            self.ready.push_back(line.into());
        }
        Ok(match length {
            0 => Place::Trailers,
            left => Place::Chunk { left, is_signed },
        })
    }

    fn take_chunk(&mut self, left: u64, is_signed: bool, bytes: &mut Bytes) -> Place {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let piece = bytes.split_to(here);
        let left = left - here as u64;
        if is_signed {
            self.ready.push_back(piece);
        } else {
            let line = format!("{here:x}\r\n").into();
            self.ready.extend([line, piece, Bytes::from_static(b"\r\n")]);
        }
        match left {
            0 => Place::Between {
                rest: b"\r\n",
                is_signed,
            },
            left => Place::Chunk { left, is_signed },
        }
    }

    fn take_between(
        &mut self,
        rest: &'static [u8],
        is_signed: bool,
        bytes: &mut Bytes,
    ) -> Result<Place, ChunkError> {
        let (here, rest) = rest.split_at(rest.len().min(bytes.len()));
        let piece = bytes.split_to(here.len());
        if piece != here {
            return Err(ChunkError::Malformed);
        }
        if is_signed {
            self.ready.push_back(piece);
        }
        Ok(match rest {
            [] => Place::Line(Vec::new()),
            rest => Place::Between { rest, is_signed },
        })
    }
}

impl Line {
    /// Reads a line with its end; `None` where it is none.
    fn read(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
        let (length, extension) = line
            .split_once(';')
            .map_or((line, None), |(length, rest)| (length, Some(rest)));
        let is_hex = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self {
            length: u64::from_str_radix(length, 16).ok().filter(|_| is_hex)?,
            is_signed: extension.is_some(),
        })
    }
}

impl<B> Body for BoundedChunks<B>
where
    B: Body<Data = Bytes, Error = s3s::StdError> + Unpin,
{
    type Data = Bytes;
    type Error = s3s::StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            if let Some(bytes) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(frame) => frame?,
                None if matches!(this.place, Place::Trailers) => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(ChunkError::Incomplete.into()))),
            };
            // Trailers of HTTP itself mean nothing here.
            if let Ok(bytes) = frame.into_data() {
                this.take(bytes)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// What comes through of a body that comes in pieces of a size, piece by piece.
    async fn through(body: &[u8], size: usize) -> Result<Vec<Bytes>, String> {
        let pieces: Vec<_> = body
            .chunks(size)
            .map(|piece| Ok::<_, s3s::StdError>(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        let mut chunks = BoundedChunks::new(StreamBody::new(futures_util::stream::iter(pieces)));
        let mut came = Vec::new();
        while let Some(frame) = chunks.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            came.push(frame.into_data().expect("data"));
        }
        Ok(came)
    }

    #[tokio::test]
    async fn what_is_signed_comes_through_as_it_came() {
        let signature = "0".repeat(64);
        let body = format!("3;chunk-signature={signature}\r\nabc\r\n0;chunk-signature={signature}\r\n\r\n");
        for size in [1, 2, 7, 1000] {
            let came = through(body.as_bytes(), size).await.expect("whole").concat();
            assert_eq!(came, body.as_bytes());
        }
    }

    #[tokio::test]
    async fn what_is_not_signed_is_passed_on_as_the_network_brings_it() {
        let body = "7\r\nabcdefg\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        let came = through(body.as_bytes(), 5).await.expect("whole").concat();
        let expected = "2\r\nab\r\n5\r\ncdefg\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&came), expected);
        assert_eq!(
            through(body.as_bytes(), 1000).await.expect("whole").concat(),
            body.as_bytes()
        );
    }

    #[tokio::test]
    async fn a_chunk_of_any_length_is_never_held() {
        // Five GiB, of which the first bytes come.
        let begun = [b"140000000\r\n".as_slice(), &[7; 4096]].concat();
        let pieces = [Ok::<_, s3s::StdError>(Frame::data(Bytes::from(begun)))];
        let pieces = futures_util::StreamExt::chain(
            futures_util::stream::iter(pieces),
            futures_util::stream::pending(),
        );
        let mut chunks = BoundedChunks::new(StreamBody::new(pieces));
        for expected in [b"1000\r\n".as_slice(), &[7; 4096], b"\r\n"] {
            let frame = chunks.frame().await.expect("one").expect("whole");
            assert_eq!(frame.into_data().expect("data"), expected);
        }
        let signed = format!("1000001;chunk-signature={}\r\n", "0".repeat(64));
        let refused = through(signed.as_bytes(), 10).await;
        assert_eq!(refused, Err(ChunkError::TooLarge.to_string()));
        let endless = through(&[b'0'; 10_000], 100).await;
        assert_eq!(endless, Err(ChunkError::TooLarge.to_string()));
    }

    #[tokio::test]
    async fn what_is_no_chunk_is_refused() {
        let (malformed, incomplete) = (ChunkError::Malformed, ChunkError::Incomplete);
        for (body, error) in [
            ("", incomplete),
            ("3", incomplete),
            ("3\r\nab", incomplete),
            ("3\r\nabc", incomplete),
            ("3\r\nabc\r\n", incomplete),
            ("3\r\nabc\r", incomplete),
            ("3\r\nabcd\r\n0\r\n", malformed),
            ("3\nabc\r\n0\r\n", malformed),
            ("\r\n", malformed),
            ("+3\r\nabc\r\n0\r\n", malformed),
            ("3x\r\nabc\r\n0\r\n", malformed),
            ("10000000000000003\r\nabc\r\n0\r\n", malformed),
        ] {
            let refused = through(body.as_bytes(), 4).await;
            assert_eq!(refused, Err(error.to_string()), "{body:?}");
        }
    }
}
