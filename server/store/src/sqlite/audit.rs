//! The audit log in SQLite: one task appends, readers read.

mod page;
mod recorder;
mod rows;
#[cfg(test)]
mod tests;
mod verify;

use async_trait::async_trait;
use drawbridge_session::{AuditEvent, Intent};
use jiff::Timestamp;

use super::{Durability, Sqlite, moment};
use crate::audit::Mark;
use crate::{AuditLog, Checkpoint, EventPage, StoreError, StoredEvent, Verified, VerifyError};

pub(super) use recorder::Recorder;
pub(super) use verify::verify;

/// How many events one transaction of a sweep removes, so that nobody waits long behind it.
const SWEPT_AT_ONCE: i64 = 1000;

#[async_trait]
impl AuditLog for Sqlite {
    async fn intend(&self, intent: &Intent) -> Result<(), StoreError> {
        self.audit.intend(intent).await
    }

    async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.audit.record(event).await
    }

    async fn events(&self, page: EventPage<'_>) -> Result<Vec<StoredEvent>, StoreError> {
        page::read(&self.readers, &page)
            .await
            .map_err(StoreError::doing("list audit events"))
    }

    async fn newest_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let failed = || StoreError::doing("read an audit checkpoint");
        let row = sqlx::query("SELECT * FROM audit_checkpoints WHERE kind = ? ORDER BY idx DESC LIMIT 1")
            .bind(Mark::Head.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        let read = |row| rows::checkpoint(row, self.audit.signer().writer());
        row.as_ref().map(read).transpose().map_err(failed())
    }

    async fn sweep_events(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut swept = 0;
        loop {
            let some = self.sweep_some(before).await?;
            if some == 0 {
                return Ok(swept);
            }
            swept += some;
        }
    }

    async fn verify_events(&self, kept: Option<&Checkpoint>) -> Result<Verified, VerifyError> {
        verify(&self.readers, &self.root, kept, |_| {}).await
    }
}

impl Sqlite {
    /// Removes the oldest events and signs where the log begins from then on.
    async fn sweep_some(&self, before: Timestamp) -> Result<u64, StoreError> {
        let failed = || StoreError::doing("sweep the audit log");
        let mut transaction = self.write(Durability::Synced).await?;
        let oldest = sqlx::query("SELECT idx, hash, at FROM audit_events ORDER BY idx LIMIT ?")
            .bind(SWEPT_AT_ONCE)
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed())?;
        let mut swept = 0;
        let mut last = None;
        for row in &oldest {
            let at = moment(row, "at").map_err(failed())?;
            if at >= before {
                break;
            }
            last = Some((rows::head(row).map_err(failed())?, at));
            swept += 1;
        }
        let Some((head, at)) = last else { return Ok(0) };
        for statement in [
            "DELETE FROM audit_events WHERE idx <= ?",
            "DELETE FROM audit_resources WHERE idx <= ?",
            "DELETE FROM audit_checkpoints WHERE idx <= ?",
        ] {
            sqlx::query(statement)
                .bind(rows::from_index(head.index))
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        let anchor = self.audit.signer().sign(Mark::Anchor, head, at);
        rows::insert_checkpoint(&mut transaction, &anchor)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(swept)
    }
}
