//! The acknowledgements owed to the peer.

use std::collections::VecDeque;

use bytes::Bytes;
use uuid::Uuid;

use crate::payload::Acknowledge;
use crate::wire::{FLAG_ACKNOWLEDGE, Frame, MessageType};
use crate::{MessageIds, Time};

/// Collects what must be acknowledged until there is room to send it.
#[derive(Debug)]
pub(super) struct Acknowledgements {
    message_type: MessageType,
    single: VecDeque<Received>,
    /// Whether one acknowledgement may stand for all frames before it.
    cumulative: bool,
    /// The last frame delivered in order, and whether the peer must still be told of it.
    delivered: Option<Received>,
    delivered_is_due: bool,
}

/// Names a frame that arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) sequence: i64,
    pub(super) message_id: Uuid,
}

impl Acknowledgements {
    pub(super) fn new(message_type: MessageType) -> Acknowledgements {
        Acknowledgements {
            message_type,
            single: VecDeque::new(),
            cumulative: false,
            delivered: None,
            delivered_is_due: false,
        }
    }

    pub(super) fn set_cumulative(&mut self, cumulative: bool) {
        self.cumulative = cumulative;
        if !cumulative && std::mem::take(&mut self.delivered_is_due) {
            // The peer may be another program than before; it is told of one frame and asks about the others.
            self.single.extend(self.delivered);
        }
    }

    /// Owes one for a frame that is the next in order, and was not acknowledged when it arrived.
    pub(super) fn in_order(&mut self, received: Received) {
        self.delivered = Some(received);
        if self.cumulative {
            self.delivered_is_due = true;
        } else {
            self.one(received);
        }
    }

    /// Notes that a frame acknowledged before has become part of what was delivered.
    pub(super) fn caught_up(&mut self, received: Received) {
        self.delivered = Some(received);
    }

    /// Owes one for a frame that was delivered before.
    pub(super) fn duplicate(&mut self, received: Received) {
        if self.cumulative && self.delivered.is_some() {
            self.delivered_is_due = true;
        } else {
            self.one(received);
        }
    }

    /// Owes one for exactly this frame.
    pub(super) fn one(&mut self, received: Received) {
        if self.single.len() == MAX_OWED {
            // Only a peer that floods without reading gets here; what is forgotten it sends again.
            self.single.pop_front();
        }
        self.single.push_back(received);
    }

    pub(super) fn poll(&mut self, now: Time, ids: &mut MessageIds) -> Option<Bytes> {
        let (received, cumulative) = match self.single.pop_front() {
            Some(received) => (received, false),
            None if self.delivered_is_due => {
                self.delivered_is_due = false;
                (self.delivered?, true)
            }
            None => return None,
        };
        let acknowledge = Acknowledge {
            cumulative,
            ..Acknowledge::new(self.message_type, received.message_id, received.sequence)
        };
        let frame = Frame::control(MessageType::Acknowledge, ids.next(), acknowledge.to_bytes(), now);
        Some(
            Frame {
                flags: FLAG_ACKNOWLEDGE,
                ..frame
            }
            .encode(),
        )
    }
}

/// Acknowledgements owed at most.
const MAX_OWED: usize = 16 * 1024;
