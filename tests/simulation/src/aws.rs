//! How AWS's programs number, resend and order frames (`protocol.md` 4), quirks included.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::payload::Acknowledge;
use drawbridge_protocol::wire::{FLAG_ACKNOWLEDGE, Frame, MessageType, PayloadType};
use drawbridge_protocol::{MessageIds, Time};

use crate::chance::Chance;

/// Is the sending side of either program.
#[derive(Debug)]
pub(crate) struct AwsSender {
    message_type: MessageType,
    chance: Chance,
    next: i64,
    buffer: VecDeque<Sent>,
    tick_at: Duration,
    round_trip: Duration,
    variation: Duration,
    timeout: Duration,
    /// The agent notes when it resent a frame; the plugin notes it in a copy that is thrown away.
    notes_resends: bool,
}

#[derive(Debug)]
struct Sent {
    sequence: i64,
    bytes: Bytes,
    last_sent: Duration,
    /// A frame is written to the socket before it is stored; an acknowledgement that arrives in between is lost.
    stored_at: Duration,
}

impl AwsSender {
    pub(crate) fn new(message_type: MessageType, notes_resends: bool, chance: Chance) -> AwsSender {
        AwsSender {
            message_type,
            chance,
            next: 0,
            buffer: VecDeque::new(),
            tick_at: Duration::ZERO,
            round_trip: Duration::from_millis(100),
            variation: Duration::ZERO,
            timeout: Duration::from_millis(200),
            notes_resends,
        }
    }

    /// Makes the next frame, to be written to the socket if there is one.
    pub(crate) fn send(
        &mut self,
        payload_type: PayloadType,
        payload: Bytes,
        ids: &mut MessageIds,
        now: Time,
    ) -> Bytes {
        let frame = Frame::control(self.message_type, ids.next(), payload, now);
        let bytes = Frame {
            sequence: self.next,
            payload_type,
            ..frame
        }
        .encode();
        let late = if self.chance.percent(10) {
            self.chance.millis(0..60)
        } else {
            Duration::ZERO
        };
        self.buffer.push_back(Sent {
            sequence: self.next,
            bytes: bytes.clone(),
            last_sent: now.monotonic,
            stored_at: now.monotonic + late,
        });
        self.next += 1;
        bytes
    }

    pub(crate) fn acknowledged(&mut self, sequence: i64, now: Duration) {
        let stored = |sent: &Sent| sent.sequence == sequence && sent.stored_at <= now;
        let Some(place) = self.buffer.iter().position(stored) else {
            return;
        };
        let Some(sent) = self.buffer.remove(place) else {
            return;
        };
        let sample = now.saturating_sub(sent.last_sent);
        self.variation = self.variation * 3 / 4 + self.round_trip.abs_diff(sample) / 4;
        self.round_trip = self.round_trip * 7 / 8 + sample / 8;
        let timeout = self.round_trip + Duration::from_millis(10).max(self.variation * 4);
        self.timeout = timeout.min(Duration::from_secs(1));
    }

    /// Looks at the oldest frame every 100 ms, and at no other.
    pub(crate) fn tick(&mut self, now: Duration) -> Option<Bytes> {
        if now < self.tick_at {
            return None;
        }
        self.tick_at = now + Duration::from_millis(100);
        let oldest = self.buffer.front_mut()?;
        if now.saturating_sub(oldest.last_sent) <= self.timeout {
            return None;
        }
        if self.notes_resends {
            oldest.last_sent = now;
        }
        Some(oldest.bytes.clone())
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        (!self.buffer.is_empty()).then_some(self.tick_at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// Acknowledges one frame as either program does.
pub(crate) fn acknowledge(frame: &Frame, ids: &mut MessageIds, now: Time) -> Bytes {
    let payload = Acknowledge::new(frame.message_type, frame.message_id, frame.sequence).to_bytes();
    let control = Frame::control(MessageType::Acknowledge, ids.next(), payload, now);
    Frame {
        flags: FLAG_ACKNOWLEDGE,
        ..control
    }
    .encode()
}
