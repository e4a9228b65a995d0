//! One block: its fixed header, how it is sealed, and how it is chained.
//!
//! ```text
//! offset length field
//!      0      4 magic "DRB1"
//!      4      4 sealed length, big-endian, tag included
//!      8      8 index, from 0
//!     16      1 kind
//!     17      3 zero
//!     20     12 nonce
//!     32     32 SHA-256 of the hash before it, the 32 bytes above and the sealed body
//!     64      n body: AES-256-GCM under the file's key, the hash before it and the 32 bytes above as additional data,
//!               of zstd-compressed bytes
//! ```
//!
//! The nonce is random and not the index: a block that a crash tore is written again with other content under the same key.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::digest::{Context, SHA256};
use drawbridge_session::SessionId;

use super::FILE_HEADER_BYTES;

/// Length of a block's header.
pub(crate) const HEADER_BYTES: usize = 64;

/// What of the header is sealed and hashed.
const SEALED_HEADER_BYTES: usize = 32;

const TAG_BYTES: usize = 16;

/// Longest body before it is compressed: what is gathered for a block and one more frame, with room to spare.
pub(crate) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Longest sealed body.
const MAX_SEALED_BYTES: usize = MAX_BODY_BYTES + 64 * 1024;

const MAGIC: [u8; 4] = *b"DRB1";

/// Fast, and prompts and progress bars are short work anyway.
const LEVEL: i32 = 1;

type Hash = [u8; 32];

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// What the session was.
    Header,
    /// What happened.
    Events,
    /// The end.
    End,
}

impl BlockKind {
    fn code(self) -> u8 {
        match self {
            Self::Header => 0,
            Self::Events => 1,
            Self::End => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Header, Self::Events, Self::End]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// How many blocks are in it.
    pub(crate) blocks: u64,
    hash: Hash,
}

impl Head {
    /// The chain of a recording before its first block.
    pub(crate) fn origin(session: &SessionId, file_header: &[u8; FILE_HEADER_BYTES]) -> Self {
        Self {
            blocks: 0,
            hash: sha256(&[
                b"drawbridge recording 1",
                file_header,
                session.as_str().as_bytes(),
            ]),
        }
    }

    pub(crate) fn to_hex(self) -> String {
        hex::encode(self.hash)
    }

    pub(crate) fn from_hex(blocks: u64, hash: &str) -> Option<Self> {
        let mut bytes = Hash::default();
        hex::decode_to_slice(hash, &mut bytes).ok()?;
        Some(Self { blocks, hash: bytes })
    }

    fn then(self, header: &[u8], sealed: &[u8]) -> Self {
        Self {
            blocks: self.blocks + 1,
            hash: sha256(&[&self.hash, header, sealed]),
        }
    }

    fn additional_data(&self, header: &[u8]) -> Vec<u8> {
        [&self.hash[..], header].concat()
    }
}

/// A block that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    pub(crate) body: Vec<u8>,
}

/// The fixed part of a block, as it stands in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockHeader {
    bytes: [u8; HEADER_BYTES],
}

/// Says that a block is not what was written in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed;

impl BlockHeader {
    /// Takes a header; `None` when it is none.
    pub(crate) fn read(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let header = Self { bytes };
        let plausible = bytes[0..4] == MAGIC
            && bytes[17..20] == [0; 3]
            && (TAG_BYTES..=MAX_SEALED_BYTES).contains(&header.sealed_bytes());
        plausible.then_some(header)
    }

    pub(crate) fn sealed_bytes(&self) -> usize {
        u32::from_be_bytes(self.field(4)) as usize
    }

    pub(crate) fn index(&self) -> u64 {
        u64::from_be_bytes(self.field(8))
    }

    /// Opens the block whose sealed body this is, and follows the chain by it.
    pub(crate) fn open(
        &self,
        key: &LessSafeKey,
        head: &Head,
        mut sealed: Vec<u8>,
    ) -> Result<(Block, Head), Changed> {
        let header = &self.bytes[..SEALED_HEADER_BYTES];
        let next = head.then(header, &sealed);
        if self.index() != head.blocks || self.bytes[SEALED_HEADER_BYTES..] != next.hash {
            return Err(Changed);
        }
        let nonce = Nonce::assume_unique_for_key(self.field(20));
        let opened = key.open_in_place(nonce, Aad::from(head.additional_data(header)), &mut sealed);
        let compressed = opened.map_err(|_| Changed)?;
        let body = zstd::bulk::decompress(compressed, MAX_BODY_BYTES).map_err(|_| Changed)?;
        let kind = BlockKind::from_code(self.bytes[16]).ok_or(Changed)?;
        Ok((Block { kind, body }, next))
    }

    fn field<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.bytes[offset..offset + N]);
        field
    }
}

/// Seals a block behind `head`; its bytes, and the chain with it.
///
/// # Errors
///
/// When the body is longer than [`MAX_BODY_BYTES`], or cannot be compressed.
pub(crate) fn seal(
    key: &LessSafeKey,
    head: &Head,
    nonce: [u8; 12],
    kind: BlockKind,
    body: &[u8],
) -> std::io::Result<(Vec<u8>, Head)> {
    if body.len() > MAX_BODY_BYTES {
        let error = format!("a block of {} bytes is too long", body.len());
        return Err(std::io::Error::other(error));
    }
    let mut sealed = zstd::bulk::compress(body, LEVEL)?;
    let length = u32::try_from(sealed.len() + TAG_BYTES).map_err(std::io::Error::other)?;
    let mut header = [0; SEALED_HEADER_BYTES];
    header[0..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&length.to_be_bytes());
    header[8..16].copy_from_slice(&head.blocks.to_be_bytes());
    header[16] = kind.code();
    header[20..32].copy_from_slice(&nonce);
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(head.additional_data(&header)),
        &mut sealed,
    )
    .map_err(|_| std::io::Error::other("cannot seal a block"))?;
    let next = head.then(&header, &sealed);
    Ok(([&header[..], &next.hash, &sealed].concat(), next))
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}
