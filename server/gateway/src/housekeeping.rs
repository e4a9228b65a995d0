//! What is done now and then: old journal segments, recordings, audit events and log events go, a checkpoint of the audit
//! log is shown, the uses of access keys are stored, and keys are rotated and deleted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_recorder::{JournalRecorder, SweepError as RecordingsSweepError};
use drawbridge_relay::journal::{Journal, JournalError, SessionDigest};
use drawbridge_service_kms::Kms;
use drawbridge_service_s3::S3;
use drawbridge_session::Clock;
use drawbridge_store::{Store, StoreError};
use tokio::task::JoinHandle;
use tokio::time::interval;

/// How often segments and events are swept.
const SWEEP_PERIOD: Duration = Duration::from_secs(3600);

/// How often the uses of access keys are stored.
const KEY_USES_PERIOD: Duration = Duration::from_secs(60);

/// Days that a session's output is kept after its last record.
const JOURNAL_DAYS: u64 = 30;

/// Days that audit events are kept, as CloudTrail's event history does.
const AUDIT_DAYS: u64 = 90;

const MS_PER_DAY: u64 = 24 * 3600 * 1000;

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("cannot tell which sessions are live")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Starts the task; aborting it at any moment does no harm.
pub(crate) fn start(
    journal: Journal,
    recorder: JournalRecorder,
    store: Arc<dyn Store>,
    kms: Arc<Kms>,
    s3: Arc<S3>,
    clock: Arc<dyn Clock>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut sweeps = interval(SWEEP_PERIOD);
        let mut key_uses = interval(KEY_USES_PERIOD);
        loop {
            tokio::select! {
                _ = sweeps.tick() => {
                    report("sweep the journal", sweep_journal(&journal, store.as_ref(), clock.as_ref()).await);
                    report("sweep the recordings", sweep_recordings(&recorder).await);
                    report("sweep the audit log", sweep_events(store.as_ref(), clock.as_ref()).await);
                    report("sweep log events", sweep_log_events(store.as_ref(), clock.as_ref()).await);
                    report("expire objects", expire_objects(&s3).await);
                    report("show a checkpoint", show_checkpoint(store.as_ref()).await);
                    report("rotate and delete keys", kms.keep_up().await);
                }
                _ = key_uses.tick() => report("store the uses of access keys", store.store_key_uses().await),
            }
        }
    })
}

fn report<E: std::error::Error + 'static>(doing: &str, outcome: Result<(), E>) {
    if let Err(error) = outcome {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "cannot {doing}");
    }
}

async fn sweep_journal(journal: &Journal, store: &dyn Store, clock: &dyn Clock) -> Result<(), SweepError> {
    let live = store.live_sessions().await?;
    let live: HashSet<_> = live
        .iter()
        .map(|session| SessionDigest::of(&session.id))
        .collect();
    let before_ms = clock.epoch_ms().saturating_sub(JOURNAL_DAYS * MS_PER_DAY);
    let journal = journal.clone();
    let swept =
        tokio::task::spawn_blocking(move || journal.sweep(before_ms, |session| live.contains(session)));
    let segments = swept
        .await
        .map_err(|_panicked_or_shut_down| JournalError::Closed)??;
    if segments > 0 {
        tracing::info!(segments, "removed old journal segments");
    }
    Ok(())
}

async fn sweep_recordings(recorder: &JournalRecorder) -> Result<(), RecordingsSweepError> {
    let recordings = recorder.sweep().await?;
    if recordings > 0 {
        tracing::info!(recordings, "removed old recordings");
    }
    Ok(())
}

async fn sweep_events(store: &dyn Store, clock: &dyn Clock) -> Result<(), StoreError> {
    let kept = Duration::from_secs(AUDIT_DAYS * 24 * 3600);
    let Ok(before) = clock.now().checked_sub(kept) else {
        return Ok(());
    };
    let events = store.sweep_events(before).await?;
    if events > 0 {
        tracing::info!(events, "removed old audit events");
    }
    Ok(())
}

/// Events of log streams go when their group's retention says so.
async fn sweep_log_events(store: &dyn Store, clock: &dyn Clock) -> Result<(), StoreError> {
    let batches = store.sweep_log_events(clock.now()).await?;
    if batches > 0 {
        tracing::info!(batches, "removed expired log events");
    }
    Ok(())
}

/// Objects, versions and uploads go when the lifecycle of their bucket says so.
async fn expire_objects(s3: &S3) -> Result<(), AwsError> {
    let objects = s3.expire().await?;
    if objects > 0 {
        tracing::info!(objects, "removed what the lifecycle of buckets says");
    }
    Ok(())
}

/// A checkpoint in the server's own log is one that is kept elsewhere: it binds the audit log from then on.
async fn show_checkpoint(store: &dyn Store) -> Result<(), StoreError> {
    if let Some(checkpoint) = store.newest_checkpoint().await? {
        tracing::info!(%checkpoint, "audit log");
    }
    Ok(())
}
