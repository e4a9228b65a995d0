//! A segment file: its header, its key, and reading its records from the front.
//!
//! ```text
//! offset  length  field
//!      0       8  magic "DRAWJRNL"
//!      8       4  version 1, big endian
//!     12       4  zero
//!     16       8  created, epoch milliseconds
//!     24      16  salt of this segment's key
//!     40       …  records
//! ```
//!
//! The salt is random, so that a record counter that starts at 0 never meets the same key twice: not
//! after a restart, not when a file number is used again.

use std::collections::HashSet;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::files::SegmentFile;
use super::index::Holders;
use super::record::{HEADER_BYTES, MAX_BODY_BYTES, RecordHeader, TAG_BYTES, open, seal_into};
use super::{JournalError, RecordKind, SessionDigest};

/// Length of a segment's header in bytes; the offset of its first record.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 40;

/// How much of a segment is read at once while scanning it.
const SCAN_CHUNK_BYTES: usize = 1024 * 1024;

const MAGIC: [u8; 8] = *b"DRAWJRNL";
const VERSION: u32 = 1;

/// The key that all segment keys are derived from; itself derived from the server's root key.
#[derive(Clone)]
pub struct JournalKey(Zeroizing<[u8; 32]>);

impl JournalKey {
    /// Takes 32 bytes that nothing else is sealed with.
    pub fn new(bytes: [u8; 32]) -> JournalKey {
        JournalKey(Zeroizing::new(bytes))
    }

    /// The key of the segment with this salt.
    pub(crate) fn segment_key(&self, salt: &[u8; 16]) -> LessSafeKey {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(self.0.as_ref());
        let okm = extracted
            .expand(&[b"drawbridge journal segment"], &AES_256_GCM)
            .expect("32 bytes are within HKDF's limit");
        LessSafeKey::new(UnboundKey::from(okm))
    }
}

impl std::fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JournalKey(..)")
    }
}

/// What stands at the front of a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) created_ms: u64,
    pub(crate) salt: [u8; 16],
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut header = [0; SEGMENT_HEADER_BYTES];
        header[0..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_be_bytes());
        header[16..24].copy_from_slice(&self.created_ms.to_be_bytes());
        header[24..40].copy_from_slice(&self.salt);
        header
    }

    /// Reads a segment's header; `None` when it is torn or of another version.
    pub(crate) fn read(file: &dyn SegmentFile) -> Option<SegmentHeader> {
        let mut header = [0; SEGMENT_HEADER_BYTES];
        file.read_exact_at(&mut header, 0).ok()?;
        let mut created = [0; 8];
        created.copy_from_slice(&header[16..24]);
        let mut salt = [0; 16];
        salt.copy_from_slice(&header[24..40]);
        let known = header[0..8] == MAGIC && header[8..12] == VERSION.to_be_bytes();
        known.then_some(SegmentHeader {
            created_ms: u64::from_be_bytes(created),
            salt,
        })
    }
}

/// A record's body read back, with where and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundRecord {
    pub(crate) offset: u32,
    pub(crate) header: RecordHeader,
    pub(crate) body: Bytes,
}

/// Which records a scan opens; the others are stepped over by their length alone.
pub(crate) enum Wanted<'a> {
    /// None: only what the headers say.
    HeadersOnly,
    /// Those of some sessions.
    Sessions(&'a HashSet<SessionDigest>),
}

impl Wanted<'_> {
    fn includes(&self, session: &SessionDigest) -> bool {
        match self {
            Wanted::HeadersOnly => false,
            Wanted::Sessions(wanted) => wanted.contains(session),
        }
    }
}

/// Walks a segment from its first record to the last whole one.
///
/// A torn or damaged tail ends the walk without an error: nothing behind it was ever acknowledged,
/// because a failed or unfinished write is the last thing that happens to a segment.
///
/// # Errors
///
/// Only when the file cannot be read at all.
pub(crate) fn scan(
    file: &dyn SegmentFile,
    key: &LessSafeKey,
    wanted: &Wanted<'_>,
    mut visit: impl FnMut(RecordHeader, u32, Option<Bytes>),
) -> Result<u64, JournalError> {
    let length = file.length().map_err(JournalError::Read)?;
    let mut window = Window::new(file, length);
    let mut offset = SEGMENT_HEADER_BYTES as u64;
    while let Some(bytes) = window.at(offset, HEADER_BYTES)? {
        let fixed = bytes
            .try_into()
            .expect("the window gives as many bytes as were asked for");
        let (Some(header), Ok(place)) = (RecordHeader::decode(fixed), u32::try_from(offset)) else {
            break;
        };
        let body = offset + HEADER_BYTES as u64;
        let Some(sealed) = window.at(body, header.sealed_bytes as usize)? else {
            break;
        };
        if wanted.includes(&header.session) {
            let Some(body) = open(key, &header, sealed) else {
                break;
            };
            visit(header, place, Some(body));
        } else {
            visit(header, place, None);
        }
        offset += header.record_bytes();
    }
    Ok(offset)
}

