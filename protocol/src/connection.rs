//! What every end does with its connection, whatever is spoken over it.

use std::time::Duration;

use bytes::Bytes;

use crate::keepalive::Due;
use crate::{Keepalive, Time, Transmit};

/// Is one end's connection: the text frame that opens it, its pings, and whether it is there at all.
///
/// ```text
///           open            text frame polled
///  Down ───────────▶ Opening ───────────▶ Up ◀─── accepted, by the side that was dialled
///   ▲                   │                  │
///   └───────────────────┴───── close ──────┘
/// ```
#[derive(Debug)]
pub(crate) struct Connection {
    state: State,
    keepalive: Keepalive,
    ping_is_due: bool,
}

#[derive(Debug)]
enum State {
    Down,
    Opening { text: String },
    Up,
}

/// Says that the peer is gone although nothing was closed.
#[derive(Debug)]
pub(crate) struct Unresponsive;

impl Connection {
    pub(crate) fn new(keepalive: Keepalive) -> Connection {
        Connection {
            state: State::Down,
            keepalive,
            ping_is_due: false,
        }
    }

    /// Starts a connection with its text frame.
    pub(crate) fn open(&mut self, text: String, now: Time) {
        self.accepted(now);
        self.state = State::Opening { text };
    }

    /// Starts a connection in which the peer speaks first.
    pub(crate) fn accepted(&mut self, now: Time) {
        self.state = State::Up;
        self.keepalive.connected(now.monotonic);
        self.ping_is_due = false;
    }

    pub(crate) fn close(&mut self) {
        self.state = State::Down;
        self.keepalive.disconnected();
        self.ping_is_due = false;
    }

    /// Notes that anything at all came from the peer.
    pub(crate) fn heard(&mut self, now: Time) {
        self.keepalive.heard(now.monotonic);
    }

    pub(crate) fn pong(&mut self, now: Time) {
        self.keepalive.pong(now.monotonic);
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> Option<Unresponsive> {
        match self.keepalive.elapse(now.monotonic)? {
            Due::Ping => {
                self.ping_is_due = true;
                None
            }
            Due::Unresponsive => Some(Unresponsive),
        }
    }

    /// Returns what goes out before anything else.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        match std::mem::replace(&mut self.state, State::Up) {
            State::Down => {
                self.state = State::Down;
                None
            }
            State::Opening { text } => Some(Transmit::Text(text)),
            State::Up => std::mem::take(&mut self.ping_is_due)
                .then(|| Transmit::Ping(Bytes::from_static(Keepalive::PAYLOAD))),
        }
    }

    /// Says whether frames may go out.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.keepalive.deadline()
    }
}
