//! That a recording was removed because it was kept long enough: an event of the service itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::AuditEvent;
use crate::ids::SessionId;
use crate::policy::Resource;
use crate::random::Random;
use crate::record::Session;

/// Why a recording that the audit log knows is not there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingExpired {
    /// How many days recordings were kept when it went.
    pub kept_days: u32,
}

/// The event's own part, with what it is about.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    session_id: &'a str,
    node_id: &'a str,
    #[serde(flatten)]
    expired: &'a RecordingExpired,
}

impl RecordingExpired {
    /// The name of the event.
    pub const NAME: &'static str = "RecordingExpired";

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
            expired: self,
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
