//! Reading recordings, block by block, and saying which is the first that is not as it was written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use aws_lc_rs::aead::LessSafeKey;
use drawbridge_session::SessionId;
use drawbridge_session::audit::SessionRecorded;
use drawbridge_session::recording::{Event, Header};

use super::block::{Block, BlockHeader, BlockKind, HEADER_BYTES, Head};
use super::content::{Cursor, Ended};
use super::{FILE_HEADER_BYTES, RecordingKeys, salt_of};

/// Names the first block of a recording that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {index} {what}")]
pub struct Flaw {
    /// Its index; the header of the file counts as block 0.
    pub index: u64,
    /// What is wrong, to complete `block 7 …`.
    pub what: String,
}

/// What a recording holds that has no flaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What the session was.
    pub header: Header,
    /// How many blocks it has.
    pub blocks: u64,
    /// How many events.
    pub events: u64,
    /// How many bytes of output.
    pub output_bytes: u64,
    /// How long it is, up to its last whole block.
    pub bytes: u64,
    /// The hash of the last block; hexadecimal.
    pub head: String,
    /// Whether the last block says that it is the last.
    pub is_complete: bool,
}

impl Verified {
    /// What the audit log keeps of a complete recording that is like this.
    pub(crate) fn summary(&self) -> SessionRecorded {
        SessionRecorded {
            blocks: self.blocks,
            head: self.head.clone(),
            bytes: self.bytes,
            output_bytes: self.output_bytes,
        }
    }
}

/// Why the next block was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockError {
    #[error(transparent)]
    Flaw(#[from] Flaw),
    #[error("cannot read the recording")]
    Io(#[from] io::Error),
}

/// A walk over the blocks of a file.
pub(crate) struct Blocks<'a> {
    file: &'a File,
    key: LessSafeKey,
    offset: u64,
    head: Head,
}

impl<'a> Blocks<'a> {
    /// Begins with the first block of what should be the recording of `session`.
    pub(crate) fn of(file: &'a File, keys: &RecordingKeys, session: &SessionId) -> Result<Self, BlockError> {
        let mut header = [0; FILE_HEADER_BYTES];
        let no_recording = || flaw(0, "is missing: the file is not a recording");
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(no_recording().into()),
            Err(error) => return Err(error.into()),
        }
        let salt = salt_of(&header).ok_or_else(no_recording)?;
        Ok(Self {
            file,
            key: keys.file_key(&salt),
            offset: FILE_HEADER_BYTES as u64,
            head: Head::origin(session, &header),
        })
    }

    /// Goes on elsewhere; a place that is none shows itself when the next block is read.
    pub(crate) fn go_to(&mut self, offset: u64, head: Head) {
        (self.offset, self.head) = (offset, head);
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    pub(crate) fn into_key(self) -> LessSafeKey {
        self.key
    }

    /// Reads the next block; `None` at the end of what was written, also where that is torn.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, BlockError> {
        let length = self.file.metadata()?.len();
        let left = length.saturating_sub(self.offset);
        if left < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let index = self.head.blocks;
        let mut bytes = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        let Some(header) = BlockHeader::read(bytes) else {
            return match self.is_zero_from(self.offset, length)? {
                true => Ok(None),
                false => Err(flaw(index, "is not a block").into()),
            };
        };
        match header.index() {
            present if present > index => {
                let what = format!("is missing: block {present} stands in its place");
                return Err(flaw(index, what).into());
            }
            present if present < index => {
                let what = format!("is out of place: block {present} stands there again");
                return Err(flaw(index, what).into());
            }
            _ => {}
        }
        if (header.sealed_bytes() as u64) > left - HEADER_BYTES as u64 {
            return Ok(None);
        }
        let mut sealed = vec![0; header.sealed_bytes()];
        let body = self.offset + HEADER_BYTES as u64;
        self.file.read_exact_at(&mut sealed, body)?;
        let next = body + sealed.len() as u64;
        let opened = header.open(&self.key, &self.head, sealed);
        let (block, head) = opened.map_err(|_changed| flaw(index, "was changed"))?;
        (self.offset, self.head) = (next, head);
        Ok(Some(block))
    }

    /// A file system may show room that was set aside and never written.
    fn is_zero_from(&self, mut offset: u64, length: u64) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        while offset < length {
            let read = self.file.read_at(&mut chunk, offset)?;
            if read == 0 {
                break;
            }
            if chunk[..read].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            offset += read as u64;
        }
        Ok(true)
    }
}

