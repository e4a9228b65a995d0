//! How a session ended.

use drawbridge_protocol::payload::{TaskComplete, TaskStatus};
use drawbridge_session::{NodeId, SessionId};
use serde::{Deserialize, Serialize};

/// How a session ended, as kept on disk until the server has acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the session did what it was asked to. A shell that exits with an error did.
    pub status: Status,
    /// What went wrong, for the person who asked; empty when nothing did.
    pub output: String,
}

/// The two ways for a session to end; being terminated is a success (`protocol.md` 13.6, 38).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It ran until its shell exited or it was terminated.
    Success,
    /// It could not be started, or not be kept up.
    Failed,
}

impl Outcome {
    /// The end of a session that ran.
    pub fn success() -> Self {
        Self {
            status: Status::Success,
            output: String::new(),
        }
    }

    /// The end of a session that could not run, with the reason.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self {
            status: Status::Failed,
            output: reason.into(),
        }
    }

    /// Writes the report to the server.
    pub fn report(&self, session: &SessionId, node: &NodeId) -> TaskComplete {
        let status = match self.status {
            Status::Success => TaskStatus::Success,
            Status::Failed => TaskStatus::Failed,
        };
        TaskComplete::new(session.as_str(), node.as_str(), status, self.output.clone())
    }
}

/// Joins an error and its causes into one line, as a person should read them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
