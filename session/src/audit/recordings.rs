//! That a session was recorded, and that its recording went: not calls of anybody's, so events of the service itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::AuditEvent;
use crate::ids::SessionId;
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

/// Why a recording that the audit log knows is not there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingExpired {
    /// How many days recordings were kept when it went.
    pub kept_days: u32,
}

impl SessionRecorded {
    /// The name of the event.
    pub const NAME: &'static str = "SessionRecorded";

    /// Reads the session and what was told of it; `None` for any other event.
    pub fn of(event: &AuditEvent) -> Option<(SessionId, Self)> {
        event.told_of_session(Self::NAME)
    }

    /// Makes the event.
    pub fn event(&self, session: &Session, at: Timestamp, random: &dyn Random) -> AuditEvent {
        let document = &session.start.document_name;
        AuditEvent::of_session(Self::NAME, self, Some(document), session, at, random)
    }
}

impl RecordingExpired {
    /// The name of the event.
    pub const NAME: &'static str = "RecordingExpired";

    /// Reads the session and what was told of it; `None` for any other event.
    pub fn of(event: &AuditEvent) -> Option<(SessionId, Self)> {
        event.told_of_session(Self::NAME)
    }

    /// Makes the event.
    pub fn event(&self, session: &Session, at: Timestamp, random: &dyn Random) -> AuditEvent {
        AuditEvent::of_session(Self::NAME, self, None, session, at, random)
    }
}
