//! The relay between the two ends of one session: a receiver towards the node, an independent sender towards each client.
//!
//! ```text
//!            frames                      durable                     window, resends
//!   node ─────────────▶ intake ──▶ Append ─ ─ ─ ─▶ acknowledge   ┌──▶ owner    (may type)
//!        ◀─────────────          └───────▶ output store ─────────┼──▶ watcher  (looks)
//!          acks, input                     (tail, journal reads) └──▶ watcher
//! ```
//!
//! Calling order: hand in whatever happened with one `handle_*` method, then carry out [`RelayCore::poll_effect`] until it is
//! `None`, then sleep until the next event or [`RelayCore::poll_timeout`]. After [`Effect::Ended`] every method does nothing.
//!
//! An acknowledgement is a promise, so each leaves only when what it promises survives a crash of this server: towards the
//! node when a recorded frame is durable (or, of a tunnel, when the client has it and that fact is durable), towards a client
//! when the node has its input and that fact is durable. Data itself never waits for the disk.

mod config;
mod effect;
mod faults;
mod journal;
mod sequence_set;

use std::time::Duration;

use bytes::Bytes;

use crate::payload::TaskComplete;
use crate::{MessageIds, Time};

pub use config::{Limits, RelayConfig, SessionKind, Timers};
pub use effect::{
    AttachKind, ClientAttachment, ConnectionId, Effect, EndCause, Outcome, Position, RelayState, WatcherAttachment,
};
pub use faults::Faults;
pub use journal::{AppendId, Facts, JournalFrame, JournalRecord, Owner, Positions, Recovered};

use sequence_set::SequenceSet;

/// Relays one session.
#[derive(Debug)]
pub struct RelayCore {
    config: RelayConfig,
    ids: MessageIds,
    faults: Faults,
}

impl RelayCore {
    /// Starts the relay of a session that has just been authorized.
    pub fn new(config: RelayConfig, ids: MessageIds, now: Time) -> RelayCore {
        let _ = now;
        RelayCore { config, ids, faults: Faults::default() }
    }

    /// Goes on with a session that another relay left behind.
    pub fn recover(config: RelayConfig, recovered: Recovered, ids: MessageIds, now: Time) -> RelayCore {
        let _ = (recovered, now);
        RelayCore { config, ids, faults: Faults::default() }
    }

    /// Takes a client whose token was accepted as the session's owner; an older connection is closed.
    pub fn handle_client_connected(&mut self, client: ClientAttachment, now: Time) {
        let _ = (client, now);
    }

    /// Takes a watcher whose token was accepted.
    pub fn handle_watcher_connected(&mut self, watcher: WatcherAttachment, now: Time) {
        let _ = (watcher, now);
    }

    /// Takes a binary message from a client or watcher.
    pub fn handle_client_message(&mut self, conn: ConnectionId, message: Bytes, now: Time) {
        let _ = (conn, message, now);
    }

    /// Takes a pong from a client or watcher.
    pub fn handle_client_pong(&mut self, conn: ConnectionId, payload: Bytes, now: Time) {
        let _ = (conn, payload, now);
    }

    /// Notes that the connection of a client or watcher is gone.
    pub fn handle_client_disconnected(&mut self, conn: ConnectionId, now: Time) {
        let _ = (conn, now);
    }

    /// Takes a data channel that the node has opened; an older one is closed.
    pub fn handle_node_connected(&mut self, conn: ConnectionId, now: Time) {
        let _ = (conn, now);
    }

    /// Takes a binary message from the node's data channel.
    pub fn handle_node_message(&mut self, conn: ConnectionId, message: Bytes, now: Time) {
        let _ = (conn, message, now);
    }

    /// Notes that the node's data channel is gone.
    pub fn handle_node_disconnected(&mut self, conn: ConnectionId, now: Time) {
        let _ = (conn, now);
    }

    /// Takes the node's report, over its control channel, that the session is over there.
    pub fn handle_task_complete(&mut self, complete: &TaskComplete, now: Time) {
        let _ = (complete, now);
    }

    /// Notes that every append up to and including `through` survives a crash.
    pub fn handle_durable(&mut self, through: AppendId, now: Time) {
        let _ = (through, now);
    }

    /// Takes the answer to [`Effect::ReadJournal`]: frames in order of sequence number from the one asked for on.
    ///
    /// Frames that were appended but are not durable may be left out. An empty answer means that the journal has lost them.
    pub fn handle_journal_read(&mut self, reader: ConnectionId, frames: Vec<JournalFrame>, now: Time) {
        let _ = (reader, frames, now);
    }

    /// Notes that the journal cannot be written any more, because of `reason`.
    ///
    /// Ends the session, or goes on without recording where its configuration says so.
    pub fn handle_journal_failed(&mut self, reason: &str, now: Time) {
        let _ = (reason, now);
    }

    /// Ends the session from this side; clients are shown `output`.
    pub fn terminate(&mut self, cause: EndCause, output: &str, now: Time) {
        let _ = (cause, output, now);
    }

    /// Does whatever is due.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// Returns the next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        None
    }

    /// Returns when [`RelayCore::handle_timeout`] wants to be called, on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// Says whether the owner's socket should not be read for now: the node is behind with its input.
    pub fn client_input_paused(&self) -> bool {
        false
    }

    /// Says whether the node's socket should not be read for now: the journal is behind.
    pub fn node_output_paused(&self) -> bool {
        false
    }

    /// Returns what peers did wrong so far.
    pub fn faults(&self) -> Faults {
        self.faults
    }
}
