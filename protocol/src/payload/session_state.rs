//! Where a session stands, as a node tells the server.

use serde::{Deserialize, Serialize};

/// Tells the server where a session stands; never relayed to a client (`protocol.md` 3.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentSessionState {
    /// Always 1.
    #[serde(default)]
    pub schema_version: u32,
    /// Where the session stands.
    pub session_state: SessionState,
    /// Session it is about.
    #[serde(default)]
    pub session_id: String,
    /// How the shell exited; only from our agent, with `Terminating`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// Names where a session stands at its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SessionState {
    /// The data channel is up; sent once per session.
    Connected,
    /// The process ended by itself.
    Terminating,
    /// Anything else.
    Unknown(String),
}

impl From<String> for SessionState {
    fn from(name: String) -> SessionState {
        match name.as_str() {
            "Connected" => SessionState::Connected,
            "Terminating" => SessionState::Terminating,
            _ => SessionState::Unknown(name),
        }
    }
}

impl From<SessionState> for String {
    fn from(state: SessionState) -> String {
        match state {
            SessionState::Connected => "Connected".to_owned(),
            SessionState::Terminating => "Terminating".to_owned(),
            SessionState::Unknown(name) => name,
        }
    }
}
