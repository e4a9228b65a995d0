//! What is done once an hour: old journal segments and audit events go, and where the audit log stands is said.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_relay::journal::{Journal, JournalError, SessionDigest};
use drawbridge_session::Clock;
use drawbridge_store::{Store, StoreError};
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::interval;

/// How often.
const PERIOD: Duration = Duration::from_secs(3600);

/// Days that a session's output is kept after its last record.
const RETENTION_DAYS: u64 = 30;

/// How long an audit event is kept: as long as `LookupEvents` lists it.
const EVENT_RETENTION: Duration = Duration::from_secs(90 * 24 * 3600);

const MS_PER_DAY: u64 = 24 * 3600 * 1000;

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("cannot tell which sessions are live")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Starts the task; aborting it at any moment does no harm.
pub(crate) fn start(journal: Journal, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut hours = interval(PERIOD);
        loop {
            hours.tick().await;
            match sweep(&journal, store.as_ref(), clock.as_ref()).await {
                Ok(0) => {}
                Ok(segments) => tracing::info!(segments, "removed old journal segments"),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot sweep the journal"
                    );
                }
            }
            if let Err(error) = keep_audit_log(store.as_ref(), clock.as_ref()).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot sweep the audit log"
                );
            }
        }
    })
}

async fn sweep(journal: &Journal, store: &dyn Store, clock: &dyn Clock) -> Result<usize, SweepError> {
    let live = store.live_sessions().await?;
    let live: HashSet<_> = live
        .iter()
        .map(|session| SessionDigest::of(&session.id))
        .collect();
    let before_ms = clock.epoch_ms().saturating_sub(RETENTION_DAYS * MS_PER_DAY);
    let journal = journal.clone();
    let swept =
        tokio::task::spawn_blocking(move || journal.sweep(before_ms, |session| live.contains(session)));
    Ok(swept
        .await
        .map_err(|_panicked_or_shut_down| JournalError::Closed)??)
}

/// Forgets old events, and says where the log stands: who keeps this server's log elsewhere can show by it that the
/// audit log was not rolled back.
async fn keep_audit_log(store: &dyn Store, clock: &dyn Clock) -> Result<(), StoreError> {
    let before = clock.now().checked_sub(EVENT_RETENTION);
    let swept = store.sweep_events(before.unwrap_or(Timestamp::MIN)).await?;
    if swept > 0 {
        tracing::info!(events = swept, "removed old audit events");
    }
    if let Some(checkpoint) = store.newest_checkpoint().await? {
        tracing::info!(%checkpoint, "the audit log stands here");
    }
    Ok(())
}
