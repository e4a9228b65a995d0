//! What passed through a tunnel: not a call of anybody's, so an event of the service itself.

use jiff::Timestamp;
use serde::Serialize;

use super::event::AuditEvent;
use crate::random::Random;
use crate::record::Session;

/// Connections of one tunnel that have ended, and what else passed through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TunnelFlows {
    /// The connections.
    pub flows: Vec<TunnelFlow>,
    /// What was counted of connections that were not told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<OtherFlows>,
    /// Whether the server was started while the session was there: what passed before that is not among these.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after_restart: bool,
}

/// One connection of a tunnel. The content is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TunnelFlow {
    /// Where it was to lead, as the session's document says; `None` for what the document does not have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The address that the node says it reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When it was asked for, in milliseconds since the epoch.
    pub start_time_millis: u64,
    /// When it ended.
    pub end_time_millis: u64,
    /// Bytes of the client.
    pub bytes_to_node: u64,
    /// Bytes of the node.
    pub bytes_from_node: u64,
    /// `ended`, `refused`, `reset`, `open` when its session ended, or `interrupted` when the server stopped.
    pub outcome: &'static str,
    /// The kind of reason for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The words of the end that refused or reset it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was counted of connections that were not told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherFlows {
    /// How many are known to be among them.
    pub connections: u64,
    /// When the first of this passed, in milliseconds since the epoch.
    pub start_time_millis: u64,
    /// When the last of this passed.
    pub end_time_millis: u64,
    /// Bytes of the client.
    pub bytes_to_node: u64,
    /// Bytes of the node.
    pub bytes_from_node: u64,
}

impl TunnelFlows {
    /// Makes the event; it is found by who started the session, by the node and by the session.
    pub fn event(&self, session: &Session, at: Timestamp, random: &dyn Random) -> AuditEvent {
        let document = &session.start.document_name;
        AuditEvent::of_session("TunnelFlows", self, Some(document), session, at, random)
    }
}
