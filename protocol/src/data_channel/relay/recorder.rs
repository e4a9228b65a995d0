//! Appends, and what becomes true once they are durable.

use std::collections::VecDeque;

use super::frames::Acknowledged;
use super::{AppendId, Effect, JournalRecord, Positions};
use crate::Time;

/// Numbers appends and remembers what each of them promises.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    next: u64,
    unsynced: VecDeque<Unsynced>,
    unsynced_bytes: usize,
    failed: bool,
}

#[derive(Debug)]
struct Unsynced {
    id: AppendId,
    bytes: usize,
    promise: Promise,
}

/// Is what may be said to a peer once an append is durable.
#[derive(Clone, Copy, Debug)]
pub(super) enum Promise {
    /// The node may forget this frame.
    Output(Acknowledged),
    /// A new owner may begin.
    Owner,
    /// Both ends may forget what lies before these positions.
    Positions(Positions),
    /// Nothing waits for it.
    Nothing,
}

impl Recorder {
    /// Asks for an append; returns the promise if it need not wait, because nothing is recorded any more.
    pub(super) fn append(
        &mut self,
        record: JournalRecord,
        promise: Promise,
        now: Time,
        effects: &mut VecDeque<Effect>,
    ) -> Option<Promise> {
        if self.failed {
            return Some(promise);
        }
        let id = AppendId(self.next);
        self.next += 1;
        let bytes = match &record {
            JournalRecord::Output { frame, .. } | JournalRecord::Client { frame, .. } => frame.len(),
            JournalRecord::Owner(_) | JournalRecord::Positions(_) | JournalRecord::Ending(_) => 0,
        };
        self.unsynced_bytes += bytes;
        self.unsynced.push_back(Unsynced { id, bytes, promise });
        effects.push_back(Effect::Append {
            id,
            epoch_ms: now.epoch_ms,
            record,
        });
        None
    }

    /// Returns the next promise that may be kept because everything up to `through` is durable.
    pub(super) fn durable(&mut self, through: AppendId) -> Option<Promise> {
        let unsynced = self.unsynced.pop_front_if(|unsynced| unsynced.id <= through)?;
        self.unsynced_bytes -= unsynced.bytes;
        Some(unsynced.promise)
    }

    /// Stops recording; returns the promises that nothing will make durable.
    pub(super) fn fail(&mut self) -> Vec<Promise> {
        self.failed = true;
        self.unsynced_bytes = 0;
        self.unsynced.drain(..).map(|unsynced| unsynced.promise).collect()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(super) fn is_synced(&self) -> bool {
        self.unsynced.is_empty()
    }

    pub(super) fn unsynced_bytes(&self) -> usize {
        self.unsynced_bytes
    }
}
