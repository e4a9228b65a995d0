//! One journal record: its fixed header, and how its body is sealed.
//!
//! ```text
//! offset  length  field
//!      0       4  magic "DBR1"
//!      4       4  sealed body length, big endian, tag included
//!      8      16  session digest: first half of SHA-256 of the session id
//!     24       8  sequence number (of an output frame; 0 otherwise), i64
//!     32       8  when it was written, epoch milliseconds
//!     40       8  record counter inside the segment; the nonce
//!     48       1  kind
//!     49       7  zero
//!     56       n  body, AES-256-GCM under the segment's key, the header as additional data
//! ```

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::digest;
use bytes::Bytes;
use drawbridge_session::SessionId;

use super::JournalError;

/// Length of a record's header in bytes.
pub(crate) const HEADER_BYTES: usize = 56;

/// Bytes that sealing adds to a body: the GCM tag.
pub(crate) const TAG_BYTES: usize = 16;

/// Largest body the journal takes: one frame with its header, and room to spare.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

const MAGIC: [u8; 4] = *b"DBR1";

/// Names a session inside the journal without spelling its id: a fixed size, and nothing to read for
/// whoever holds the files but not the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionDigest([u8; 16]);

impl SessionDigest {
    /// Digests a session id.
    pub fn of(session: &SessionId) -> SessionDigest {
        let full = digest::digest(&digest::SHA256, session.to_string().as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&full.as_ref()[..16]);
        SessionDigest(half)
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> SessionDigest {
        SessionDigest(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A record's header as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) sealed_bytes: u32,
    pub(crate) session: SessionDigest,
    pub(crate) sequence: i64,
    pub(crate) written_ms: u64,
    pub(crate) counter: u64,
    pub(crate) kind: u8,
}

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[0..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&self.sealed_bytes.to_be_bytes());
        header[8..24].copy_from_slice(self.session.as_bytes());
        header[24..32].copy_from_slice(&self.sequence.to_be_bytes());
        header[32..40].copy_from_slice(&self.written_ms.to_be_bytes());
        header[40..48].copy_from_slice(&self.counter.to_be_bytes());
        header[48] = self.kind;
        header
    }

    /// Reads a header; `None` when these bytes are not one (the end of what was written).
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<RecordHeader> {
        let header = RecordHeader {
            sealed_bytes: u32::from_be_bytes(field(bytes, 4)),
            session: SessionDigest::from_bytes(field(bytes, 8)),
            sequence: i64::from_be_bytes(field(bytes, 24)),
            written_ms: u64::from_be_bytes(field(bytes, 32)),
            counter: u64::from_be_bytes(field(bytes, 40)),
            kind: bytes[48],
        };
        let length = header.sealed_bytes as usize;
        let plausible = bytes[0..4] == MAGIC && (TAG_BYTES..=MAX_BODY_BYTES + TAG_BYTES).contains(&length);
        plausible.then_some(header)
    }

    /// Bytes the whole record takes in the file.
    pub(crate) fn record_bytes(&self) -> u64 {
        (HEADER_BYTES as u64) + u64::from(self.sealed_bytes)
    }
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&bytes[offset..offset + N]);
    value
}

/// Appends the sealed record to `out`.
pub(crate) fn seal_into(
    out: &mut Vec<u8>,
    key: &LessSafeKey,
    header: RecordHeader,
    body: &[u8],
) -> Result<(), JournalError> {
    let encoded = header.encode();
    out.extend_from_slice(&encoded);
    let start = out.len();
    out.extend_from_slice(body);
    let tag = key
        .seal_in_place_separate_tag(nonce(header.counter), Aad::from(encoded), &mut out[start..])
        .map_err(|_| JournalError::Seal)?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Opens a sealed body; `None` when it is not what was sealed under this header.
pub(crate) fn open(key: &LessSafeKey, header: &RecordHeader, sealed: &[u8]) -> Option<Bytes> {
    let mut body = sealed.to_vec();
    let length = key
        .open_in_place(nonce(header.counter), Aad::from(header.encode()), &mut body)
        .ok()?
        .len();
    body.truncate(length);
    Some(Bytes::from(body))
}

/// A counter is enough: the key is fresh for every segment, and a segment has one writer.
fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
