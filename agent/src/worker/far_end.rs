//! What a session's client talks to.

use bytes::Bytes;
use drawbridge_protocol::payload::{SessionType, Size};
use drawbridge_protocol::stream::Window;
use drawbridge_protocol::wire::PayloadType;
use serde_json::Value;

use crate::pty::ExitStatus;

/// The far end of a session: a terminal, a command's pipes, or a connection to a port.
///
/// It keeps its own input and its own idea of how far it has come. The session calls [`poll`](FarEnd::poll) until there
/// is nothing, then waits with [`next`](FarEnd::next). Once it has ended it is polled no more, but may still be waited on.
pub(super) trait FarEnd {
    /// What the client has to prepare for; `None` where it needs no telling.
    fn introduction(&self) -> Option<Introduction> {
        None
    }

    /// The client, of this version, is ready. Where there is no introduction it always was.
    fn begin(&mut self, _client_version: &str) {}

    /// Takes the client's next bytes.
    fn handle_input(&mut self, bytes: Bytes);

    /// Takes the client's next message of a tunnel between our own ends.
    fn handle_message(&mut self, _message: Bytes) {}

    /// Takes the size of the client's terminal.
    fn handle_size(&mut self, _size: Size) {}

    /// Takes one of the numbers of [`flag`](drawbridge_protocol::payload::flag).
    fn handle_flag(&mut self, _number: u32) {}

    /// Says whether this frame must be left unacknowledged for now, because there is no room for input.
    fn refuses(&self, frame: &[u8]) -> bool;

    /// Returns what has happened, without waiting. Output comes only up to `room` bytes, which may be 0.
    fn poll(&mut self, room: usize) -> Option<FarEvent>;

    /// Waits until something has happened, which the next [`poll`](FarEnd::poll) tells. Reads at most `room` bytes of
    /// output. Cancel safe.
    async fn next(&mut self, room: usize);

    /// Returns how many bytes of output are taken at once: one frame towards our own server.
    fn chunk(&self) -> usize {
        32 * 1024
    }

    /// Returns how much of what it says may wait for the client's acknowledgement.
    fn window(&self) -> Window {
        Window::DEFAULT
    }

    /// Says whether people read what it says, so that words of the server may stand among it.
    fn is_read_by_people(&self) -> bool {
        false
    }

    /// Says whether the server keeps what is said until the client has it. Otherwise it takes nothing while the client
    /// does not, and must be given more time.
    fn is_kept_by_server(&self) -> bool {
        true
    }

    /// Ends whatever is left.
    async fn end(&mut self);
}

/// What the client is told in the handshake.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Introduction {
    pub(super) session_type: SessionType,
    /// The properties, where this kind of session tells them.
    pub(super) properties: Value,
}

/// What a far end has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FarEvent {
    /// It said something.
    Said(PayloadType, Bytes),
    /// It has ended, and everything it said has been told.
    Ended(End),
}

/// How a far end ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its program did.
    Exited(ExitStatus),
    /// Its program could not be executed, which is told as if it had ended so.
    NotExecuted {
        /// What it would have ended with.
        status: ExitStatus,
        /// Why.
        why: String,
    },
    /// The other side of the connection hung up, or the client did.
    Closed,
    /// It could not be started or kept up, for this reason.
    Failed(String),
}
