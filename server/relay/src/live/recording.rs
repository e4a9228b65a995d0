//! What a session's records are in the journal.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{AppendId, JournalFrame, JournalRecord, Recovered};
use tokio::sync::mpsc;

use crate::journal::{Append, Completion, Journal, JournalError, RecordKind, Recorded, SessionDigest};

/// A record of the core that only its recovery needs.
const RELAY_NOTE: RecordKind = RecordKind::Note(0);

/// What the node could do when the session started: JSON of its capabilities, or `null`.
const SESSION_NOTE: RecordKind = RecordKind::Note(1);

/// The journal as one session sees it.
pub(crate) struct Recording {
    journal: Journal,
    session: SessionDigest,
    done: mpsc::UnboundedSender<Completion>,
}

impl Recording {
    pub(crate) fn new(
        journal: Journal,
        session: SessionDigest,
    ) -> (Recording, mpsc::UnboundedReceiver<Completion>) {
        let (done, completions) = mpsc::unbounded_channel();
        journal.track(session);
        (
            Recording {
                journal,
                session,
                done,
            },
            completions,
        )
    }

    /// Queues a record of the core's.
    pub(crate) async fn append(&self, id: AppendId, record: JournalRecord) {
        let (kind, sequence, body) = match record {
            JournalRecord::Output { sequence, frame } => (RecordKind::Frame, sequence, frame),
            // Sizes and the wrapped key: what else whoever plays the session must know.
            JournalRecord::Client { .. } => (RecordKind::Mark, 0, record.encode()),
            JournalRecord::Owner(_) | JournalRecord::Positions(_) | JournalRecord::Ending(_) => {
                (RELAY_NOTE, 0, record.encode())
            }
        };
        self.queue(kind, sequence, body, Some(id)).await;
    }

    /// Queues the note of what the node can do.
    pub(crate) async fn note_node(&self, capabilities: Option<Capabilities>) {
        let body = serde_json::to_vec(&capabilities).unwrap_or_default();
        self.queue(SESSION_NOTE, 0, Bytes::from(body), None).await;
    }

    async fn queue(&self, kind: RecordKind, sequence: i64, body: Bytes, id: Option<AppendId>) {
        let ticket = id.map_or(NO_TICKET, |AppendId(id)| id);
        let append = Append {
            session: self.session,
            kind,
            sequence,
            body,
            ticket,
            done: self.done.clone(),
        };
        self.journal.append(append).await;
    }

    /// Reads frames off the runtime's threads.
    pub(crate) async fn read(
        journal: Journal,
        session: SessionDigest,
        from_sequence: i64,
        max_bytes: usize,
    ) -> Result<Vec<JournalFrame>, JournalError> {
        let read = tokio::task::spawn_blocking(move || journal.read(session, from_sequence, max_bytes));
        let recorded = read
            .await
            .map_err(|_panicked_or_shut_down| JournalError::Closed)??;
        let frame = |recorded: Recorded| JournalFrame {
            sequence: recorded.sequence,
            bytes: recorded.body,
        };
        Ok(recorded.into_iter().map(frame).collect())
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn session(&self) -> SessionDigest {
        self.session
    }
}

/// The ticket of a record that nothing waits for.
const NO_TICKET: u64 = u64::MAX;

/// What a completion tells the core.
pub(crate) enum Progress {
    /// Everything up to here is durable.
    Durable(AppendId),
    /// Nothing the core waits for.
    Nothing,
    /// The journal cannot be written.
    Failed(Arc<JournalError>),
}

impl From<Completion> for Progress {
    fn from(completion: Completion) -> Progress {
        match completion.result {
            Err(error) => Progress::Failed(error),
            Ok(()) if completion.ticket == NO_TICKET => Progress::Nothing,
            Ok(()) => Progress::Durable(AppendId(completion.ticket)),
        }
    }
}

/// What the journal says of sessions that a server before this one left behind.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    sessions: HashMap<SessionDigest, RecoveredSession>,
}

/// What it says of one.
#[derive(Debug, Default)]
pub(crate) struct RecoveredSession {
    pub(crate) core: Recovered,
    pub(crate) node: Option<Capabilities>,
}

impl Recovery {
    /// Takes the next record into account.
    pub(crate) fn absorb(&mut self, session: SessionDigest, recorded: Recorded) {
        let recovered = self.sessions.entry(session).or_default();
        match recorded.kind {
            RecordKind::Frame => {
                let (sequence, frame) = (recorded.sequence, recorded.body);
                recovered.core.absorb(&JournalRecord::Output { sequence, frame });
            }
            RecordKind::Mark | RELAY_NOTE => match JournalRecord::decode(recorded.body) {
                Some(record) => recovered.core.absorb(&record),
                None => tracing::warn!("skipped a journal record of an unknown kind"),
            },
            SESSION_NOTE => recovered.node = serde_json::from_slice(&recorded.body).unwrap_or(None),
            RecordKind::Note(sort) => tracing::warn!(sort, "skipped a journal note of an unknown sort"),
        }
    }

    /// What there is of a session; nothing at all for one that had not come far enough to be journalled.
    pub(crate) fn take(&mut self, session: &SessionDigest) -> RecoveredSession {
        self.sessions.remove(session).unwrap_or_default()
    }
}
