//! Reading back what was written.

use std::collections::HashSet;

use super::index::Place;
use super::segment::{Wanted, read_record, scan};
use super::{Journal, JournalError, RecordKind, Recorded, SessionDigest};

impl Journal {
    /// Reads every record of some sessions from the files, each session's in the order they were written, and
    /// indexes their frames. One pass over the segments that hold any of them. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read.
    pub fn recover(
        &self,
        sessions: &HashSet<SessionDigest>,
        mut visit: impl FnMut(SessionDigest, Recorded),
    ) -> Result<(), JournalError> {
        for session in sessions {
            self.shared.index().prepare(*session);
        }
        let segments = self.shared.index().segments_of(sessions);
        for number in segments {
            let Some((file, key)) = self.shared.segment(number)? else {
                continue;
            };
            let mut places = Vec::new();
            scan(
                file.as_ref(),
                &key,
                &Wanted::Sessions(sessions),
                |header, offset, body| {
                    let (Some(kind), Some(body)) = (RecordKind::from_code(header.kind), body) else {
                        return;
                    };
                    if matches!(kind, RecordKind::Frame | RecordKind::Mark) {
                        places.push((kind, header.session, header.sequence, offset));
                    }
                    let (sequence, written_ms) = (header.sequence, header.written_ms);
                    visit(
                        header.session,
                        Recorded {
                            kind,
                            sequence,
                            written_ms,
                            body,
                        },
                    );
                },
            )?;
            let mut index = self.shared.index();
            for (kind, session, sequence, offset) in places {
                let place = Place::new(number, offset);
                match kind {
                    RecordKind::Mark => index.place_mark(session, place),
                    RecordKind::Frame | RecordKind::Note(_) => index.place(session, sequence, place),
                }
            }
        }
        Ok(())
    }

    /// Reads the frames of a tracked session from a sequence number on, in order, until the first that is
    /// not stored or about `max_bytes` are read (always at least one frame when there is one). Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When a segment cannot be read, or a record is damaged.
    pub fn read(
        &self,
        session: SessionDigest,
        from_sequence: i64,
        max_bytes: usize,
    ) -> Result<Vec<Recorded>, JournalError> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut sequence = from_sequence;
        while bytes < max_bytes {
            let Some(place) = self.shared.index().find(&session, sequence) else {
                break;
            };
            let Some(frame) = self.read_at(session, place, RecordKind::Frame, sequence)? else {
                break;
            };
            bytes += frame.body.len();
            frames.push(frame);
            sequence += 1;
        }
        Ok(frames)
    }

    /// Reads one record, which must be the one that the index says; `None` where its segment is gone.
    pub(super) fn read_at(
        &self,
        session: SessionDigest,
        place: Place,
        kind: RecordKind,
        sequence: i64,
    ) -> Result<Option<Recorded>, JournalError> {
        let Some((file, key)) = self.shared.segment(place.segment())? else {
            return Ok(None);
        };
        let found = read_record(file.as_ref(), &key, place.offset())?;
        let header = found.header;
        if header.session != session || header.kind != kind.code() || header.sequence != sequence {
            return Err(JournalError::Damaged {
                offset: place.offset(),
            });
        }
        Ok(Some(Recorded {
            kind,
            sequence,
            written_ms: header.written_ms,
            body: found.body,
        }))
    }
}
