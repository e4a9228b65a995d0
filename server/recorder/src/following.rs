//! One session: from the journal into its recording.

use std::io;

use drawbridge_relay::journal::{Journal, JournalError, JournalPosition, Recorded, SessionDigest};
use drawbridge_session::audit::SessionRecorded;
use drawbridge_session::recording::{Event, Happening, Header};
use drawbridge_session::{Ending, Random, SessionId};

use crate::compose::Composer;
use crate::format::{Cursor, RecordingKeys, Writer};

/// What is read of the journal for one block.
const BLOCK_BYTES: usize = 256 * 1024;

/// Why a recording does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] JournalError),
    #[error("the recording cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// A recording that is being made.
#[derive(Debug)]
pub(crate) struct Following {
    session: SessionId,
    digest: SessionDigest,
    header: Header,
    writer: Writer,
    composer: Composer,
    position: JournalPosition,
    size: Option<(u16, u16)>,
}

impl Following {
    pub(crate) fn new(header: Header, writer: Writer) -> Self {
        Self {
            session: header.session_id.clone(),
            digest: SessionDigest::of(&header.session_id),
            composer: Composer {
                is_encrypted: header.is_encrypted(),
            },
            position: writer.cursor().journal,
            size: None,
            header,
            writer,
        }
    }

    pub(crate) fn digest(&self) -> SessionDigest {
        self.digest
    }

    /// What the audit log keeps of the recording.
    pub(crate) fn summary(&self) -> SessionRecorded {
        let head = self.writer.head();
        SessionRecorded {
            blocks: head.blocks,
            head: head.to_hex(),
            bytes: self.writer.bytes(),
            output_bytes: self.writer.cursor().output_bytes,
        }
    }

    /// Takes over everything that the journal has, in order; how many bytes the recording has grown.
    pub(crate) fn advance(&mut self, journal: &Journal, random: &dyn Random) -> Result<u64, FollowError> {
        let before = self.writer.bytes();
        loop {
            let followed = journal.follow(self.digest, self.position, BLOCK_BYTES)?;
            if followed.records.is_empty() {
                return Ok(self.writer.bytes() - before);
            }
            let mut cursor = Cursor {
                journal: followed.position,
                ..self.writer.cursor()
            };
            let mut events = Vec::with_capacity(followed.records.len());
            for record in &followed.records {
                events.extend(self.event(record, &mut cursor));
            }
            self.append(&events, cursor, random)?;
            self.position = followed.position;
        }
    }

    /// Takes over what is left, also behind frames that never came, and writes the end.
    pub(crate) fn finish(
        &mut self,
        journal: &Journal,
        keys: &RecordingKeys,
        ending: &Ending,
        random: &dyn Random,
    ) -> Result<u64, FollowError> {
        let before = self.writer.bytes();
        self.advance(journal, random)?;
        while let Some(next) = journal.first_frame_from(self.digest, self.position.sequence) {
            if next == self.position.sequence {
                // It is indexed, and its segment is gone.
                break;
            }
            self.skip_to(next, random)?;
            self.advance(journal, random)?;
        }
        let at_ms = self.millis(ending.at.as_millisecond(), self.writer.cursor().at_ms);
        self.writer.finish(keys, &self.session, ending, at_ms, random)?;
        Ok(self.writer.bytes() - before)
    }

    /// Notes that frames were never journaled: an unrecorded part of a session that may go on without its journal.
    fn skip_to(&mut self, next: i64, random: &dyn Random) -> io::Result<()> {
        let first = self.position.sequence;
        let mut cursor = self.writer.cursor();
        self.position.sequence = next;
        cursor.journal = self.position;
        cursor.events += 1;
        let note = Event {
            at_ms: cursor.at_ms,
            what: Happening::Note(format!("frames {first} to {} are not on record", next - 1)),
        };
        self.writer.append(&[note], cursor, random)
    }

    fn append(&mut self, events: &[Event], cursor: Cursor, random: &dyn Random) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let appended = self.writer.append(events, cursor, random);
        if appended.is_err() {
            // The same records are read again, and a size that was not written must not count as known.
            self.size = None;
        }
        appended
    }

    fn event(&mut self, record: &Recorded, cursor: &mut Cursor) -> Option<Event> {
        let what = self.composer.happening(record)?;
        match &what {
            Happening::Resize { columns, rows } => {
                let size = Some((*columns, *rows));
                if std::mem::replace(&mut self.size, size) == size {
                    return None;
                }
            }
            Happening::Output(bytes) | Happening::Errors(bytes) | Happening::Beside(bytes) => {
                cursor.output_bytes += bytes.len() as u64;
            }
            Happening::Key(_) | Happening::Exit(_) | Happening::End { .. } | Happening::Note(_) => {}
        }
        let written = i64::try_from(record.written_ms).unwrap_or(i64::MAX);
        cursor.at_ms = self.millis(written, cursor.at_ms);
        cursor.events += 1;
        Some(Event {
            at_ms: cursor.at_ms,
            what,
        })
    }

    /// A time as the recording counts it, which no clock turns back.
    fn millis(&self, epoch_ms: i64, at_least: u64) -> u64 {
        let since = epoch_ms.saturating_sub(self.header.start_date.as_millisecond());
        u64::try_from(since).unwrap_or(0).max(at_least)
    }
}

#[cfg(test)]
mod tests;
