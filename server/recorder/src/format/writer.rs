//! Writing a recording: a new one, or one that a server before this one left unfinished.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use aws_lc_rs::aead::LessSafeKey;
use drawbridge_session::random::RandomArray as _;
use drawbridge_session::recording::{Event, Header};
use drawbridge_session::{Ending, Random, SessionId};

use super::block::{BlockKind, Head, seal};
use super::content::{Cursor, Ended};
use super::reader::{BlockError, Blocks, read_header};
use super::{FILE_HEADER_BYTES, RecordingKeys, file_header};

/// Appends to a recording.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    key: LessSafeKey,
    offset: u64,
    head: Head,
    cursor: Cursor,
}

/// A recording that was there already.
pub(crate) enum Opened {
    /// It goes on here.
    Unfinished(Header, Box<Writer>),
    /// Its end is there.
    Complete,
    /// Nobody can say what it is of: not even the header was written.
    Empty(File),
}

impl Writer {
    /// Begins the recording of a session in an empty file, and makes that much last.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn create(
        file: File,
        keys: &RecordingKeys,
        header: &Header,
        random: &dyn Random,
    ) -> io::Result<Self> {
        let salt = random.array();
        let start = file_header(&salt);
        file.set_len(0)?;
        file.write_all_at(&start, 0)?;
        let mut writer = Self {
            key: keys.file_key(&salt),
            offset: FILE_HEADER_BYTES as u64,
            head: Head::origin(&header.session_id, &start),
            cursor: Cursor::default(),
            file,
        };
        let header = serde_json::to_vec(header).map_err(io::Error::other)?;
        writer.append_block(BlockKind::Header, &header, random)?;
        writer.file.sync_all()?;
        Ok(writer)
    }

    /// Goes on with a recording behind its last whole block; what stands behind that is cut off, because the journal still
    /// has it.
    ///
    /// # Errors
    ///
    /// When it cannot be read or cut, or is of another session.
    pub(crate) fn open(file: File, keys: &RecordingKeys, session: &SessionId) -> Result<Opened, BlockError> {
        if file.metadata()?.len() < FILE_HEADER_BYTES as u64 {
            return Ok(Opened::Empty(file));
        }
        let opened = Blocks::of(&file, keys, session).and_then(|mut blocks| {
            let header = read_header(&mut blocks, session)?;
            Ok(header.map(|header| (blocks, header)))
        });
        let (mut blocks, header) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Opened::Empty(file)),
            Err(BlockError::Flaw(flaw)) => {
                tracing::warn!(session.id = %session, %flaw, "a recording is made again from its start");
                return Ok(Opened::Empty(file));
            }
            Err(error @ BlockError::Io(_)) => return Err(error),
        };
        let mut cursor = Cursor::default();
        loop {
            match blocks.next() {
                Ok(Some(block)) if block.kind == BlockKind::End => return Ok(Opened::Complete),
                Ok(Some(block)) => match Cursor::read(&block.body) {
                    Ok((behind, _)) => cursor = behind,
                    Err(error) => return Err(io::Error::other(error).into()),
                },
                Ok(None) => break,
                Err(BlockError::Flaw(flaw)) => {
                    tracing::warn!(session.id = %session, %flaw, "a recording is made again from here");
                    break;
                }
                Err(error @ BlockError::Io(_)) => return Err(error),
            }
        }
        let (offset, head) = (blocks.offset(), blocks.head());
        let key = blocks.into_key();
        file.set_len(offset)?;
        let writer = Self {
            file,
            key,
            offset,
            head,
            cursor,
        };
        Ok(Opened::Unfinished(header, Box::new(writer)))
    }

    /// How far it has come.
    pub(crate) fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// How long it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.offset
    }

    /// The hash of its last block; hexadecimal.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Appends events, behind which the recording has come to `cursor`.
    ///
    /// # Errors
    ///
    /// When they cannot be written; the recording is then as it was before.
    pub(crate) fn append(&mut self, events: &[Event], cursor: Cursor, random: &dyn Random) -> io::Result<()> {
        self.append_block(BlockKind::Events, &cursor.body(events), random)?;
        self.cursor = cursor;
        Ok(())
    }

    /// Writes the end, and makes all of the recording last.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn finish(
        &mut self,
        keys: &RecordingKeys,
        session: &SessionId,
        ending: &Ending,
        at_ms: u64,
        random: &dyn Random,
    ) -> io::Result<()> {
        let ended = Ended {
            blocks: self.head.blocks,
            events: self.cursor.events,
            output_bytes: self.cursor.output_bytes,
            at_ms,
            exit_code: ending.exit_code,
            why: ending.details.clone(),
            signature: keys.sign(session, &self.head),
        };
        let ended = serde_json::to_vec(&ended).map_err(io::Error::other)?;
        self.append_block(BlockKind::End, &ended, random)?;
        self.file.sync_all()
    }

    fn append_block(&mut self, kind: BlockKind, body: &[u8], random: &dyn Random) -> io::Result<()> {
        let (bytes, head) = seal(&self.key, &self.head, random.array(), kind, body)?;
        if let Err(error) = self.file.write_all_at(&bytes, self.offset) {
            // Half a block at the end is no flaw; without it, whoever reads now need not know that.
            let _ = self.file.set_len(self.offset);
            return Err(error);
        }
        self.offset += bytes.len() as u64;
        self.head = head;
        Ok(())
    }
}
