//! Frames that arrived while standard output takes no more.

use std::collections::VecDeque;

use bytes::Bytes;
use drawbridge_protocol::wire::{Frame, MessageType};

/// Keeps output back, unacknowledged, so that the server sees how far behind the terminal is.
///
/// Everything else on the connection goes on: acknowledgements are taken at once, pings are answered. Without an
/// acknowledgement the server stops at its own window; whatever it sends again meanwhile is recognised and dropped.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    held: VecDeque<Bytes>,
    held_bytes: usize,
    /// Of the last output held; what is not beyond it was sent again.
    last_sequence: Option<i64>,
}

impl Backlog {
    /// Takes a frame from the network; returns it if it need not wait. `room` is the terminal's.
    pub(crate) fn admit(&mut self, message: Bytes, room: usize) -> Option<Bytes> {
        if self.held.is_empty() && room > 0 {
            return Some(message);
        }
        match Frame::decode(message.clone()) {
            Ok(frame) if frame.message_type == MessageType::OutputStreamData => {
                if self.last_sequence.is_none_or(|last| frame.sequence > last) {
                    self.last_sequence = Some(frame.sequence);
                    self.hold(message);
                }
                None
            }
            // The end of a session comes after its last output.
            Ok(frame) if frame.message_type == MessageType::ChannelClosed => {
                self.hold(message);
                None
            }
            Ok(_) | Err(_) => Some(message),
        }
    }

    /// The next frame whose turn has come.
    pub(crate) fn next(&mut self, room: usize) -> Option<Bytes> {
        if room == 0 {
            return None;
        }
        let message = self.held.pop_front()?;
        self.held_bytes -= message.len();
        if self.held.is_empty() {
            self.last_sequence = None;
        }
        Some(message)
    }

    /// Takes the end of the session out of what waits, if it is there.
    pub(crate) fn take_end(&mut self) -> Option<Bytes> {
        let is_end = |message: &Bytes| {
            Frame::decode(message.clone()).is_ok_and(|frame| frame.message_type == MessageType::ChannelClosed)
        };
        self.held.iter().find(|message| is_end(message)).cloned()
    }

    /// Whether more may be read from the network at all.
    pub(crate) fn has_room(&self) -> bool {
        self.held_bytes < HELD_BYTES
    }

    fn hold(&mut self, message: Bytes) {
        self.held_bytes += message.len();
        self.held.push_back(message);
    }
}

/// Several times what our server sends without an acknowledgement; beyond it the network has to wait.
const HELD_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use drawbridge_protocol::wire::PayloadType;
    use drawbridge_protocol::{MessageIds, Time};

    use super::*;

    fn message(message_type: MessageType, sequence: i64) -> Bytes {
        let payload_type = PayloadType::Output;
        let payload = Bytes::from_static(b"{}");
        Frame {
            message_type,
            schema_version: 1,
            created_ms: Time::new(std::time::Duration::ZERO, 1).epoch_ms,
            sequence,
            flags: 0,
            message_id: MessageIds::new([0; 16]).next(),
            payload_type,
            payload,
        }
        .encode()
    }

    #[test]
    fn lets_everything_through_while_the_terminal_keeps_up() {
        let mut backlog = Backlog::default();
        assert!(
            backlog
                .admit(message(MessageType::OutputStreamData, 0), 1)
                .is_some()
        );
        assert!(backlog.next(1).is_none());
    }

    #[test]
    fn holds_output_and_the_end_but_nothing_else() {
        let mut backlog = Backlog::default();
        let output = message(MessageType::OutputStreamData, 7);
        let closed = message(MessageType::ChannelClosed, 0);
        assert!(backlog.admit(output.clone(), 0).is_none());
        assert!(backlog.admit(closed.clone(), 0).is_none());
        assert!(backlog.admit(message(MessageType::Acknowledge, 0), 0).is_some());
        assert!(backlog.next(0).is_none());
        // Order is kept even when the terminal has room again.
        let later = message(MessageType::OutputStreamData, 8);
        assert!(backlog.admit(later.clone(), 1).is_none());
        assert_eq!(backlog.next(1), Some(output));
        assert_eq!(backlog.next(1), Some(closed));
        assert_eq!(backlog.next(1), Some(later));
        assert!(backlog.next(1).is_none());
    }

    #[test]
    fn what_is_sent_again_takes_no_room() {
        let mut backlog = Backlog::default();
        for _ in 0..10_000 {
            assert!(
                backlog
                    .admit(message(MessageType::OutputStreamData, 3), 0)
                    .is_none()
            );
        }
        assert!(backlog.next(1).is_some());
        assert!(backlog.next(1).is_none());
        assert!(backlog.has_room());
    }
}
