//! A look into the file of a store, beside a server that may be writing it.

use std::path::Path;
use std::time::Duration;

use drawbridge_session::{AuditEvent, Session, SessionId};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{audit, sessions};
use crate::{Checkpoint, RootKey, StoreError, Verified, VerifyError};

/// Reads a store's file, and changes nothing in it.
#[derive(Debug)]
pub struct Inspection {
    reader: SqlitePool,
}

impl Inspection {
    /// Opens the file, which must be there.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(Duration::from_secs(10));
        let reader = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .map_err(StoreError::doing("open its database"))?;
        Ok(Self { reader })
    }

    /// Checks the audit log as [`AuditLog::verify_events`](crate::AuditLog::verify_events) does, and shows each event that is
    /// as it was recorded.
    ///
    /// # Errors
    ///
    /// When it is not whole, or cannot be read.
    pub async fn verify_audit_log(
        &self,
        root: &RootKey,
        kept: Option<&Checkpoint>,
        visit: impl FnMut(&AuditEvent) + Send,
    ) -> Result<Verified, VerifyError> {
        audit::verify(&self.reader, root, kept, visit).await
    }

    /// Finds a session by its id, live or past.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        sessions::find(&self.reader, id).await
    }

    /// Lets go of the file.
    pub async fn close(self) {
        self.reader.close().await;
    }
}
