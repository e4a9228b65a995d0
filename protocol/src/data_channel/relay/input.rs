//! The direction from the owner to the node.
//!
//! ```text
//!   ───────────┬──────────────────┬───────────────────┬─────────────────┬──────────▶ the node's sequence number
//!    released: │ the node has it; │ unacknowledged by │ arrived early,  │
//!    the client│ waits to be      │ the node: sent    │ held for those  │
//!    may forget│ durable          │ again when needed │ before it       │
//!            released          acknowledged          next
//! ```
//!
//! Frames go to the node in order and as they are; of a client that took the session over only the number changes. No
//! content is ever recorded, so after a crash the client sends again whatever the node had not confirmed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::frames::{Acknowledged, payload_type_of};
use crate::stream::RetransmissionTimer;
use crate::wire::PayloadType;

/// Carries input to the node until the node acknowledges it, and its acknowledgements back once they are durable.
#[derive(Debug)]
pub(super) struct Input {
    released: i64,
    acknowledged: i64,
    next: i64,
    /// Frames before this one were sent on the node's present connection.
    sent: i64,
    /// From this number on nothing was ever sent to the node.
    reserved: i64,
    /// `reserved`, as far as it is durable: nothing from here on may be sent.
    reserved_durable: i64,
    /// Whether all frames before `next` are known here; not so after a crash.
    certain: bool,
    /// Frames from `released` to `acknowledged`.
    releasable: VecDeque<Acknowledged>,
    /// Frames from `acknowledged` to `next`.
    unacknowledged: VecDeque<Unacknowledged>,
    /// Frames after `next`.
    held: BTreeMap<i64, (Acknowledged, Bytes)>,
    bytes: usize,
    timer: RetransmissionTimer,
}

#[derive(Debug)]
struct Unacknowledged {
    frame: Acknowledged,
    bytes: Bytes,
    first_sent: Duration,
    last_sent: Duration,
    acknowledged: bool,
}

/// Says what became of a frame from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is on its way to the node, or held for one before it.
    Taken,
    /// It is on its way already.
    Pending,
    /// The node has it: the client may forget it.
    Released,
    /// It is too far ahead.
    OutOfRange,
    /// There is no room.
    NoRoom,
}

impl Input {
    /// Starts at number 0. Without `reserving`, nobody will ever take the session over and nothing needs to be reserved.
    pub(super) fn new(reserving: bool) -> Input {
        Input::recovered(0, if reserving { 0 } else { i64::MAX }, true)
    }

    /// Goes on where the journal says.
    pub(super) fn recovered(position: i64, reserved: i64, certain: bool) -> Input {
        Input {
            released: position,
            acknowledged: position,
            next: position,
            sent: position,
            reserved,
            reserved_durable: reserved,
            certain,
            releasable: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            held: BTreeMap::new(),
            bytes: 0,
            timer: RetransmissionTimer::new(),
        }
    }

    /// Takes a frame in the node's numbering. `most_bytes` bounds what is kept.
    pub(super) fn receive(&mut self, frame: Acknowledged, bytes: Bytes, most_bytes: usize) -> Arrival {
        let sequence = frame.sequence;
        if sequence < self.released {
            return Arrival::Released;
        }
        if sequence < self.next || self.held.contains_key(&sequence) {
            return Arrival::Pending;
        }
        if !self.is_in_range(sequence) {
            return Arrival::OutOfRange;
        }
        // Half of the room is for the frame that everything held waits for.
        let room = if sequence == self.next {
            most_bytes
        } else {
            most_bytes / 2
        };
        if self.bytes + bytes.len() > room {
            return Arrival::NoRoom;
        }
        self.bytes += bytes.len();
        self.held.insert(sequence, (frame, bytes));
        while let Some((frame, bytes)) = self.held.remove(&self.next) {
            self.push(frame, bytes);
        }
        Arrival::Taken
    }

    /// Says whether a number is near enough to what is expected to mean anything.
    pub(super) fn is_in_range(&self, sequence: i64) -> bool {
        sequence.saturating_sub(self.next) <= MOST_HELD
    }

    /// Fills the next place with a frame that no client waits for.
    pub(super) fn fill(&mut self, sequence: i64, bytes: Bytes) {
        self.bytes += bytes.len();
        self.push(
            Acknowledged {
                sequence,
                message_id: Uuid::nil(),
            },
            bytes,
        );
    }

    /// Makes room for another owner; returns the numbers that must be filled before its first frame.
    pub(super) fn take_over(&mut self) -> std::ops::Range<i64> {
        for (_, (_, bytes)) in std::mem::take(&mut self.held) {
            self.bytes -= bytes.len();
        }
        let end = if self.certain {
            self.next
        } else {
            self.reserved.max(self.next)
        };
        self.certain = true;
        self.next..end
    }

    /// Starts over on a fresh connection of the node: everything unacknowledged is to be sent, in order.
    pub(super) fn node_connected(&mut self) {
        self.sent = self.acknowledged;
        self.timer = RetransmissionTimer::new();
    }