/// Reads one record at a known place.
pub(crate) fn read_record(
    file: &dyn SegmentFile,
    key: &LessSafeKey,
    offset: u32,
) -> Result<FoundRecord, JournalError> {
    let mut fixed = [0; HEADER_BYTES];
    file.read_exact_at(&mut fixed, u64::from(offset))
        .map_err(JournalError::Read)?;
    let header = RecordHeader::decode(&fixed).ok_or(JournalError::Damaged { offset })?;
    let mut sealed = vec![0; header.sealed_bytes as usize];
    file.read_exact_at(&mut sealed, u64::from(offset) + HEADER_BYTES as u64)
        .map_err(JournalError::Read)?;
    let body = open(key, &header, &sealed).ok_or(JournalError::Damaged { offset })?;
    Ok(FoundRecord { offset, header, body })
}

/// A moving view of a file, so that a scan costs one read per megabyte and not two per record.
struct Window<'a> {
    file: &'a dyn SegmentFile,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a dyn SegmentFile, length: u64) -> Window<'a> {
        Window {
            file,
            length,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// The `wanted` bytes at `offset`; `None` past the end of the file.
    fn at(&mut self, offset: u64, wanted: usize) -> Result<Option<&[u8]>, JournalError> {
        if offset + wanted as u64 > self.length {
            return Ok(None);
        }
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + wanted as u64 > end {
            let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            self.bytes.resize(left.min(wanted.max(SCAN_CHUNK_BYTES)), 0);
            self.file
                .read_exact_at(&mut self.bytes, offset)
                .map_err(JournalError::Read)?;
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        Ok(Some(&self.bytes[from..from + wanted]))
    }
}

/// Ends a closed segment: where its footer record starts, then this mark.
const TRAILER_MARK: [u8; 8] = *b"DBRFOOT1";
const TRAILER_BYTES: u64 = 16;

/// One holder in a footer: the digest and the time of its last record.
const HOLDER_BYTES: usize = 24;

/// Never reached by counting, so that the footer shares no nonce with a record.
const FOOTER_COUNTER: u64 = u64::MAX;

/// The bytes that close a segment at `offset`: a record that says whose records it holds, and a trailer.
pub(crate) fn encode_footer(
    key: &LessSafeKey,
    holders: &Holders,
    offset: u64,
    now_ms: u64,
) -> Result<Vec<u8>, JournalError> {
    let mut body = Vec::with_capacity(holders.len() * HOLDER_BYTES);
    for (session, last_ms) in holders {
        body.extend_from_slice(session.as_bytes());
        body.extend_from_slice(&last_ms.to_be_bytes());
    }
    if body.len() > MAX_BODY_BYTES {
        return Err(JournalError::TooLarge { bytes: body.len() });
    }
    let header = RecordHeader {
        sealed_bytes: (body.len() + TAG_BYTES) as u32,
        session: SessionDigest::from_bytes([0; 16]),
        sequence: 0,
        written_ms: now_ms,
        counter: FOOTER_COUNTER,
        kind: RecordKind::FOOTER,
    };
    let mut bytes = Vec::new();
    seal_into(&mut bytes, key, header, &body)?;
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes.extend_from_slice(&TRAILER_MARK);
    Ok(bytes)
}

/// Reads a segment's footer; `None` when it was not closed, or its end is damaged.
pub(crate) fn read_footer(
    file: &dyn SegmentFile,
    key: &LessSafeKey,
) -> Result<Option<Holders>, JournalError> {
    let length = file.length().map_err(JournalError::Read)?;
    if length < SEGMENT_HEADER_BYTES as u64 + TRAILER_BYTES {
        return Ok(None);
    }
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact_at(&mut trailer, length - TRAILER_BYTES)
        .map_err(JournalError::Read)?;
    let (place, mark) = trailer.split_at(8);
    let place = u64::from_be_bytes(place.try_into().expect("half of 16 bytes is 8"));
    if mark != TRAILER_MARK || place + HEADER_BYTES as u64 + TRAILER_BYTES > length {
        return Ok(None);
    }
    let Ok(offset) = u32::try_from(place) else {
        return Ok(None);
    };
    let Ok(found) = read_record(file, key, offset) else {
        return Ok(None);
    };
    if found.header.kind != RecordKind::FOOTER {
        return Ok(None);
    }
    let holders = found.body.chunks_exact(HOLDER_BYTES).map(|holder| {
        let (session, last_ms) = holder.split_at(16);
        let session = SessionDigest::from_bytes(session.try_into().expect("split at 16"));
        (
            session,
            u64::from_be_bytes(last_ms.try_into().expect("the other 8 of 24 bytes")),
        )
    });
    Ok(Some(holders.collect()))
}
