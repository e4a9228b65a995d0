//! All recordings of a server, and the sessions that they follow.

mod task;

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use drawbridge_relay::journal::{Journal, JournalError, SessionDigest};
use drawbridge_session::document::SessionType;
use drawbridge_session::recording::{Header, Recorder, RecorderError};
use drawbridge_session::{Clock, Ending, Random, Session, SessionId};
use drawbridge_store::{Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use task::LAST_COPIES_WITHIN;
pub use task::RecorderTask;

use crate::finished::Finished;
use crate::folder::Folder;
use crate::following::{FollowError, Following};
use crate::format::{BlockError, Opened, RecordingKeys, Writer};
use crate::told::recorded_of;

/// Makes the recordings of a server; cheap to clone.
#[derive(Clone)]
pub struct JournalRecorder {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) folder: Folder,
    pub(crate) keys: RecordingKeys,
    journal: Journal,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    followed: Mutex<HashMap<SessionId, Followed>>,
    /// Written to their ends; the audit log is still to be told, or copies are still to be published.
    pub(crate) finished: Mutex<HashMap<SessionId, Finished>>,
    wake: Notify,
    /// Says that something is in `finished`.
    written: Notify,
    /// Says that the audit log was told of something in it.
    pub(crate) told: Notify,
    /// Says that nobody waits any longer for copies that are being made.
    pub(crate) hurry: CancellationToken,
}

/// A session that is followed.
#[derive(Clone)]
struct Followed {
    following: Arc<Mutex<Following>>,
    fails_open: bool,
    ending: Option<Ending>,
    /// Whether its trouble was told, so that it is told once.
    is_in_trouble: bool,
}

