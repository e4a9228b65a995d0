//! The file of one recording.
//!
//! ```text
//! offset length field
//!      0      8 magic "DRAWRECD"
//!      8      4 version 1, big-endian
//!     12      4 zero
//!     16     16 salt of this file's key
//!     32      … blocks
//! ```
//!
//! A block is sealed under the file's key and chained to all before it (see `block`). The first says what the session was,
//! the last that it is the last, with totals and a signature; those between carry events.

mod block;
mod content;
mod keys;
mod reader;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use keys::RecordingKeys;
pub use reader::{Flaw, Verified};

pub(crate) use block::{BlockKind, Head};
pub(crate) use content::{Cursor, Ended};
pub(crate) use reader::{BlockError, Blocks, read_header, verify};
pub(crate) use writer::{Opened, Writer};

/// Length of a file's header; the offset of its first block.
pub(crate) const FILE_HEADER_BYTES: usize = 32;

const MAGIC: [u8; 8] = *b"DRAWRECD";
const VERSION: u32 = 1;

/// Writes the header of a file.
pub(crate) fn file_header(salt: &[u8; 16]) -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[0..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_be_bytes());
    header[16..32].copy_from_slice(salt);
    header
}

/// Reads the salt out of a file's header; `None` when it is not one.
fn salt_of(header: &[u8; FILE_HEADER_BYTES]) -> Option<[u8; 16]> {
    let salt = *header.last_chunk()?;
    (file_header(&salt) == *header).then_some(salt)
}
