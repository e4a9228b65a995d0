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

    /// Notes in the audit log which recordings are complete and where their chains ended, whatever became of their files
    /// meanwhile.
    pub(crate) async fn tell_of_finished(&self) {
        for (id, finished) in self.finished_that(|finished| !finished.is_told) {
            if let Err(error) = self.tell(&id, &finished).await {
                let error = error.as_ref() as &dyn Error;
                tracing::error!(session.id = %id, error, "will try again to tell of a recording");
            }
        }
        self.told.notify_one();
    }

    async fn tell(&self, id: &SessionId, finished: &Finished) -> Outcome {
        let session = self.store.session(id).await?.ok_or("its record is gone")?;
        let event = finished
            .recorded
            .event(&session, self.clock.now(), self.random.as_ref());
        self.store.record(event).await?;
        if let Some(finished) = self.finished().get_mut(id) {
            finished.is_told = true;
        }
        Ok(())
    }

    /// Publishes what the audit log was told of.
    pub(crate) async fn publish_told(self: &Arc<Self>, shelf: Option<&dyn Shelf>) {
        for (id, _) in self.finished_that(|finished| finished.is_told) {
            match self.publish(&id, shelf).await {
                Ok(()) => {
                    self.finished().remove(&id);
                }
                Err(error) => {
                    let error = error.as_ref() as &dyn Error;
                    tracing::error!(session.id = %id, error, "will try again to publish a recording");
                }
            }
        }
    }

    /// The name changes last: until then, the next start does this again.
    async fn publish(self: &Arc<Self>, id: &SessionId, shelf: Option<&dyn Shelf>) -> Outcome {
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
            let play = |event| {
                if !inner.hurry.is_cancelled() {
                    copies.play(&event, inner.clock.monotonic());
                }
            };
            let verified = inner.folder.verify(&session, &inner.keys, play)?;
            Ok(match verified {
                Some(Ok(_)) => Ok(copies.finish()),
                Some(Err(flaw)) => Err(flaw.to_string()),
                None => Err("its file is gone".to_owned()),
            })
        })
        .await
    }

    fn finished_that(&self, is_wanted: impl Fn(&Finished) -> bool) -> Vec<(SessionId, Finished)> {
        let finished = self.finished();
        let wanted = finished.iter().filter(|(_, one)| is_wanted(one));
        wanted.map(|(id, one)| (id.clone(), one.clone())).collect()
    }

    pub(crate) fn finished(&self) -> MutexGuard<'_, HashMap<SessionId, Finished>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of telling of a recording, or of publishing it.
type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
