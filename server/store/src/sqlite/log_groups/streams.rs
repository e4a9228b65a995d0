//! The streams of a log group.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqliteExecutor, SqlitePool};

use super::super::{Durability, Sqlite, log_events, moment, ms};
use crate::{
    CreateLogStreamError, ListedLogStreams, LogGroupId, LogStream, LogStreamId, LogStreamOrder, StoreError,
};

pub(super) async fn create(
    store: &Sqlite,
    group: LogGroupId,
    name: &str,
    created_at: Timestamp,
) -> Result<(), CreateLogStreamError> {
    let failed = || StoreError::doing("create a log stream");
    let mut transaction = store.write(Durability::Synced).await?;
    if !has_group(&mut transaction, group).await.map_err(failed())? {
        return Err(CreateLogStreamError::NoGroup);
    }
    let there = find(&mut *transaction, group, name).await.map_err(failed())?;
    if there.is_some() {
        return Err(CreateLogStreamError::Exists);
    }
    sqlx::query(
        "INSERT INTO log_streams (log_group, name, created_at, last_event_at, last_batch) VALUES (?, ?, ?, 0, 0)",
    )
    .bind(group.0)
    .bind(name)
    .bind(ms(created_at))
    .execute(&mut *transaction)
    .await
    .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    Ok(())
}

async fn has_group(connection: &mut SqliteConnection, group: LogGroupId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM log_groups WHERE id = ?)")
        .bind(group.0)
        .fetch_one(connection)
        .await
}

pub(super) async fn find(
    executor: impl SqliteExecutor<'_>,
    group: LogGroupId,
    name: &str,
) -> Result<Option<LogStream>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM log_streams WHERE log_group = ? AND name = ?")
        .bind(group.0)
        .bind(name)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn list(
    readers: &SqlitePool,
    group: LogGroupId,
    which: ListedLogStreams<'_>,
) -> Result<Vec<LogStream>, sqlx::Error> {
    use LogStreamOrder::{LastEvent, Name};
    // The place of the page before is left out of the question where there was none.
    let sql = match (which.order, which.descending) {
        (Name, false) => {
            "SELECT * FROM log_streams WHERE log_group = ?1 AND substr(name, 1, length(?2)) = ?2 \
             AND (?4 IS NULL OR name > ?4) ORDER BY name LIMIT ?5"
        }
        (Name, true) => {
            "SELECT * FROM log_streams WHERE log_group = ?1 AND substr(name, 1, length(?2)) = ?2 \
             AND (?4 IS NULL OR name < ?4) ORDER BY name DESC LIMIT ?5"
        }
        (LastEvent, false) => {
            "SELECT * FROM log_streams WHERE log_group = ?1 AND substr(name, 1, length(?2)) = ?2 \
             AND (?4 IS NULL OR (last_event_at, name) > (?3, ?4)) ORDER BY last_event_at, name LIMIT ?5"
        }
        (LastEvent, true) => {
            "SELECT * FROM log_streams WHERE log_group = ?1 AND substr(name, 1, length(?2)) = ?2 \
             AND (?4 IS NULL OR (last_event_at, name) < (?3, ?4)) ORDER BY last_event_at DESC, name DESC LIMIT ?5"
        }
    };
    let rows = sqlx::query(sql)
        .bind(group.0)
        .bind(which.prefix)
        .bind(which.after.map(|(at, _)| at))
        .bind(which.after.map(|(_, name)| name))
        .bind(which.limit)
        .fetch_all(readers)
        .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn remove(store: &Sqlite, group: LogGroupId, name: &str) -> Result<bool, StoreError> {
    let failed = || StoreError::doing("remove a log stream");
    let mut transaction = store.write(Durability::Synced).await?;
    let removed: Option<i64> =
        sqlx::query_scalar("DELETE FROM log_streams WHERE log_group = ? AND name = ? RETURNING id")
            .bind(group.0)
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    let Some(id) = removed else {
        return Ok(false);
    };
    log_events::remove_orphans(store, log_events::Orphans::OfStream(LogStreamId(id))).await?;
    Ok(true)
}

fn read(row: &SqliteRow) -> Result<LogStream, sqlx::Error> {
    let ingested: Option<i64> = row.try_get("last_ingestion_at")?;
    Ok(LogStream {
        id: LogStreamId(row.try_get("id")?),
        name: row.try_get("name")?,
        created_at: moment(row, "created_at")?,
        first_event_ms: row.try_get("first_event_at")?,
        last_event_ms: row.try_get("last_event_at")?,
        last_ingestion_at: ingested.map(|_| moment(row, "last_ingestion_at")).transpose()?,
        last_batch: row.try_get("last_batch")?,
    })
}
