//! That a session was recorded: not a call of anybody's, so an event of the service itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::AuditEvent;
use crate::ids::SessionId;
use crate::policy::Resource;
use crate::random::Random;
use crate::record::Session;

/// Where the chain of a complete recording ended: with it in the audit log, a recording cannot be cut short, rolled back or
/// removed without a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecorded {
    /// How many blocks it has.
    pub blocks: u64,
    /// The hash of the last one, which stands for all; hexadecimal.
    pub head: String,
    /// How long it is, in bytes, as it is kept.
    pub bytes: u64,
    /// How many bytes the session wrote.
    pub output_bytes: u64,
}

/// The event's own part, with what it is about.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    session_id: &'a str,
    node_id: &'a str,
    document_name: &'a str,
    #[serde(flatten)]
    recorded: &'a SessionRecorded,
}

impl SessionRecorded {
    /// The name of the event.
    pub const NAME: &'static str = "SessionRecorded";

    /// Reads the session and what was told of it; `None` for any other event.
    pub fn of(event: &AuditEvent) -> Option<(SessionId, Self)> {
        let details = event.told_as(Self::NAME)?;
        let session = SessionId::parse(details["sessionId"].as_str()?).ok()?;
        Some((session, Self::deserialize(details).ok()?))
    }

    /// Makes the event; it is found like the call that started the session.
    pub fn event(&self, session: &Session, at: Timestamp, random: &dyn Random) -> AuditEvent {
        let details = Details {
            session_id: session.id.as_str(),
            node_id: session.node.as_str(),
            document_name: &session.start.document_name,
            recorded: self,
        };
        let details = serde_json::to_value(details).unwrap_or_default();
        let (region, account) = (&session.region, &session.account);
        let touched = [
            Resource::session(region, account, session.id.as_str()),
            Resource::node(region, account, session.node.as_str()),
        ];
        AuditEvent::of_service(Self::NAME, session, details, &touched, at, random)
    }
}
