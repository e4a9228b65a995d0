//! The documents inside frames, and the text frame that opens a channel.
//!
//! Field names, their order and their JSON types are those of AWS's programs (`protocol.md` 2.1, 3.7, 4.2, 5, 8 and 9);
//! readers ignore unknown keys and take a default for every absent key that they can do without.

mod acknowledge;
mod channel_closed;
mod handshake;
mod open;
mod plain_json;
mod session_state;
mod shell;
mod task;
mod terminal;

pub use acknowledge::Acknowledge;
pub use channel_closed::ChannelClosed;
pub use handshake::{
    ActionStatus, ActionType, ClientAction, EncChallenge, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, KmsParameters, KmsResult, MAX_HANDSHAKE_BYTES, ProcessedAction, SessionType,
    SessionTypeParameters,
};
pub use open::{MAX_OPEN_BYTES, OpenControlChannel, OpenDataChannel};
pub use session_state::{AgentSessionState, SessionState};
pub use shell::{InteractiveShell, ShellContent};
pub use task::{TaskAcknowledge, TaskComplete, TaskStatus};
pub use terminal::{Size, flag};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Says why a payload cannot be used.
///
/// It never quotes the payload, which may hold a token or somebody's keystrokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The text is not JSON.
    #[error("malformed JSON at line {line} column {column}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The JSON lacks a member or has one of another type.
    #[error("JSON of an unexpected shape at line {line} column {column}")]
    Shape {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The payload has another length than its kind allows.
    #[error("{actual} bytes where {expected} are allowed")]
    Length {
        /// Bytes allowed, an upper bound for documents.
        expected: usize,
        /// Bytes received.
        actual: usize,
    },
    /// The document is of a version that this program does not know.
    #[error("unknown schema version")]
    SchemaVersion,
    /// The document names another session, message or topic than the one it is about.
    #[error("document contradicts its envelope")]
    Contradiction,
}

impl From<serde_json::Error> for PayloadError {
    fn from(error: serde_json::Error) -> PayloadError {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => PayloadError::Shape { line, column },
            _ => PayloadError::Syntax { line, column },
        }
    }
}

/// Reads a JSON payload.
///
/// # Errors
///
/// [`PayloadError::Syntax`] or [`PayloadError::Shape`].
pub fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, PayloadError> {
    Ok(serde_json::from_slice(payload)?)
}

/// Writes a JSON payload.
pub fn to_bytes<T: Serialize>(document: &T) -> Bytes {
    serde_json::to_vec(document)
        .expect("documents are structs of plain values with string keys")
        .into()
}

/// Writes a JSON text frame.
pub fn to_text<T: Serialize>(document: &T) -> String {
    serde_json::to_string(document).expect("documents are structs of plain values with string keys")
}
