use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, Sqlite, moment, ms};
use crate::log_events::MAX_LOG_BATCH_SPAN_MS;
use crate::{
    LogBatch, LogBatchesOf, LogDirection, LogEvents, LogGroupId, LogStreamId, NewLogBatch, StoreError,
    WantedLogBatches,
};

/// How many batches go in one transaction, so that whoever writes does not wait long.
const REMOVED_AT_ONCE: u32 = 200;

#[async_trait]
impl LogEvents for Sqlite {
    async fn add_log_batch(&self, batch: NewLogBatch<'_>) -> Result<Option<i64>, StoreError> {
        let failed = || StoreError::doing("store log events");
        let mut transaction = self.write(Durability::Synced).await?;
        let id = insert(&mut transaction, batch).await.map_err(failed())?;
        if id.is_some() {
            transaction.commit().await.map_err(failed())?;
        }
        Ok(id)
    }

    async fn log_batches(&self, wanted: WantedLogBatches<'_>) -> Result<Vec<LogBatch>, StoreError> {
        let failed = || StoreError::doing("read log events");
        let rows = select(wanted).fetch_all(&self.readers).await.map_err(failed())?;
        let batches: Result<_, sqlx::Error> = rows.iter().map(read).collect();
        batches.map_err(failed())
    }

    async fn sweep_log_events(&self, now: Timestamp) -> Result<u64, StoreError> {
        let orphans = remove_orphans(self, Orphans::All).await?;
        let expired = remove_expired(self, now).await?;
        self.give_room_back().await?;
        Ok(orphans + expired)
    }
}

