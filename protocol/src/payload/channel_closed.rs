//! The end of a session, as the server tells it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Time, iso8601};

/// Ends a session: to a client over the data channel, to a node over either channel (`protocol.md` 3.7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    /// Always `channel_closed`.
    pub message_type: String,
    /// A fresh id, as a string because readers ignore it whatever it is.
    pub message_id: String,
    /// Node or client that it is for.
    pub destination_id: String,
    /// Session that ends: the only key a node needs.
    pub session_id: String,
    /// Always 1.
    pub schema_version: u32,
    /// When, as ISO 8601.
    pub created_date: String,
    /// Why, in words for the person at the client; empty after a normal end.
    pub output: String,
    /// How the shell exited; only from our server to our client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Whether it was the node that failed or vanished, and another session might do; only from our server to our client.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub node_failed: bool,
    /// Whether the client is to answer with one of its own, so that the end is told again if the connection broke; only from
    /// our server to a client that names [`confirms_end`](crate::Capabilities::confirms_end).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
}

impl ChannelClosed {
    /// Writes an end without an exit code.
    pub fn new(
        message_id: Uuid,
        destination_id: impl Into<String>,
        session_id: impl Into<String>,
        output: impl Into<String>,
        now: Time,
    ) -> ChannelClosed {
        ChannelClosed {
            message_type: "channel_closed".to_owned(),
            message_id: message_id.to_string(),
            destination_id: destination_id.into(),
            session_id: session_id.into(),
            schema_version: 1,
            created_date: iso8601(now.epoch_ms),
            output: output.into(),
            exit_code: None,
            node_failed: false,
            confirm: false,
        }
    }
}