/// Reads a whole recording, and passes every event on.
pub(crate) fn verify(
    file: &File,
    keys: &RecordingKeys,
    session: &SessionId,
    mut visit: impl FnMut(Event),
) -> Result<Verified, BlockError> {
    let mut blocks = Blocks::of(file, keys, session)?;
    let header = read_header(&mut blocks, session)?.ok_or_else(|| flaw(0, "is missing"))?;
    let mut cursor = Cursor::default();
    let mut is_complete = false;
    loop {
        let (index, before) = (blocks.head().blocks, blocks.head());
        let Some(block) = blocks.next()? else { break };
        if is_complete {
            return Err(flaw(index, "stands behind the end").into());
        }
        match block.kind {
            BlockKind::Header => return Err(flaw(index, "is a second header").into()),
            BlockKind::Events => cursor = read_events(&block.body, &cursor, index, &mut visit)?,
            BlockKind::End => {
                let ended = read_end(&block.body, &cursor, &before, keys, session)?;
                visit(ended.event());
                is_complete = true;
            }
        }
    }
    let length = file.metadata()?.len();
    if is_complete && length > blocks.offset() {
        return Err(flaw(blocks.head().blocks, "stands behind the end").into());
    }
    Ok(Verified {
        header,
        blocks: blocks.head().blocks,
        events: cursor.events,
        output_bytes: cursor.output_bytes,
        bytes: blocks.offset(),
        head: blocks.head().to_hex(),
        is_complete,
    })
}

/// Reads the first block; `None` where there is none yet.
pub(crate) fn read_header(
    blocks: &mut Blocks<'_>,
    session: &SessionId,
) -> Result<Option<Header>, BlockError> {
    let Some(block) = blocks.next()? else {
        return Ok(None);
    };
    let header: Option<Header> = match block.kind {
        BlockKind::Header => serde_json::from_slice(&block.body).ok(),
        BlockKind::Events | BlockKind::End => None,
    };
    match header {
        Some(header) if header.session_id == *session => Ok(Some(header)),
        Some(header) => Err(flaw(0, format!("is of another session, {}", header.session_id)).into()),
        None => Err(flaw(0, "says nothing of the session").into()),
    }
}

/// Reads what a block of events adds, and checks it against what came before.
fn read_events(
    body: &[u8],
    before: &Cursor,
    index: u64,
    visit: &mut impl FnMut(Event),
) -> Result<Cursor, Flaw> {
    let (cursor, events) =
        Cursor::read(body).map_err(|error| flaw(index, format!("cannot be read: {error}")))?;
    if cursor.events != before.events + events.len() as u64 {
        return Err(flaw(index, "does not have the events that it counts"));
    }
    events.into_iter().for_each(visit);
    Ok(cursor)
}

fn read_end(
    body: &[u8],
    cursor: &Cursor,
    before: &Head,
    keys: &RecordingKeys,
    session: &SessionId,
) -> Result<Ended, Flaw> {
    let index = before.blocks;
    let ended: Ended =
        serde_json::from_slice(body).map_err(|error| flaw(index, format!("cannot be read: {error}")))?;
    let totals = (ended.blocks, ended.events, ended.output_bytes);
    if totals != (before.blocks, cursor.events, cursor.output_bytes) {
        return Err(flaw(index, "does not have the totals of what stands before it"));
    }
    if !keys.has_signed(session, before, &ended.signature) {
        return Err(flaw(index, "was not signed by this server"));
    }
    Ok(ended)
}

fn flaw(index: u64, what: impl Into<String>) -> Flaw {
    Flaw {
        index,
        what: what.into(),
    }
}