/// Stores a batch where its stream is, and counts it there and in the group.
async fn insert(
    connection: &mut SqliteConnection,
    batch: NewLogBatch<'_>,
) -> Result<Option<i64>, sqlx::Error> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO log_batches (log_group, stream, first_at, last_at, ingested_at, bytes, key_number, sealed) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(batch.group.0)
    .bind(batch.stream.0)
    .bind(batch.first_ms)
    .bind(batch.last_ms)
    .bind(ms(batch.ingested_at))
    .bind(size(batch.bytes))
    .bind(batch.key_number)
    .bind(batch.sealed)
    .fetch_one(&mut *connection)
    .await?;
    let counted = sqlx::query(
        "UPDATE log_streams SET first_event_at = min(coalesce(first_event_at, ?1), ?1), \
         last_event_at = max(last_event_at, ?2), last_ingestion_at = ?3, last_batch = ?4 \
         WHERE id = ?5 AND log_group = ?6",
    )
    .bind(batch.first_ms)
    .bind(batch.last_ms)
    .bind(ms(batch.ingested_at))
    .bind(id)
    .bind(batch.stream.0)
    .bind(batch.group.0)
    .execute(&mut *connection)
    .await?;
    if counted.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query("UPDATE log_groups SET stored_bytes = stored_bytes + ? WHERE id = ?")
        .bind(size(batch.bytes))
        .bind(batch.group.0)
        .execute(connection)
        .await?;
    Ok(Some(id))
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// A batch is found by the time at which it begins (or ends), and spans so much at most.
fn select(wanted: WantedLogBatches<'_>) -> Query<'_> {
    use LogDirection::{Backward, Forward};
    let is_stream = matches!(wanted.of, LogBatchesOf::Stream(_));
    let sql = match (is_stream, wanted.direction) {
        (true, Forward) => {
            "SELECT b.*, s.name AS stream_name FROM log_batches b CROSS JOIN log_streams s ON s.id = b.stream \
             WHERE b.stream = ?1 AND b.first_at >= ?2 - ?4 AND b.first_at <= ?3 AND b.last_at >= ?2 \
             AND (b.first_at, b.id) > (?5, ?6) ORDER BY b.first_at, b.id LIMIT ?7"
        }
        (true, Backward) => {
            "SELECT b.*, s.name AS stream_name FROM log_batches b CROSS JOIN log_streams s ON s.id = b.stream \
             WHERE b.stream = ?1 AND b.last_at <= ?3 + ?4 AND b.last_at >= ?2 AND b.first_at <= ?3 \
             AND (b.last_at, b.id) < (?5, ?6) ORDER BY b.last_at DESC, b.id DESC LIMIT ?7"
        }
        (false, Forward) => {
            "SELECT b.*, s.name AS stream_name FROM log_batches b CROSS JOIN log_streams s ON s.id = b.stream \
             WHERE b.log_group = ?1 AND b.first_at >= ?2 - ?4 AND b.first_at <= ?3 AND b.last_at >= ?2 \
             AND (b.first_at, b.id) > (?5, ?6) AND substr(s.name, 1, length(?8)) = ?8 \
             AND (?9 IS NULL OR s.name IN (SELECT value FROM json_each(?9))) \
             ORDER BY b.first_at, b.id LIMIT ?7"
        }
        (false, Backward) => {
            "SELECT b.*, s.name AS stream_name FROM log_batches b CROSS JOIN log_streams s ON s.id = b.stream \
             WHERE b.log_group = ?1 AND b.last_at <= ?3 + ?4 AND b.last_at >= ?2 AND b.first_at <= ?3 \
             AND (b.last_at, b.id) < (?5, ?6) AND substr(s.name, 1, length(?8)) = ?8 \
             AND (?9 IS NULL OR s.name IN (SELECT value FROM json_each(?9))) \
             ORDER BY b.last_at DESC, b.id DESC LIMIT ?7"
        }
    };
    let from = wanted.from_ms.max(0);
    let to = wanted.to_ms.min(i64::MAX - MAX_LOG_BATCH_SPAN_MS);
    let start = match wanted.direction {
        Forward => (i64::MIN, i64::MIN),
        Backward => (i64::MAX, i64::MAX),
    };
    let (time, id) = wanted.after.unwrap_or(start);
    let query = sqlx::query(sql);
    let query = match wanted.of {
        LogBatchesOf::Stream(stream) => query.bind(stream.0),
        LogBatchesOf::Named(group, _) | LogBatchesOf::Prefixed(group, _) => query.bind(group.0),
    };
    let query = query
        .bind(from)
        .bind(to)
        .bind(MAX_LOG_BATCH_SPAN_MS)
        .bind(time)
        .bind(id)
        .bind(wanted.limit);
    match wanted.of {
        LogBatchesOf::Stream(_) => query,
        LogBatchesOf::Named(_, names) => query.bind("").bind(Some(super::to_json(&names))),
        LogBatchesOf::Prefixed(_, prefix) => query.bind(prefix).bind(None::<String>),
    }
}

fn read(row: &SqliteRow) -> Result<LogBatch, sqlx::Error> {
    let bytes: i64 = row.try_get("bytes")?;
    Ok(LogBatch {
        id: row.try_get("id")?,
        stream_name: row.try_get("stream_name")?,
        stream: LogStreamId(row.try_get("stream")?),
        first_ms: row.try_get("first_at")?,
        last_ms: row.try_get("last_at")?,
        ingested_at: moment(row, "ingested_at")?,
        bytes: u64::try_from(bytes).unwrap_or(0),
        key_number: row.try_get("key_number")?,
        sealed: row.try_get("sealed")?,
    })
}

/// Batches whose group or stream was removed.
#[derive(Clone, Copy)]
pub(super) enum Orphans {
    OfGroup(LogGroupId),
    OfStream(LogStreamId),
    All,
}

/// Removes batches whose stream is gone, a few at a time; returns how many.
pub(super) async fn remove_orphans(store: &Sqlite, orphans: Orphans) -> Result<u64, StoreError> {
    let (sql, id) = match orphans {
        Orphans::OfGroup(group) => (
            "SELECT id, bytes, log_group FROM log_batches WHERE log_group = ?1 LIMIT ?2",
            group.0,
        ),
        Orphans::OfStream(stream) => (
            "SELECT id, bytes, log_group FROM log_batches WHERE stream = ?1 LIMIT ?2",
            stream.0,
        ),
        Orphans::All => (
            // The index alone tells which streams are gone, without a look at any batch that stays.
            "SELECT id, bytes, log_group FROM log_batches WHERE ?1 = 0 AND stream IN \
             (SELECT stream FROM log_batches INDEXED BY log_batches_of_stream EXCEPT SELECT id FROM log_streams) \
             LIMIT ?2",
            0,
        ),
    };
    let mut removed = 0;
    loop {
        let some = remove_some(store, sql, id)
            .await
            .map_err(StoreError::doing("remove log events"))?;
        removed += some;
        if some < u64::from(REMOVED_AT_ONCE) {
            return Ok(removed);
        }
    }
}

/// Removes batches that are past the retention of their groups, a few at a time; returns how many.
async fn remove_expired(store: &Sqlite, now: Timestamp) -> Result<u64, StoreError> {
    const EXPIRED: &str = "SELECT b.id, b.bytes, b.log_group FROM log_groups g \
        CROSS JOIN log_batches b ON b.log_group = g.id AND b.last_at < ?1 - g.retention_days * 86400000 \
        WHERE g.retention_days IS NOT NULL LIMIT ?2";
    let failed = || StoreError::doing("remove expired log events");
    let mut removed = 0;
    loop {
        let some = remove_some(store, EXPIRED, ms(now)).await.map_err(failed())?;
        removed += some;
        if some < u64::from(REMOVED_AT_ONCE) {
            break;
        }
    }
    if removed > 0 {
        let mut transaction = store.write(Durability::Buffered).await?;
        sqlx::query(
            "UPDATE log_streams SET first_event_at = (SELECT min(first_at) FROM log_batches WHERE stream = log_streams.id) \
             WHERE log_group IN (SELECT id FROM log_groups WHERE retention_days IS NOT NULL)",
        )
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
    }
    Ok(removed)
}

/// Removes the batches that a query finds, and takes them off the sizes of their groups.
async fn remove_some(store: &Sqlite, sql: &'static str, first: i64) -> Result<u64, sqlx::Error> {
    let begun = store.write(Durability::Buffered).await;
    let mut transaction = begun.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
    let found: Vec<(i64, i64, i64)> = sqlx::query_as(sql)
        .bind(first)
        .bind(REMOVED_AT_ONCE)
        .fetch_all(&mut *transaction)
        .await?;
    for (id, bytes, group) in &found {
        sqlx::query("DELETE FROM log_batches WHERE id = ?")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE log_groups SET stored_bytes = max(stored_bytes - ?, 0) WHERE id = ?")
            .bind(bytes)
            .bind(group)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(found.len() as u64)
}