/// Why the recordings of a server cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be read.
    #[error("cannot read the folder of recordings")]
    Folder(#[source] io::Error),
    /// The journal cannot be read.
    #[error("cannot finish recordings from the journal")]
    Journal(#[from] JournalError),
    /// The store cannot say which sessions there are.
    #[error("cannot tell whose recordings are unfinished")]
    Store(#[from] StoreError),
}

impl JournalRecorder {
    /// Takes up the recordings that a server before this one left unfinished although their sessions are over. Those of live
    /// sessions are taken up as the relay begins them.
    ///
    /// # Errors
    ///
    /// When the folder, the store or the journal cannot be read.
    pub async fn open(
        folder: Folder,
        keys: RecordingKeys,
        journal: Journal,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<(Self, RecorderTask), OpenError> {
        let inner = Arc::new(Inner {
            folder,
            keys,
            journal,
            store,
            clock,
            random,
            followed: Mutex::default(),
            finished: Mutex::default(),
            wake: Notify::new(),
            written: Notify::new(),
            told: Notify::new(),
            hurry: CancellationToken::new(),
        });
        inner.take_up_ended().await?;
        let task = RecorderTask {
            inner: Arc::clone(&inner),
            shelf: None,
            last_copies_within: LAST_COPIES_WITHIN,
        };
        Ok((Self { inner }, task))
    }
}

#[async_trait]
impl Recorder for JournalRecorder {
    async fn begin(&self, session: &SessionId) -> Result<(), RecorderError> {
        let inner = &self.inner;
        let failed = |error: &dyn Error| RecorderError(sentence(error));
        let found = inner
            .store
            .session(session)
            .await
            .map_err(|error| failed(&error))?;
        let session = found.ok_or_else(|| RecorderError("its record is gone".to_owned()))?;
        if !is_recorded(&session) || inner.followed().contains_key(&session.id) {
            return Ok(());
        }
        // Before anything else can let go of it.
        inner.journal.track(SessionDigest::of(&session.id));
        let begun = Arc::clone(inner)
            .blocking(move |inner| inner.begin(&session))
            .await;
        begun.map_err(|error| failed(&error))
    }

    fn end(&self, session: &SessionId, ending: &Ending) {
        if let Some(followed) = self.inner.followed().get_mut(session) {
            followed.ending = Some(ending.clone());
        }
        self.inner.wake.notify_one();
    }
}

impl Inner {
    /// Follows the sessions that ended before their recordings did.
    async fn take_up_ended(self: &Arc<Self>) -> Result<(), OpenError> {
        let live = self.store.live_sessions().await?;
        let going_on: HashSet<_> = live.into_iter().map(|session| session.id).collect();
        let mut left = Vec::new();
        let unfinished = Arc::clone(self).blocking(|inner| inner.folder.unfinished()).await;
        for session in unfinished.map_err(OpenError::Folder)? {
            if going_on.contains(&session) {
                continue;
            }
            let Some(session) = self.store.session(&session).await? else {
                tracing::warn!(session.id = %session, "nobody knows the session of a recording");
                continue;
            };
            match recorded_of(self.store.as_ref(), &session).await? {
                Some(recorded) => self.take_up_told(&session.id, recorded).await,
                None => left.push(session),
            }
        }
        let digests: HashSet<_> = left
            .iter()
            .map(|session| SessionDigest::of(&session.id))
            .collect();
        for digest in &digests {
            self.journal.track(*digest);
        }
        let opened = Arc::clone(self).blocking(move |inner| {
            for session in &left {
                if let Err(error) = inner.begin(session) {
                    let error = &error as &dyn Error;
                    tracing::error!(session.id = %session.id, error, "a recording stays unfinished");
                }
            }
            Ok(inner.journal.recover(&digests, |_, _| {}))
        });
        Ok(opened.await.map_err(OpenError::Folder)??)
    }

    /// Opens or makes a session's recording, and follows it. The session is tracked already; it is let go where this fails.
    fn begin(&self, session: &Session) -> io::Result<()> {
        let begun = match self.open_or_create(session) {
            Ok(Some((header, writer))) => {
                let followed = Followed {
                    following: Arc::new(Mutex::new(Following::new(header, *writer))),
                    fails_open: session.start.document.inputs.fails_open(),
                    ending: session.state.ending().cloned(),
                    is_in_trouble: false,
                };
                self.followed().insert(session.id.clone(), followed);
                return Ok(());
            }
            Ok(None) => self.find_finished(&session.id),
            Err(error) => Err(error),
        };
        self.journal.forget(SessionDigest::of(&session.id));
        begun
    }

    /// `None` where the recording has its end.
    fn open_or_create(&self, session: &Session) -> io::Result<Option<(Header, Box<Writer>)>> {
        let file = match self.folder.open_unfinished(&session.id)? {
            Some(file) => match Writer::open(file, &self.keys, &session.id) {
                Ok(Opened::Unfinished(header, writer)) => return Ok(Some((header, writer))),
                Ok(Opened::Complete) => return Ok(None),
                Ok(Opened::Empty(file)) => file,
                Err(BlockError::Io(error)) => return Err(error),
                Err(BlockError::Flaw(flaw)) => return Err(io::Error::other(flaw)),
            },
            None => {
                self.folder.check_quota()?;
                self.folder.create(&session.id)?
            }
        };
        let header = Header::of(session);
        let writer = Writer::create(file, &self.keys, &header, self.random.as_ref())?;
        self.folder.grew(writer.bytes());
        Ok(Some((header, Box::new(writer))))
    }

    /// Lets every recording come on; the sessions that must end because theirs cannot, with the reason.
    fn advance_all(&self) -> Vec<(SessionId, String)> {
        let all: Vec<_> = self
            .followed()
            .iter()
            .map(|(id, one)| (id.clone(), one.clone()))
            .collect();
        let mut troubled = Vec::new();
        for (id, followed) in all {
            let Err(error) = self.advance(&id, &followed) else {
                continue;
            };
            let error = &error as &dyn Error;
            if followed.is_in_trouble {
                continue;
            }
            tracing::error!(session.id = %id, error, "a recording does not go on");
            if let Some(followed) = self.followed().get_mut(&id) {
                followed.is_in_trouble = true;
            }
            if !followed.fails_open && followed.ending.is_none() {
                let reason = format!(
                    "The session cannot be recorded, so it was ended: {}",
                    sentence(error)
                );
                troubled.push((id, reason));
            }
        }
        troubled
    }

    fn advance(&self, id: &SessionId, followed: &Followed) -> Result<(), FollowError> {
        let mut following = followed.following.lock().unwrap_or_else(PoisonError::into_inner);
        if followed.ending.is_none() {
            // What is over is written to its end, whatever the quota: it is the end of it.
            self.folder.check_quota()?;
        }
        let (journal, random) = (&self.journal, self.random.as_ref());
        let Some(ending) = &followed.ending else {
            self.folder.grew(following.advance(journal, random)?);
            return Ok(());
        };
        self.folder
            .grew(following.finish(journal, &self.keys, ending, random)?);
        journal.forget(following.digest());
        let recorded = following.summary();
        tracing::info!(session.id = %id, size_bytes = recorded.bytes, "a session was recorded");
        let finished = Finished {
            recorded,
            is_told: false,
        };
        self.finished().insert(id.clone(), finished);
        self.followed().remove(id);
        self.written.notify_one();
        Ok(())
    }

    pub(crate) async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        act: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let acted = tokio::task::spawn_blocking(move || act(&self)).await;
        acted.map_err(|_panicked_or_shut_down| io::Error::other("the server is shutting down"))?
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<SessionId, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tunnels have flow records and no recording.
fn is_recorded(session: &Session) -> bool {
    session.start.document.session_type != SessionType::Port
}

/// An error and its causes as one sentence.
fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text.push_str(": ");
        text.push_str(&one.to_string());
        cause = one.source();
    }
    text
}

#[cfg(test)]
mod tests;
