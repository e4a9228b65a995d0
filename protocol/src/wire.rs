//! The binary frame that both channels carry, one per websocket message.
//!
//! ```text
//! offset length field
//!      0      4 header length     u32, always 116: where the payload length stands
//!      4     32 message type      ASCII, padded with spaces
//!     36      4 schema version    u32
//!     40      8 created           u64, milliseconds since the epoch
//!     48      8 sequence number   i64
//!     56      8 flags             u64
//!     64     16 message id        UUID, its two halves swapped
//!     80     32 payload digest    SHA-256 of the payload as carried; zero, and not looked at, in a `Multiplexed` one
//!    112      4 payload type      u32
//!    116      4 payload length    u32
//!    120      n payload
//! ```
//!
//! Integers are big-endian. Source: `protocol.md` 3.1 to 3.4. Where AWS's two readers differ in what they check, this one
//! checks what either does, and more: a header of any other length and a payload length that differs from what follows
//! are refused, because the public readers index by the first and ignore the second.

mod error;
mod message_type;
mod payload_type;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use crate::Time;

pub use error::DecodeError;
pub use message_type::{Label, MessageType};
pub use payload_type::PayloadType;

/// Value of the header length field: the offset of the payload length.
pub const HEADER_LENGTH: u32 = 116;

/// Offset of the payload, and the length of the shortest frame.
pub const PAYLOAD_OFFSET: usize = 120;

/// Length of the longest frame that is read, header included.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// Flags of the first frame of a node's output.
pub const FLAG_SYN: u64 = 1;

/// Flags of acknowledgements and of `agent_session_state`.
pub const FLAG_ACKNOWLEDGE: u64 = 3;

/// Is one message of a control channel or data channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the message is.
    pub message_type: MessageType,
    /// Version of the message's schema; 1 in every message known.
    pub schema_version: u32,
    /// When the message was made, in milliseconds since the epoch.
    pub created_ms: u64,
    /// Place in the stream; 0 in messages that are not stream data.
    pub sequence: i64,
    /// See [`FLAG_SYN`] and [`FLAG_ACKNOWLEDGE`]; neither of AWS's programs reads it.
    pub flags: u64,
    /// Name of the message; the same when it is sent again.
    pub message_id: Uuid,
    /// What the payload is; 0 in messages that are not stream data.
    pub payload_type: PayloadType,
    /// The payload, a slice of the received message.
    pub payload: Bytes,
}

impl Frame {
    /// Makes a frame that is not stream data: sequence number, flags and payload type are 0.
    pub fn control(message_type: MessageType, message_id: Uuid, payload: Bytes, now: Time) -> Frame {
        Frame {
            message_type,
            schema_version: 1,
            created_ms: now.epoch_ms.max(1),
            sequence: 0,
            flags: 0,
            message_id,
            payload_type: PayloadType::None,
            payload,
        }
    }

