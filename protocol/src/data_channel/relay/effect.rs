//! What the relay asks of the shell around it, and how clients introduce themselves.

use bytes::Bytes;

use super::{AppendId, FlowReport, JournalRecord};
use crate::Capabilities;

/// Names one websocket connection, chosen by the shell and never reused within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Introduces the client behind a connection whose token was accepted.
#[derive(Clone, Debug)]
pub struct ClientAttachment {
    /// The connection it came on.
    pub conn: ConnectionId,
    /// Which token it held.
    pub kind: AttachKind,
    /// What it named in its first text frame; `None` for AWS's plugin.
    pub capabilities: Option<Capabilities>,
    /// `ClientId` of its first text frame: the same for the life of the process.
    pub client_id: String,
}

/// Says what the client's token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachKind {
    /// The session's first client.
    Start,
    /// The client that was there before, on a new connection.
    Resume,
    /// Another client that takes the session over and counts its own frames from 0.
    Attach {
        /// Where its output begins.
        from: Position,
    },
}

/// Introduces a client that only looks.
#[derive(Clone, Copy, Debug)]
pub struct WatcherAttachment {
    /// The connection it came on.
    pub conn: ConnectionId,
    /// What it named in its first text frame.
    pub capabilities: Option<Capabilities>,
    /// Where its output begins.
    pub from: Position,
}

/// Names a place in the session's output. Whatever it is, at least the last frame there is gets repeated, so that a client
/// learns what it is in and its user sees a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The first frame of the session.
    Start,
    /// The first frame that the owner has not confirmed.
    Unconfirmed,
    /// The next frame to come.
    Live,
}

/// Asks the shell to do something.
///
/// Effects come in the order in which they must be carried out; those for one connection must not overtake each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a binary message to a client or watcher.
    ToClient {
        /// Its connection.
        conn: ConnectionId,
        /// One frame.
        bytes: Bytes,
    },
    /// Send a websocket ping to a client or watcher and report its pong.
    PingClient {
        /// Its connection.
        conn: ConnectionId,
        /// What the pong repeats.
        payload: Bytes,
    },
    /// Close a client's or watcher's connection once what was sent is written.
    CloseClient {
        /// Its connection.
        conn: ConnectionId,
    },
    /// Send a binary message to the node.
    ToNode {
        /// Its data channel's connection.
        conn: ConnectionId,
        /// One frame.
        bytes: Bytes,
    },
    /// Close a node's data channel once what was sent is written.
    CloseNode {
        /// Its connection.
        conn: ConnectionId,
    },
    /// Append a record to the session's journal; report with `handle_durable`.
    Append {
        /// Grows by one with each append of this core.
        id: AppendId,
        /// When, in milliseconds since the epoch.
        epoch_ms: u64,
        /// What to keep.
        record: JournalRecord,
    },
    /// Read recorded output; answer with `handle_journal_read`.
    ReadJournal {
        /// Who wants it; repeated in the answer.
        reader: ConnectionId,
        /// Sequence number of the first frame wanted.
        from_sequence: i64,
        /// Sum of frame lengths to stop at; at least one frame is returned where there is one.
        max_bytes: usize,
    },
    /// Send `interactive_shell` over the node's control channel.
    StartOnNode,
    /// Send `channel_closed` over the node's control channel.
    TerminateOnNode,
    /// Write down what became of connections of a tunnel.
    Flows(FlowReport),
    /// Note the session's state.
    StateChanged(RelayState),
    /// The session is over; the last effect.
    Ended {
        /// How it went.
        outcome: Outcome,
    },
}

/// Names the stages of a session that others may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayState {
    /// Waits for its first client or for the node.
    Connecting,
    /// Both ends are there.
    Connected,
    /// One of the ends is missing and may come back.
    Disconnected,
    /// Over but for the last deliveries.
    Terminating,
}

/// Says how a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What ended it.
    pub cause: EndCause,
    /// The text that clients were shown; empty for a natural end.
    pub output: String,
    /// Exit code of the shell, where the agent reports one.
    pub exit_code: Option<i32>,
}

/// Names what ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The shell, command or tunnel on the node ended by itself.
    Finished,
    /// The node reports that the session failed.
    Failed,
    /// Somebody with the right to do so terminated it.
    Terminated,
    /// No client ever came.
    NoClient,
    /// The node never opened its data channel.
    StartTimeout,
    /// The node's data channel was gone for too long.
    NodeLost,
    /// The client of a tunnel was gone for too long.
    ClientLost,
    /// Our client said goodbye.
    ClientLeft,
    /// Nothing moved for the idle timeout.
    Idle,
    /// The session reached its longest life.
    MaxDuration,
    /// The journal could not be written or read.
    JournalFailed,
}

impl EndCause {
    /// Says whether the node is to blame, and another session on it might go better.
    pub fn is_the_nodes(self) -> bool {
        matches!(
            self,
            EndCause::Failed | EndCause::StartTimeout | EndCause::NodeLost
        )
    }
}
