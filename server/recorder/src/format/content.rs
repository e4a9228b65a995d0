//! What stands in the bodies of blocks beside the header's JSON.

use drawbridge_relay::journal::JournalPosition;
use drawbridge_session::recording::{Event, EventError, Happening};
use serde::{Deserialize, Serialize};

/// How far a recording has come: in its session's journal, and in itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Where its recorder goes on in the journal.
    pub(crate) journal: JournalPosition,
    /// The time of its last event.
    pub(crate) at_ms: u64,
    /// How many events it has.
    pub(crate) events: u64,
    /// How many bytes of output.
    pub(crate) output_bytes: u64,
}

/// Bytes of a cursor.
const CURSOR_BYTES: usize = 40;

impl Cursor {
    /// Writes the body of a block of events: the cursor behind them, and they.
    pub(crate) fn body(&self, events: &[Event]) -> Vec<u8> {
        let size: usize = events.iter().map(Event::size).sum();
        let mut body = Vec::with_capacity(CURSOR_BYTES + size);
        body.extend_from_slice(&self.journal.sequence.to_be_bytes());
        for number in [self.journal.marks, self.at_ms, self.events, self.output_bytes] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        for event in events {
            event.write(&mut body);
        }
        body
    }

    /// Reads the body of a block of events.
    pub(crate) fn read(body: &[u8]) -> Result<(Self, Vec<Event>), EventError> {
        let (fixed, events) = body
            .split_first_chunk::<CURSOR_BYTES>()
            .ok_or(EventError::CutOff)?;
        let number = |place: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&fixed[8 * place..8 * place + 8]);
            u64::from_be_bytes(bytes)
        };
        let cursor = Self {
            journal: JournalPosition {
                sequence: number(0).cast_signed(),
                marks: number(1),
            },
            at_ms: number(2),
            events: number(3),
            output_bytes: number(4),
        };
        Ok((cursor, Event::read_all(events)?))
    }
}

/// The body of the last block, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Ended {
    /// How many blocks stand before it.
    pub(crate) blocks: u64,
    /// How many events there are.
    pub(crate) events: u64,
    /// How many bytes of output.
    pub(crate) output_bytes: u64,
    /// When the session ended, in milliseconds since its start.
    pub(crate) at_ms: u64,
    /// The exit code, where one is known.
    pub(crate) exit_code: Option<i32>,
    /// Why it ended, for people.
    pub(crate) why: String,
    /// The signature over the chain up to here.
    pub(crate) signature: String,
}

impl Ended {
    /// Returns the last event.
    pub(crate) fn event(self) -> Event {
        Event {
            at_ms: self.at_ms,
            what: Happening::End {
                exit_code: self.exit_code,
                why: self.why,
            },
        }
    }
}
