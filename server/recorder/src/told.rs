//! What the audit log has of recordings.

use std::collections::BTreeMap;

use drawbridge_session::audit::{AuditEvent, RecordingExpired, SessionRecorded};
use drawbridge_session::{Session, SessionId};
use drawbridge_store::{
    EventAttribute, EventPage, Inspection, RootKey, Store, StoreError, Verified as VerifiedLog, VerifyError,
};
use jiff::Timestamp;

/// Events of one page, when those of a session are looked through.
const PAGE: u32 = 100;

/// What a whole audit log says of recordings, to compare them with.
#[derive(Debug)]
pub struct Told {
    sessions: BTreeMap<SessionId, Evidence>,
    log: VerifiedLog,
}

/// What the log has of one session's recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Where it ended, and when that was told; more than one only where somebody had it made again.
    pub(crate) recorded: Vec<(Timestamp, SessionRecorded)>,
    /// When it was removed for its age, the last time that was told.
    pub(crate) expired: Option<(Timestamp, RecordingExpired)>,
}

impl Told {
    /// Goes through the audit log of a store.
    ///
    /// # Errors
    ///
    /// When the log is not whole, or cannot be read.
    pub async fn read(store: &Inspection, root: &RootKey) -> Result<Self, VerifyError> {
        let mut sessions = BTreeMap::new();
        let log = store
            .verify_audit_log(root, None, |event| note(&mut sessions, event))
            .await?;
        Ok(Self { sessions, log })
    }

    /// Lists the sessions whose recordings the log tells of.
    pub fn sessions(&self) -> impl Iterator<Item = &SessionId> {
        self.sessions.keys()
    }

    /// Returns what the log holds.
    pub fn log(&self) -> &VerifiedLog {
        &self.log
    }

    pub(crate) fn of(&self, session: &SessionId) -> Option<&Evidence> {
        self.sessions.get(session)
    }
}

fn note(sessions: &mut BTreeMap<SessionId, Evidence>, event: &AuditEvent) {
    if let Some((session, recorded)) = SessionRecorded::of(event) {
        let all = &mut sessions.entry(session).or_default().recorded;
        // A server that was killed between telling and renaming may tell the same again.
        if all.iter().all(|(_, before)| *before != recorded) {
            all.push((event.at(), recorded));
        }
    } else if let Some((session, expired)) = RecordingExpired::of(event) {
        sessions.entry(session).or_default().expired = Some((event.at(), expired));
    }
}

/// Looks up where a session's recording ended, as the audit log has it.
pub(crate) async fn recorded_of(
    store: &dyn Store,
    session: &Session,
) -> Result<Option<SessionRecorded>, StoreError> {
    let mut before = None;
    loop {
        let page = EventPage {
            account: &session.account,
            region: &session.region,
            attribute: Some(EventAttribute::ResourceName(session.id.to_string())),
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::MAX,
            before,
            limit: PAGE,
        };
        let events = store.events(page).await?;
        for stored in &events {
            match SessionRecorded::of(&stored.event) {
                Some((of, recorded)) if of == session.id => return Ok(Some(recorded)),
                Some(_) | None => {}
            }
        }
        let Some(last) = events.last() else {
            return Ok(None);
        };
        before = Some(last.position);
    }
}
