//! One version as a row.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::super::{json, moment, ms, to_json, undecodable};
use crate::{ObjectAt, ObjectVersion, Retention};

/// Finds the newest version, delete markers included.
pub(super) async fn newest(
    connection: &mut SqliteConnection,
    at: ObjectAt<'_>,
) -> Result<Option<ObjectVersion>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM objects WHERE bucket = ? AND key = ? ORDER BY number DESC LIMIT 1")
        .bind(at.bucket)
        .bind(at.key.as_bytes())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Finds the version with an id, or the newest.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    at: ObjectAt<'_>,
    version: Option<&str>,
) -> Result<Option<ObjectVersion>, sqlx::Error> {
    let Some(version) = version else {
        return newest(connection, at).await;
    };
    let row = sqlx::query("SELECT * FROM objects WHERE bucket = ? AND key = ? AND version = ?")
        .bind(at.bucket)
        .bind(at.key.as_bytes())
        .bind(version)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Inserts the newest version, and notes its blobs.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    bucket: &str,
    object: &ObjectVersion,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE objects SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1")
        .bind(bucket)
        .bind(object.key.as_bytes())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(bucket)
        .bind(object.key.as_bytes())
        .bind(object.number)
        .bind(&object.version)
        .bind(object.latest)
        .bind(ms(object.modified_at))
        .bind(object.content.as_ref().map(to_json))
        .bind(to_json(&object.tags))
        .bind(object.retention.map(|it| it.mode.as_str()))
        .bind(object.retention.map(|it| ms(it.until)))
        .bind(hold(object.held))
        .execute(&mut *connection)
        .await?;
    note_blobs(connection, &object.blobs()).await
}

/// Writes what locks a version.
pub(super) async fn touch(
    connection: &mut SqliteConnection,
    at: ObjectAt<'_>,
    object: &ObjectVersion,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE objects SET lock_mode = ?, locked_until = ?, held = ? \
         WHERE bucket = ? AND key = ? AND number = ?",
    )
    .bind(object.retention.map(|it| it.mode.as_str()))
    .bind(object.retention.map(|it| ms(it.until)))
    .bind(hold(object.held))
    .bind(at.bucket)
    .bind(at.key.as_bytes())
    .bind(object.number)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes a version; the one before it is the newest then, if it was.
pub(super) async fn remove(
    connection: &mut SqliteConnection,
    at: ObjectAt<'_>,
    object: &ObjectVersion,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM objects WHERE bucket = ? AND key = ? AND number = ?")
        .bind(at.bucket)
        .bind(at.key.as_bytes())
        .bind(object.number)
        .execute(&mut *connection)
        .await?;
    forget_blobs(connection, &object.blobs()).await?;
    if object.latest {
        sqlx::query(
            "UPDATE objects SET latest = 1 WHERE bucket = ?1 AND key = ?2 AND number = \
             (SELECT max(number) FROM objects WHERE bucket = ?1 AND key = ?2)",
        )
        .bind(at.bucket)
        .bind(at.key.as_bytes())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Notes that blobs are referred to.
pub(in super::super) async fn note_blobs(
    connection: &mut SqliteConnection,
    blobs: &[String],
) -> Result<(), sqlx::Error> {
    for blob in blobs {
        sqlx::query("INSERT INTO blobs VALUES (?) ON CONFLICT DO NOTHING")
            .bind(blob)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Notes that nobody refers to blobs any more.
pub(in super::super) async fn forget_blobs(
    connection: &mut SqliteConnection,
    blobs: &[String],
) -> Result<(), sqlx::Error> {
    for blob in blobs {
        sqlx::query("DELETE FROM blobs WHERE id = ?")
            .bind(blob)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

pub(super) async fn known_blobs(readers: &SqlitePool, ids: &[String]) -> Result<Vec<String>, sqlx::Error> {
    let wanted = to_json(&ids);
    sqlx::query_scalar("SELECT id FROM blobs WHERE id IN (SELECT value FROM json_each(?))")
        .bind(wanted)
        .fetch_all(readers)
        .await
}

pub(super) async fn count_blobs(readers: &SqlitePool) -> Result<u64, sqlx::Error> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM blobs")
        .fetch_one(readers)
        .await?;
    Ok(count.unsigned_abs())
}

pub(super) fn read(row: &SqliteRow) -> Result<ObjectVersion, sqlx::Error> {
    let key: Vec<u8> = row.try_get("key")?;
    let content: Option<&str> = row.try_get("content")?;
    Ok(ObjectVersion {
        key: String::from_utf8(key).map_err(|error| undecodable("key", error))?,
        number: row.try_get("number")?,
        version: row.try_get("version")?,
        latest: row.try_get("latest")?,
        modified_at: moment(row, "modified_at")?,
        content: content.map(|_| json(row, "content")).transpose()?,
        tags: json(row, "tags")?,
        retention: retention(row)?,
        held: match row.try_get("held")? {
            NEVER_HELD => None,
            number => Some(number == HELD),
        },
    })
}

const NEVER_HELD: i64 = 0;
const HELD: i64 = 1;
const LIFTED: i64 = 2;

fn hold(held: Option<bool>) -> i64 {
    match held {
        None => NEVER_HELD,
        Some(true) => HELD,
        Some(false) => LIFTED,
    }
}

fn retention(row: &SqliteRow) -> Result<Option<Retention>, sqlx::Error> {
    let mode: Option<&str> = row.try_get("lock_mode")?;
    let Some(mode) = mode else { return Ok(None) };
    Ok(Some(Retention {
        mode: mode.parse().map_err(|error| undecodable("lock_mode", error))?,
        until: moment(row, "locked_until")?,
    }))
}
