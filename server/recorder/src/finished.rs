//! Recordings that have their ends: the audit log is told, copies are published, and then the name says so.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use drawbridge_session::SessionId;
use drawbridge_session::audit::SessionRecorded;
use drawbridge_session::recording::{Header, Shelf};
use tokio::time::timeout;

use crate::publish::{Copies, publish};
use crate::recorder::Inner;

/// How long one copy may take to be kept.
const PUBLISH_WITHIN: Duration = Duration::from_secs(60);

/// A recording that has its end.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) recorded: SessionRecorded,
    /// Whether the audit log has it, so that it is told once.
    pub(crate) is_told: bool,
}

impl Inner {
    /// Takes up a recording that the audit log has already. It is never written again: what is not as it was told was changed
    /// by somebody, and making it anew would hide that.
    pub(crate) async fn take_up_told(self: &Arc<Self>, id: &SessionId, recorded: SessionRecorded) {
        let session = id.clone();
        let found = Arc::clone(self)
            .blocking(move |inner| inner.complete_one(&session))
            .await;
        let is_as_told = found.is_ok_and(|found| found.as_ref() == Some(&recorded));
        if !is_as_told {
            tracing::error!(session.id = %id, "a recording is not as the audit log has it, and is left as it is");
            return;
        }
        let finished = Finished {
            recorded,
            is_told: true,
        };
        self.finished().insert(id.clone(), finished);
    }

    /// Takes up a recording that has its end, and of which the audit log was not told.
    pub(crate) fn find_finished(&self, session: &SessionId) -> io::Result<()> {
        if let Some(recorded) = self.complete_one(session)? {
            let finished = Finished {
                recorded,
                is_told: false,
            };
            self.finished().insert(session.clone(), finished);
        }
        Ok(())
    }

    /// Reads what a recording holds that has its end.
    fn complete_one(&self, session: &SessionId) -> io::Result<Option<SessionRecorded>> {
        match self.folder.verify(session, &self.keys, |_| {})? {
            Some(Ok(verified)) => Ok(verified.is_complete.then(|| verified.summary())),
            Some(Err(flaw)) => Err(io::Error::other(flaw)),
            None => Ok(None),
        }
    }

    /// Notes in the audit log which recordings are complete and where their chains ended, and publishes them.
    pub(crate) async fn tell_of_finished(self: &Arc<Self>, shelf: Option<&dyn Shelf>) {
        let finished: Vec<_> = self.finished().keys().cloned().collect();
        for id in finished {
            // A copy takes its time. The audit log does not wait for it, nor do those who end meanwhile.
            self.note_all().await;
            if !self.is_told(&id) {
                continue;
            }
            match self.publish(&id, shelf).await {
                Ok(()) => {
                    self.finished().remove(&id);
                }
                Err(error) => will_try_again(&id, error.as_ref()),
            }
        }
    }

    /// Tells the audit log of whatever it was not told of.
    async fn note_all(self: &Arc<Self>) {
        let untold: Vec<_> = self
            .finished()
            .iter()
            .filter(|(_, finished)| !finished.is_told)
            .map(|(id, finished)| (id.clone(), finished.recorded.clone()))
            .collect();
        for (id, recorded) in untold {
            match self.note(&id, &recorded).await {
                Ok(()) => {
                    if let Some(finished) = self.finished().get_mut(&id) {
                        finished.is_told = true;
                    }
                }
                Err(error) => will_try_again(&id, error.as_ref()),
            }
        }
    }

    fn is_told(&self, id: &SessionId) -> bool {
        self.finished().get(id).is_some_and(|finished| finished.is_told)
    }

    async fn note(&self, id: &SessionId, recorded: &SessionRecorded) -> Telling {
        let session = self.store.session(id).await?.ok_or("its record is gone")?;
        let event = recorded.event(&session, self.clock.now(), self.random.as_ref());
        Ok(self.store.record(event).await?)
    }

    /// Makes the copies, whatever became of the file meanwhile and whether or not they can be kept. The name changes last:
    /// until then, the next start does this again.
    async fn publish(self: &Arc<Self>, id: &SessionId, shelf: Option<&dyn Shelf>) -> Telling {
        let session = self.store.session(id).await?.ok_or("its record is gone")?;
        let header = Header::of(&session);
        if let Some(shelf) = shelf.filter(|_| !header.is_encrypted()) {
            match Arc::clone(self).copies(header.clone()).await? {
                Ok(copies) => timeout(PUBLISH_WITHIN, publish(shelf, &header, copies)).await??,
                Err(flaw) => tracing::error!(session.id = %id, %flaw, "no copy is made of a recording"),
            }
        }
        match self.folder.complete(id, self.clock.epoch_ms()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::error!(session.id = %id, "somebody removed a recording");
                Ok(())
            }
            completed => Ok(completed?),
        }
    }

    /// Renders a recording; answers what is wrong with one that cannot be rendered now or later.
    async fn copies(self: Arc<Self>, header: Header) -> io::Result<Result<(String, String), String>> {
        let session = header.session_id.clone();
        self.blocking(move |inner| {
            let mut copies = Copies::of(header, inner.clock.monotonic());
            let play = |event| copies.play(&event, inner.clock.monotonic());
            let verified = inner.folder.verify(&session, &inner.keys, play)?;
            Ok(match verified {
                Some(Ok(_)) => Ok(copies.finish()),
                Some(Err(flaw)) => Err(flaw.to_string()),
                None => Err("its file is gone".to_owned()),
            })
        })
        .await
    }

    pub(crate) fn finished(&self) -> MutexGuard<'_, HashMap<SessionId, Finished>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn will_try_again(id: &SessionId, error: &(dyn Error + 'static)) {
    tracing::error!(session.id = %id, error, "will try again to tell of a recording");
}

/// What became of telling of a recording.
type Telling = Result<(), Box<dyn Error + Send + Sync>>;
