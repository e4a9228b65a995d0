//! How a session ended.

use drawbridge_protocol::payload::{TaskComplete, TaskStatus};
use drawbridge_session::{NodeId, SessionId};
use serde::{Deserialize, Serialize};

use crate::logs::Destinations;

/// How a session ended, as kept on disk until the server has acknowledged it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the session did what it was asked to. A shell that exits with an error did.
    pub status: Status,
    /// What went wrong, for the person who asked; empty when nothing did.
    pub output: String,
    /// Where its log is, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logged: Option<Logged>,
}

/// Where the log of a session is, or was meant to be: AWS's agent reports the one like the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// The bucket; may be empty.
    pub bucket: String,
    /// The transcript's key; may be empty.
    pub key: String,
    /// The log group; may be empty.
    pub group: String,
    /// The stream; may be empty.
    pub stream: String,
    /// What of it went wrong, for the agent's log.
    pub complaints: Vec<String>,
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
            logged: None,
        }
    }

    /// The end of a session that could not run, with the reason.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self {
            status: Status::Failed,
            output: reason.into(),
            logged: None,
        }
    }

    /// Writes the report to the server.
    pub fn report(&self, session: &SessionId, node: &NodeId) -> TaskComplete {
        let status = match self.status {
            Status::Success => TaskStatus::Success,
            Status::Failed => TaskStatus::Failed,
        };
        let logged = self.logged.clone().unwrap_or_default();
        TaskComplete {
            s3_bucket: logged.bucket,
            s3_url_suffix: logged.key,
            cwl_group: logged.group,
            cwl_stream: logged.stream,
            ..TaskComplete::new(session.as_str(), node.as_str(), status, self.output.clone())
        }
    }
}

impl Logged {
    /// Names the places of a session's log.
    pub(crate) fn to(destinations: &Destinations, session: &SessionId) -> Self {
        let mut logged = Self::default();
        if let Some(bucket) = &destinations.bucket {
            logged.bucket.clone_from(&bucket.name);
            logged.key = bucket.key(session);
        }
        if let Some(group) = &destinations.group {
            logged.group.clone_from(&group.name);
            session.as_str().clone_into(&mut logged.stream);
        }
        logged
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
