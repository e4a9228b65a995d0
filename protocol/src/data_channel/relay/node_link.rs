//! The node's data channel, and whether its output is held back.

use std::time::Duration;

use super::ConnectionId;

/// Is the node as the relay sees it.
#[derive(Debug, Default)]
pub(super) struct NodeLink {
    conn: Option<ConnectionId>,
    /// Since when there is no connection, once there was one or should have been.
    pub(super) gone_since: Option<Duration>,
    /// Whether the node should hold its output.
    paused: bool,
    /// Whether the node must be told (again) to hold it: everything else that is sent to AWS's agent lets it go on.
    pause_due: bool,
    start_due: bool,
    /// Until when ordinary input is kept back.
    input_gate: Option<Duration>,
}

impl NodeLink {
    pub(super) fn conn(&self) -> Option<ConnectionId> {
        self.conn
    }

    /// Takes a new connection; returns the one it replaces. A reconnect lets the node's output go on.
    pub(super) fn connected(&mut self, conn: ConnectionId) -> Option<ConnectionId> {
        self.gone_since = None;
        self.pause_due = self.paused;
        self.start_due = false;
        self.conn.replace(conn)
    }

    pub(super) fn disconnected(&mut self, now: Duration) {
        self.conn = None;
        self.gone_since = Some(now);
    }

    /// Notes that a frame goes to the node.
    pub(super) fn sent(&mut self) {
        self.pause_due |= self.paused;
    }

    /// Decides whether the node should hold its output.
    pub(super) fn hold_output(&mut self, hold: bool) {
        if hold != self.paused {
            self.paused = hold;
            self.pause_due = hold;
            self.start_due = !hold && self.conn.is_some();
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Says whether the node must be told to hold its output, now that there is nothing else to tell it.
    pub(super) fn take_pause_due(&mut self) -> Option<ConnectionId> {
        self.conn.filter(|_| std::mem::take(&mut self.pause_due))
    }

    /// Says whether the node must be told to go on.
    pub(super) fn take_start_due(&mut self) -> Option<ConnectionId> {
        self.conn.filter(|_| std::mem::take(&mut self.start_due))
    }

    pub(super) fn gate_input(&mut self, until: Duration) {
        self.input_gate = Some(until);
    }

    pub(super) fn is_input_gated(&self, now: Duration) -> bool {
        self.input_gate.is_some_and(|until| now < until)
    }

    /// Returns when input that is kept back may go.
    pub(super) fn input_gate(&self, now: Duration) -> Option<Duration> {
        self.input_gate.filter(|until| now < *until)
    }
}
