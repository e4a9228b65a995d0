//! Following a session: its frames in the order of their numbers, and what happened beside them where it happened.

use super::{Journal, JournalError, RecordKind, Recorded, SessionDigest};

/// How far a reader of a session has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalPosition {
    /// Sequence number of the next frame.
    pub sequence: i64,
    /// How many marks were read.
    pub marks: u64,
}

/// What follows a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Frames and marks.
    pub records: Vec<Recorded>,
    /// Where to go on.
    pub position: JournalPosition,
}

impl Journal {
    /// Reads what follows a position of a tracked session, until the first frame that is not stored or about
    /// `max_bytes` are read (always at least one record when there is one). Blocks on the disk.
    ///
    /// A mark comes before the first frame that was written after it.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read, or a record is damaged.
    pub fn follow(
        &self,
        session: SessionDigest,
        from: JournalPosition,
        max_bytes: usize,
    ) -> Result<Followed, JournalError> {
        let mut followed = Followed {
            records: Vec::new(),
            position: from,
        };
        let mut bytes = 0;
        while bytes < max_bytes {
            let Some(record) = self.next_of(session, &mut followed.position)? else {
                break;
            };
            bytes += record.body.len();
            followed.records.push(record);
        }
        Ok(followed)
    }

    /// Finds the first frame of a tracked session from a sequence number on that is stored.
    pub fn first_frame_from(&self, session: SessionDigest, sequence: i64) -> Option<i64> {
        self.shared.index().first_from(&session, sequence)
    }

    fn next_of(
        &self,
        session: SessionDigest,
        position: &mut JournalPosition,
    ) -> Result<Option<Recorded>, JournalError> {
        let (frame, mark) = {
            let index = self.shared.index();
            let number = usize::try_from(position.marks).unwrap_or(usize::MAX);
            (
                index.find(&session, position.sequence),
                index.find_mark(&session, number),
            )
        };
        match (frame, mark) {
            (frame, Some(mark)) if frame.is_none_or(|frame| mark < frame) => {
                let record = self.read_at(session, mark, RecordKind::Mark, 0)?;
                position.marks += u64::from(record.is_some());
                Ok(record)
            }
            (Some(frame), _) => {
                let record = self.read_at(session, frame, RecordKind::Frame, position.sequence)?;
                position.sequence += i64::from(record.is_some());
                Ok(record)
            }
            (None, _) => Ok(None),
        }
    }
}