    /// Returns the next frame to send. While `only_handshake`, ordinary input waits.
    pub(super) fn poll_transmit(&mut self, only_handshake: bool, now: Duration) -> Option<Bytes> {
        loop {
            if self.sent >= self.next.min(self.reserved_durable) {
                return None;
            }
            let index = usize::try_from(self.sent - self.acknowledged).unwrap_or(0);
            let frame = self.unacknowledged.get_mut(index)?;
            if only_handshake && is_ordinary(&frame.bytes) {
                return None;
            }
            self.sent += 1;
            if frame.acknowledged {
                continue;
            }
            if frame.last_sent == NEVER {
                frame.first_sent = now;
            }
            frame.last_sent = now;
            return Some(frame.bytes.clone());
        }
    }

    /// Sends the oldest frame again if it has waited too long.
    pub(super) fn resend_oldest(&mut self, now: Duration) -> Option<Bytes> {
        if self.resend_at().is_none_or(|due| now < due) {
            return None;
        }
        self.timer.back_off();
        let oldest = self.unacknowledged.front_mut()?;
        oldest.last_sent = now;
        Some(oldest.bytes.clone())
    }

    /// Returns when the oldest frame will have waited too long for its acknowledgement.
    pub(super) fn resend_at(&self) -> Option<Duration> {
        let oldest = self
            .unacknowledged
            .front()
            .filter(|_| self.sent > self.acknowledged)?;
        Some(oldest.last_sent + self.timer.timeout())
    }

    /// Takes the node's acknowledgement; `false` if no such frame was sent.
    pub(super) fn node_acknowledged(&mut self, sequence: i64, cumulative: bool, now: Duration) -> bool {
        let sequence = match cumulative && !self.certain {
            // After a crash the node knows frames that this relay has yet to see again.
            true => sequence.min(self.sent - 1),
            false => sequence,
        };
        let Ok(index) = usize::try_from(sequence.saturating_sub(self.acknowledged)) else {
            return sequence >= 0;
        };
        let sent = |frame: &&Unacknowledged| frame.last_sent != NEVER;
        let Some(frame) = self.unacknowledged.get(index).filter(sent) else {
            return false;
        };
        if !frame.acknowledged {
            self.timer.sample(now.saturating_sub(frame.first_sent));
        }
        self.settle(index, cumulative);
        true
    }

    /// Notes that the node has processed the frame with this number, whatever becomes of its acknowledgement.
    pub(super) fn node_processed(&mut self, sequence: i64) {
        if let Ok(index) = usize::try_from(sequence.saturating_sub(self.acknowledged))
            && index < self.unacknowledged.len()
        {
            self.settle(index, false);
        }
    }

    /// Returns the next frame before `end` that the client may forget.
    pub(super) fn poll_released(&mut self, end: i64) -> Option<Acknowledged> {
        let frame = self.releasable.pop_front_if(|frame| frame.sequence < end)?;
        self.released = frame.sequence + 1;
        Some(frame)
    }

    /// Notes up to where numbers are durably reserved.
    pub(super) fn reserved_through(&mut self, reserved: i64) {
        self.reserved_durable = self.reserved_durable.max(reserved);
    }

    /// Returns up to where numbers should be reserved, far enough ahead for input not to wait.
    pub(super) fn reserve(&mut self) -> i64 {
        if self.reserved.saturating_sub(self.next) < RESERVED_AHEAD / 2 {
            self.reserved = self.next + RESERVED_AHEAD;
        }
        self.reserved
    }

    /// Returns the first number that the client must not forget.
    pub(super) fn released(&self) -> i64 {
        self.released
    }

    /// Returns the first number that has not arrived.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Returns a frame that the node has not acknowledged.
    pub(super) fn frame(&self, sequence: i64) -> Option<&Bytes> {
        let index = usize::try_from(sequence.checked_sub(self.acknowledged)?).ok()?;
        self.unacknowledged.get(index).map(|frame| &frame.bytes)
    }

    /// Returns the first number that the node has not acknowledged.
    pub(super) fn acknowledged(&self) -> i64 {
        self.acknowledged
    }

    /// Says whether everything that was ever sent to the node is known here.
    pub(super) fn is_certain(&self) -> bool {
        self.certain
    }

    /// Returns the bytes kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, frame: Acknowledged, bytes: Bytes) {
        self.unacknowledged.push_back(Unacknowledged {
            frame,
            bytes,
            first_sent: NEVER,
            last_sent: NEVER,
            acknowledged: false,
        });
        self.next += 1;
    }

    fn settle(&mut self, index: usize, and_all_before: bool) {
        let first = if and_all_before { 0 } else { index };
        for frame in self.unacknowledged.range_mut(first..=index) {
            frame.acknowledged = true;
        }
        while let Some(done) = self.unacknowledged.pop_front_if(|frame| frame.acknowledged) {
            self.bytes -= done.bytes.len();
            self.acknowledged += 1;
            self.releasable.push_back(done.frame);
        }
        self.sent = self.sent.max(self.acknowledged);
    }
}

/// Says whether AWS's agent drops the frame while its handshake is not complete.
pub(super) fn is_ordinary(encoded: &[u8]) -> bool {
    !matches!(
        payload_type_of(encoded),
        PayloadType::HandshakeResponse | PayloadType::EncChallengeResponse
    )
}

/// Frames that may arrive before their turn; AWS's plugin keeps 10 000 unacknowledged.
const MOST_HELD: i64 = 10_000;

/// Numbers reserved at a time.
const RESERVED_AHEAD: i64 = 256;

/// Stands for a time at which nothing was sent yet.
const NEVER: Duration = Duration::MAX;
