//! Recordings that were kept long enough.

use std::io;
use std::sync::Arc;

use drawbridge_session::SessionId;
use drawbridge_session::audit::RecordingExpired;
use drawbridge_store::StoreError;

use crate::recorder::{Inner, JournalRecorder};

/// Why old recordings were not removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The folder failed.
    #[error("cannot remove old recordings")]
    Folder(#[from] io::Error),
    /// The audit log cannot be told, so nothing is removed.
    #[error("cannot tell of old recordings")]
    Store(#[from] StoreError),
}

impl JournalRecorder {
    /// Removes the recordings that are older than they are kept; how many went.
    ///
    /// The audit log is told of each before it goes, so that one that is missing without that was taken by somebody.
    ///
    /// # Errors
    ///
    /// When one cannot be told of or removed; those before it are gone.
    pub async fn sweep(&self) -> Result<usize, SweepError> {
        let inner = &self.inner;
        let Some(kept_days) = inner.folder.keep_days() else {
            return Ok(0);
        };
        let now_ms = inner.clock.epoch_ms();
        let expired = Arc::clone(inner)
            .blocking(move |inner| inner.folder.expired(now_ms))
            .await?;
        let swept = expired.len();
        for session in expired {
            inner
                .tell_expired(&session, RecordingExpired { kept_days })
                .await?;
            Arc::clone(inner)
                .blocking(move |inner| inner.folder.remove(&session))
                .await?;
        }
        Ok(swept)
    }
}

impl Inner {
    async fn tell_expired(&self, id: &SessionId, expired: RecordingExpired) -> Result<(), StoreError> {
        let Some(session) = self.store.session(id).await? else {
            // The log of this store never had it either: it is from a history before a restore.
            tracing::warn!(session.id = %id, "removes an old recording whose session nobody knows");
            return Ok(());
        };
        let event = expired.event(&session, self.clock.now(), self.random.as_ref());
        self.store.record(event).await
    }
}
