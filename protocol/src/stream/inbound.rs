//! The receiving side.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::acknowledgements::{Acknowledgements, Received};
use crate::wire::{Frame, MessageType};
use crate::{MessageIds, Time};

/// Bounds what is kept of frames that arrive before their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboundLimits {
    /// How far ahead of the expected frame one may be, and so how many are kept.
    pub frames: usize,
    /// Bytes of payload kept at most.
    pub bytes: usize,
}

impl InboundLimits {
    /// 10 000 frames, as AWS's plugin keeps, in at most 8 MiB.
    pub const DEFAULT: InboundLimits = InboundLimits {
        frames: 10_000,
        bytes: 8 * 1024 * 1024,
    };
}

/// Says what became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was the next one: use it, then ask [`Inbound::next_in_order`] for those that waited for it.
    InOrder(Frame),
    /// It came early, was kept and acknowledged.
    Early,
    /// It was seen before and is acknowledged again.
    Duplicate,
    /// It came early and there is no room: neither kept nor acknowledged, the peer sends it again.
    NoRoom,
}

/// Says why a stream frame cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SequenceError {
    /// The number is negative.
    #[error("sequence number {sequence} is negative")]
    Negative {
        /// Number received.
        sequence: i64,
    },
    /// The number is further ahead than frames are kept for.
    #[error("sequence number {sequence} is too far ahead of {expected}")]
    TooFarAhead {
        /// Number received.
        sequence: i64,
        /// Number that would be in order.
        expected: i64,
    },
}

/// Puts frames in order, each exactly once, and owes the peer an acknowledgement for every one that it keeps.
#[derive(Debug)]
pub struct Inbound {
    limits: InboundLimits,
    expected: i64,
    early: BTreeMap<i64, Frame>,
    early_bytes: usize,
    acknowledgements: Acknowledgements,
}

impl Inbound {
    /// Starts a stream that expects sequence number 0; acknowledgements will name `message_type`.
    pub fn new(message_type: MessageType, limits: InboundLimits) -> Inbound {
        Inbound {
            limits,
            expected: 0,
            early: BTreeMap::new(),
            early_bytes: 0,
            acknowledgements: Acknowledgements::new(message_type),
        }
    }

    /// Lets one acknowledgement stand for all frames before it, towards a peer that understands it.
    pub fn set_cumulative(&mut self, cumulative: bool) {
        self.acknowledgements.set_cumulative(cumulative);
    }

    /// Places a frame in the stream.
    ///
    /// # Errors
    ///
    /// Its number is negative or too far ahead; the stream is as before.
    pub fn receive(&mut self, frame: Frame) -> Result<Arrival, SequenceError> {
        let (sequence, expected) = (frame.sequence, self.expected);
        if sequence < 0 {
            return Err(SequenceError::Negative { sequence });
        }
        let received = Received {
            sequence,
            message_id: frame.message_id,
        };
        if sequence < expected || self.early.contains_key(&sequence) {
            if sequence < expected {
                self.acknowledgements.duplicate(received);
            } else {
                self.acknowledgements.one(received);
            }
            return Ok(Arrival::Duplicate);
        }
        if sequence == expected {
            self.expected += 1;
            self.acknowledgements.in_order(received);
            return Ok(Arrival::InOrder(frame));
        }
        let ahead = usize::try_from(sequence - expected).unwrap_or(usize::MAX);
        if ahead > self.limits.frames {
            return Err(SequenceError::TooFarAhead { sequence, expected });
        }
        if self.early_bytes + frame.payload.len() > self.limits.bytes {
            return Ok(Arrival::NoRoom);
        }
        self.early_bytes += frame.payload.len();
        self.early.insert(sequence, frame);
        self.acknowledgements.one(received);
        Ok(Arrival::Early)
    }

    /// Returns the next frame that only waited for one before it.
    pub fn next_in_order(&mut self) -> Option<Frame> {
        let frame = self.early.remove(&self.expected)?;
        self.expected += 1;
        self.early_bytes -= frame.payload.len();
        self.acknowledgements.caught_up(Received {
            sequence: frame.sequence,
            message_id: frame.message_id,
        });
        Some(frame)
    }

    /// Drops the frames that came early.
    ///
    /// They have been acknowledged, so no honest peer sends them again: for the moment from which frames are judged otherwise,
    /// when an honest one has sent none.
    pub fn forget_early(&mut self) {
        self.early.clear();
        self.early_bytes = 0;
    }

    /// Returns the next acknowledgement to send, until none is owed.
    pub fn poll_acknowledge(&mut self, now: Time, ids: &mut MessageIds) -> Option<Bytes> {
        self.acknowledgements.poll(now, ids)
    }

    /// Returns the number of the frame that would be in order.
    pub fn expected(&self) -> i64 {
        self.expected
    }
}
