//! Output frames in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::frames::Acknowledged;

/// Keeps frames that cannot be read back yet, and a short tail of those that can.
///
/// A frame that was received and is not here is in the journal, durable.
#[derive(Debug, Default)]
pub(super) struct OutputStore {
    frames: BTreeMap<i64, Stored>,
    bytes: usize,
    durable_bytes: usize,
}

#[derive(Debug)]
struct Stored {
    bytes: Bytes,
    message_id: Uuid,
    durable: bool,
}

impl OutputStore {
    /// Keeps a frame that nobody else holds.
    pub(super) fn insert(&mut self, frame: Acknowledged, bytes: Bytes) {
        self.bytes += bytes.len();
        let stored = Stored {
            bytes,
            message_id: frame.message_id,
            durable: false,
        };
        self.frames.insert(frame.sequence, stored);
    }

    /// Returns a frame, if it is in memory.
    pub(super) fn frame(&self, sequence: i64) -> Option<&Bytes> {
        self.frames.get(&sequence).map(|stored| &stored.bytes)
    }

    /// Notes that a frame can be read back from now on; keeps it only while durable frames fit `tail_bytes`.
    pub(super) fn mark_durable(&mut self, sequence: i64, tail_bytes: usize) {
        let Some(stored) = self.frames.get_mut(&sequence) else {
            return;
        };
        let length = stored.bytes.len();
        if self.durable_bytes + length <= tail_bytes {
            self.durable_bytes += length;
            stored.durable = true;
            return;
        }
        // The new one goes, not an older one: readers go forwards, so they want the older one first.
        self.frames.remove(&sequence);
        self.bytes -= length;
    }

    /// Forgets durable frames below `floor`, which no reader wants next.
    pub(super) fn forget_durable_below(&mut self, floor: i64) {
        while let Some(first) = self.frames.first_entry()
            && *first.key() < floor
            && first.get().durable
        {
            let stored = first.remove();
            self.bytes -= stored.bytes.len();
            self.durable_bytes -= stored.bytes.len();
        }
    }

    /// Takes out the first frame below `end` that was delivered instead of recorded.
    pub(super) fn take_delivered(&mut self, end: i64) -> Option<Acknowledged> {
        self.forget_durable_below(end);
        let first = self.frames.first_entry().filter(|first| *first.key() < end)?;
        let (sequence, stored) = first.remove_entry();
        self.bytes -= stored.bytes.len();
        Some(Acknowledged {
            sequence,
            message_id: stored.message_id,
        })
    }

    /// Returns the sum of frame lengths.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
