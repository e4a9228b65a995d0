//! Writes the stages and ends of sessions to the store, in order, off the sessions' own tasks.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::{SessionId, SessionState};
use drawbridge_store::{StateChangeError, Store};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often a change is tried while the store fails.
const ATTEMPTS: u32 = 5;

/// Pause between two of them.
const PAUSE: Duration = Duration::from_millis(200);

/// A stage that a session has reached.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) session: SessionId,
    pub(crate) state: SessionState,
}

/// Writes changes until it is told to stop, then what is still queued.
pub(crate) async fn write_down(
    store: Arc<dyn Store>,
    mut changes: mpsc::UnboundedReceiver<Change>,
    stop: CancellationToken,
) {
    while let Some(Some(change)) = stop.run_until_cancelled(changes.recv()).await {
        write(store.as_ref(), change).await;
    }
    while let Ok(change) = changes.try_recv() {
        write(store.as_ref(), change).await;
    }
}

async fn write(store: &dyn Store, Change { session, state }: Change) {
    for attempt in 1..=ATTEMPTS {
        match store.change_session(&session, state.clone()).await {
            Ok(_) => return,
            Err(StateChangeError::Store(error)) if attempt < ATTEMPTS => {
                tracing::warn!(session.id = %session, error = &error as &dyn Error, "will try again");
                sleep(PAUSE).await;
            }
            // Whoever had it ended has written that down already.
            Err(StateChangeError::Illegal(refused)) if refused.from == SessionState::Terminating.as_str() => {
                tracing::debug!(session.id = %session, state = refused.to, "a session that is ending keeps that state");
                return;
            }
            Err(error) => {
                let state = state.as_str();
                tracing::error!(
                    session.id = %session, state, error = &error as &dyn Error,
                    "the store did not take a session's state"
                );
                return;
            }
        }
    }
}