    /// Reads one websocket message without copying its payload.
    ///
    /// # Errors
    ///
    /// Any departure from the layout above is a [`DecodeError`] that names the rule; nothing is allocated.
    pub fn decode(message: Bytes) -> Result<Frame, DecodeError> {
        if message.len() < PAYLOAD_OFFSET {
            return Err(DecodeError::TooShort {
                length: message.len(),
            });
        }
        if message.len() > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLong {
                length: message.len(),
            });
        }
        let header = Header::new(&message);
        let header_length = u32::from_be_bytes(header.field::<0, 4>());
        if header_length != HEADER_LENGTH {
            return Err(DecodeError::HeaderLength {
                announced: header_length,
            });
        }
        let announced = u32::from_be_bytes(header.field::<116, 4>());
        let actual = message.len() - PAYLOAD_OFFSET;
        if announced as usize != actual {
            return Err(DecodeError::PayloadLength { announced, actual });
        }
        let message_type =
            MessageType::from_field(header.field::<4, 32>()).ok_or(DecodeError::NoMessageType)?;
        let created_ms = u64::from_be_bytes(header.field::<40, 8>());
        if created_ms == 0 && !message_type.is_publication_switch() {
            return Err(DecodeError::NoCreatedDate);
        }
        let payload_digest = header.field::<80, 32>();
        let schema_version = u32::from_be_bytes(header.field::<36, 4>());
        let sequence = i64::from_be_bytes(header.field::<48, 8>());
        let flags = u64::from_be_bytes(header.field::<56, 8>());
        let message_id = uuid_from_field(header.field::<64, 16>());
        let payload_type = PayloadType::from(u32::from_be_bytes(header.field::<112, 4>()));
        let mut payload = message;
        payload.advance(PAYLOAD_OFFSET);
        if !payload.is_empty() && digest_of(payload_type, &payload) != payload_digest {
            return Err(DecodeError::Digest);
        }
        Ok(Frame {
            message_type,
            schema_version,
            created_ms,
            sequence,
            flags,
            message_id,
            payload_type,
            payload,
        })
    }

    /// Writes the frame in one allocation.
    ///
    /// AWS's programs cannot write an empty payload and one of them reads it badly, so nothing in this crate makes one.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(PAYLOAD_OFFSET + self.payload.len());
        out.put_u32(HEADER_LENGTH);
        out.put_slice(&self.message_type.to_field());
        out.put_u32(self.schema_version);
        out.put_u64(self.created_ms);
        out.put_i64(self.sequence);
        out.put_u64(self.flags);
        out.put_slice(&uuid_to_field(self.message_id));
        out.put_slice(&digest_of(self.payload_type, &self.payload));
        out.put_u32(self.payload_type.into());
        // A payload of 4 GiB cannot exist: every producer cuts at LARGEST_MAX_PAYLOAD.
        out.put_u32(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        out.put_slice(&self.payload);
        out.freeze()
    }
}

/// Hashes a payload, where its kind is hashed.
///
/// Every connection is TLS, which protects the bytes already. Hashing them twice more, at each end and in between, is a third of
/// what a tunnel costs, and only AWS's programs, which never see such a frame, insist on it.
fn digest_of(payload_type: PayloadType, payload: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    if payload_type != PayloadType::Multiplexed {
        out.copy_from_slice(digest(&SHA256, payload).as_ref());
    }
    out
}

/// Puts another sequence number into an encoded frame; in place when nobody else holds the bytes.
///
/// The digest covers the payload alone, so nothing is hashed again. Bytes shorter than a frame come back unchanged.
pub fn with_sequence(encoded: Bytes, sequence: i64) -> Bytes {
    if sequence_of(&encoded).is_none_or(|present| present == sequence) {
        return encoded;
    }
    let mut bytes = encoded
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    bytes[SEQUENCE_OFFSET..SEQUENCE_OFFSET + 8].copy_from_slice(&sequence.to_be_bytes());
    bytes.freeze()
}

/// Reads the sequence number of an encoded frame; `None` for bytes shorter than a frame.
pub fn sequence_of(encoded: &[u8]) -> Option<i64> {
    (encoded.len() >= PAYLOAD_OFFSET)
        .then(|| i64::from_be_bytes(Header::new(encoded).field::<SEQUENCE_OFFSET, 8>()))
}

/// Is the fixed part of a frame, already known to be there.
struct Header<'a>(&'a [u8; PAYLOAD_OFFSET]);

impl<'a> Header<'a> {
    fn new(message: &'a [u8]) -> Header<'a> {
        Header(
            message
                .first_chunk()
                .expect("callers check that the message is at least a header long"),
        )
    }

    fn field<const OFFSET: usize, const LENGTH: usize>(&self) -> [u8; LENGTH] {
        const { assert!(OFFSET + LENGTH <= PAYLOAD_OFFSET) };
        let mut field = [0; LENGTH];
        field.copy_from_slice(&self.0[OFFSET..OFFSET + LENGTH]);
        field
    }
}

fn uuid_from_field(field: [u8; 16]) -> Uuid {
    Uuid::from_u128(u128::from_be_bytes(field).rotate_left(64))
}

fn uuid_to_field(id: Uuid) -> [u8; 16] {
    id.as_u128().rotate_left(64).to_be_bytes()
}

const SEQUENCE_OFFSET: usize = 48;

#[cfg(test)]
mod tests;
