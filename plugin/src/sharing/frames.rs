//! Messages on the socket of a shared connection: each behind its length.
//!
//! ```text
//! offset length field
//!      0      4 n, big-endian
//!      4      n a message of `Credited`; the first towards a caller is a greeting, in JSON
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use drawbridge_protocol::LARGEST_MAX_PAYLOAD;
use serde::{Deserialize, Serialize};

/// What a caller is told first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Greeting {
    /// The session that is shared.
    pub(crate) session_id: String,
}

/// A message is longer than any real one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {0} bytes is too long")]
pub(crate) struct TooLong(usize);

/// Puts a message behind its length.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(LENGTH_BYTES + message.len());
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// Takes messages out of bytes as they come.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Where the next bytes go.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ_BYTES);
        &mut self.buffer
    }

    /// Returns the next message, once all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > LARGEST_MAX_PAYLOAD {
            return Err(TooLong(length));
        }
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

const LENGTH_BYTES: usize = 4;
const READ_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut() {
        let stream: Vec<u8> = [&b"one"[..], b"", b"three"]
            .iter()
            .flat_map(|message| framed(message))
            .collect();
        for cut in 1..stream.len() {
            let mut frames = Frames::default();
            let mut messages = Vec::new();
            for piece in stream.chunks(cut) {
                frames.buffer().extend_from_slice(piece);
                while let Some(message) = frames.next().unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, [&b"one"[..], b"", b"three"]);
        }
    }

    #[test]
    fn a_length_that_nobody_means_is_refused_before_anything_is_kept() {
        let mut frames = Frames::default();
        frames.buffer().extend_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(frames.next(), Err(TooLong(u32::MAX as usize)));
    }
}
