//! The receiving side towards the node.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use uuid::Uuid;

use super::frames::{Acknowledged, FrameWriter};
use super::sequence_set::SequenceSet;
use crate::Time;
use crate::wire::MessageType;

/// Knows which output frames have arrived, which of them the node may forget, and what it must still be told.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Frames that arrived.
    seen: SequenceSet,
    /// Frames that the node may forget.
    promised: SequenceSet,
    /// Lengths of frames that arrived before their turn.
    ahead_bytes: BTreeMap<i64, usize>,
    /// Sum of the lengths of all frames in order.
    total_bytes: u64,
    /// Frames below this number arrived on an earlier connection, so their acknowledgements may be lost.
    boundary: i64,
    /// Frames below this number were acknowledged ahead of being asked for on this connection.
    ahead: i64,
    due: VecDeque<Acknowledged>,
    cumulative_due: bool,
}

/// Says what a sequence number means to the intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Not seen before.
    Fresh,
    /// Seen, and it will be acknowledged when its promise can be kept.
    Pending,
    /// Seen and promised: acknowledge again.
    Promised,
    /// Negative or too far ahead.
    OutOfRange,
}

impl Intake {
    /// Goes on where the journal says.
    pub(super) fn recovered(arrived: SequenceSet, total_bytes: u64) -> Intake {
        Intake {
            boundary: arrived.next(),
            promised: arrived.clone(),
            seen: arrived,
            total_bytes,
            ..Intake::default()
        }
    }

    pub(super) fn place(&self, sequence: i64, frames_ahead: i64) -> Placement {
        if sequence < 0 {
            Placement::OutOfRange
        } else if self.promised.contains(sequence) {
            Placement::Promised
        } else if self.seen.contains(sequence) {
            Placement::Pending
        } else if sequence - self.seen.next() > frames_ahead || self.seen.ranges_ahead() >= MOST_RANGES {
            Placement::OutOfRange
        } else {
            Placement::Fresh
        }
    }

    /// Notes a fresh frame; returns by how many bytes the output in order has grown.
    pub(super) fn arrived(&mut self, sequence: i64, bytes: &Bytes) -> u64 {
        self.ahead_bytes.insert(sequence, bytes.len());
        self.seen.insert(sequence);
        let mut grown = 0;
        while let Some(first) = self.ahead_bytes.first_entry()
            && *first.key() < self.seen.next()
        {
            grown += first.remove() as u64;
        }
        self.total_bytes += grown;
        grown
    }

    /// Notes that the node may forget a frame.
    pub(super) fn promise(&mut self, frame: Acknowledged) {
        self.promised.insert(frame.sequence);
        self.owe(frame);
    }

    /// Notes that the node has sent a promised frame again.
    pub(super) fn duplicate(&mut self, frame: Acknowledged, cumulative: bool) {
        self.owe(frame);
        if cumulative || frame.sequence >= self.boundary {
            return;
        }
        // AWS's agent sends only its oldest frame again, ten times a second at most. What was in flight when its connection
        // broke is acknowledged along with it, or its session would catch up at ten frames a second.
        let end = (frame.sequence + FRAMES_AHEAD)
            .min(self.promised.next())
            .min(self.boundary);
        for sequence in self.ahead.max(frame.sequence + 1)..end {
            self.owe(Acknowledged {
                sequence,
                message_id: Uuid::nil(),
            });
        }
        self.ahead = self.ahead.max(end);
    }

    /// Starts over with a fresh connection.
    pub(super) fn connected(&mut self, cumulative: bool) {
        self.due.clear();
        self.boundary = self.seen.next();
        self.ahead = 0;
        self.cumulative_due = cumulative && self.promised.next() > 0;
    }

    /// Returns the next acknowledgement to send.
    pub(super) fn poll_acknowledge(
        &mut self,
        cumulative: bool,
        frames: &mut FrameWriter,
        now: Time,
    ) -> Option<Bytes> {
        while let Some(frame) = self.due.pop_front() {
            if cumulative && frame.sequence < self.promised.next() {
                self.cumulative_due = true;
                continue;
            }
            return Some(frames.acknowledge(MessageType::OutputStreamData, frame, false, now));
        }
        if !std::mem::take(&mut self.cumulative_due) {
            return None;
        }
        let last = Acknowledged {
            sequence: self.promised.next() - 1,
            message_id: Uuid::nil(),
        };
        Some(frames.acknowledge(MessageType::OutputStreamData, last, true, now))
    }

    /// Returns the first frame that has not arrived.
    pub(super) fn next(&self) -> i64 {
        self.seen.next()
    }

    pub(super) fn has_gaps(&self) -> bool {
        self.seen.has_gaps()
    }

    /// Returns the sum of the lengths of all frames in order.
    pub(super) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    fn owe(&mut self, frame: Acknowledged) {
        // The shell drains effects after every input, so only a journal that reports a huge group at once gets here.
        if self.due.len() < MOST_OWED {
            self.due.push_back(frame);
        }
    }
}

/// Separate ranges ahead of the first missing frame; TCP makes one per connection.
const MOST_RANGES: usize = 4096;

/// Acknowledgements owed at most; a frame whose acknowledgement is forgotten is sent again.
const MOST_OWED: usize = 65_536;

/// Frames acknowledged along with the oldest that AWS's agent sends again after a reconnect.
const FRAMES_AHEAD: i64 = 128;
