//! Writes the stages and ends of sessions to the store, in order, off the sessions' own tasks.
//!
//! What the store does not take is kept, and tried again until it does: else a session whose end met a full disk would be
//! live for ever. A server that stops before that finds the session live, and ends it after its next start.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drawbridge_session::{SessionId, SessionState};
use drawbridge_store::{Sessions, StateChangeError};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Pause before what the store did not take is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A stage that a session has reached.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) session: SessionId,
    pub(crate) state: SessionState,
}

/// Where the states of sessions are kept.
#[async_trait]
pub(crate) trait States: Send + Sync {
    /// Passes a session to another state.
    async fn change(&self, session: &SessionId, state: SessionState) -> Result<(), StateChangeError>;
}

#[async_trait]
impl<S: Sessions + ?Sized> States for S {
    async fn change(&self, session: &SessionId, state: SessionState) -> Result<(), StateChangeError> {
        self.change_session(session, state).await.map(drop)
    }
}

/// Writes changes until it is told to stop, then what is still queued.
pub(crate) async fn write_down<S: States + ?Sized>(
    store: Arc<S>,
    mut changes: mpsc::UnboundedReceiver<Change>,
    stop: CancellationToken,
) {
    let mut late = Late::default();
    let mut again = interval(PAUSE);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = again.tick(), if !late.0.is_empty() => late.try_again(store.as_ref()).await,
            change = changes.recv() => match change {
                Some(change) => late.write(store.as_ref(), change).await,
                None => break,
            },
        }
    }
    while let Ok(change) = changes.try_recv() {
        late.write(store.as_ref(), change).await;
    }
    late.try_again(store.as_ref()).await;
    for Change { session, state } in late.0 {
        let state = state.as_str();
        tracing::error!(session.id = %session, state, "the store did not take a session's state before the server stopped");
    }
}

/// What the store has not taken yet, the oldest first.
#[derive(Default)]
struct Late(VecDeque<Change>);

impl Late {
    async fn write<S: States + ?Sized>(&mut self, store: &S, change: Change) {
        if self.waits(&change.session) {
            self.0.push_back(change);
        } else if let Err((change, error)) = write(store, change).await {
            let (session, state) = (&change.session, change.state.as_str());
            tracing::warn!(
                session.id = %session, state, error = &error as &dyn Error,
                "the store does not take a session's state: will try again until it does"
            );
            self.0.push_back(change);
        }
    }

    async fn try_again<S: States + ?Sized>(&mut self, store: &S) {
        for change in std::mem::take(&mut self.0) {
            if self.waits(&change.session) {
                self.0.push_back(change);
                continue;
            }
            let (session, state) = (change.session.clone(), change.state.as_str());
            match write(store, change).await {
                Ok(()) => {
                    tracing::info!(session.id = %session, state, "the store has taken a session's state");
                }
                Err((change, _said_at_first)) => self.0.push_back(change),
            }
        }
    }

    fn waits(&self, session: &SessionId) -> bool {
        self.0.iter().any(|late| late.session == *session)
    }
}

/// Gives back what can be tried again.
async fn write<S: States + ?Sized>(store: &S, change: Change) -> Result<(), (Change, StateChangeError)> {
    let Change { session, state } = &change;
    match store.change(session, state.clone()).await {
        Ok(()) => Ok(()),
        Err(error @ StateChangeError::Store(_)) => Err((change, error)),
        // Whoever had it ended has written that down already.
        Err(StateChangeError::Illegal(refused)) if refused.from == SessionState::Terminating.as_str() => {
            tracing::debug!(session.id = %session, state = refused.to, "a session that is ending keeps that state");
            Ok(())
        }
        Err(error) => {
            let state = state.as_str();
            tracing::error!(
                session.id = %session, state, error = &error as &dyn Error,
                "the store did not take a session's state"
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use drawbridge_store::StoreError;
    use tokio::task::yield_now;

    use super::*;

    /// A store on a disk that may be full.
    #[derive(Default)]
    struct Disk {
        is_full: AtomicBool,
        taken: Mutex<Vec<(SessionId, &'static str)>>,
    }

    impl Disk {
        fn taken(&self) -> Vec<(SessionId, &'static str)> {
            self.taken.lock().expect("not poisoned").clone()
        }
    }

    #[async_trait]
    impl States for Disk {
        async fn change(&self, session: &SessionId, state: SessionState) -> Result<(), StateChangeError> {
            if self.is_full.load(Ordering::Relaxed) {
                return Err(StoreError::new("change a session's state", "the disk is full").into());
            }
            let taken = (session.clone(), state.as_str());
            self.taken.lock().expect("not poisoned").push(taken);
            Ok(())
        }
    }

    fn session(name: &str) -> SessionId {
        SessionId::parse(name).expect("a session id")
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_full_disk_refuses_is_written_when_there_is_room_in_order() {
        let disk = Arc::new(Disk::default());
        let (changes, queue) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let writing = tokio::spawn(write_down(Arc::clone(&disk), queue, stop.clone()));
        let (one, other) = (session("a-0123456789abcdef0"), session("b-0123456789abcdef0"));
        let note = |session: &SessionId, state| {
            let session = session.clone();
            changes.send(Change { session, state }).expect("it listens");
        };

        disk.is_full.store(true, Ordering::Relaxed);
        note(&one, SessionState::Connected);
        for _ in 0..100 {
            tokio::time::advance(PAUSE).await;
            yield_now().await;
        }
        assert_eq!(disk.taken(), []);

        disk.is_full.store(false, Ordering::Relaxed);
        note(&one, SessionState::Terminating);
        note(&other, SessionState::Connected);
        while disk.taken().len() < 3 {
            tokio::time::advance(PAUSE / 4).await;
            yield_now().await;
        }
        let of_one = disk.taken().into_iter().filter(|(session, _)| *session == one);
        let states: Vec<_> = of_one.map(|(_, state)| state).collect();
        assert_eq!(states, ["Connected", "Terminating"]);

        disk.is_full.store(true, Ordering::Relaxed);
        note(&other, SessionState::Terminating);
        stop.cancel();
        writing.await.expect("it ends although the disk is full");
    }
}
