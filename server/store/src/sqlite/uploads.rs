use std::collections::HashSet;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::objects::{Bounds, forget_blobs, note_blobs, put};
use super::{Durability, Sqlite, buckets, json, moment, ms, to_json, undecodable};
use crate::{
    Condition, KeyRange, ObjectAt, ObjectVersion, Part, PutObjectError, StoreError, Upload, Uploads,
};

#[async_trait]
impl Uploads for Sqlite {
    async fn create_upload(&self, bucket: &str, upload: &Upload) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("begin an upload");
        let mut transaction = self.write(Durability::Synced).await?;
        let found = buckets::find(&mut transaction, bucket).await.map_err(failed())?;
        if found.is_none() {
            return Ok(false);
        }
        sqlx::query("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?)")
            .bind(bucket)
            .bind(upload.key.as_bytes())
            .bind(&upload.id)
            .bind(ms(upload.initiated_at))
            .bind(&upload.initiator)
            .bind(to_json(&upload.object))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }

    async fn upload(&self, at: ObjectAt<'_>, id: &str) -> Result<Option<Upload>, StoreError> {
        let failed = || StoreError::doing("read an upload");
        let row = sqlx::query("SELECT * FROM uploads WHERE bucket = ? AND key = ? AND id = ?")
            .bind(at.bucket)
            .bind(at.key.as_bytes())
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.as_ref().map(read).transpose().map_err(failed())
    }

    async fn uploads(
        &self,
        range: KeyRange<'_>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Upload>, StoreError> {
        let failed = || StoreError::doing("list uploads");
        let Bounds { from, below, .. } = Bounds::of(&range);
        let rows = sqlx::query(
            "SELECT * FROM uploads WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) \
             AND (?5 IS NULL OR key > ?2 OR id > ?5) ORDER BY key, id LIMIT ?4",
        )
        .bind(range.bucket)
        .bind(from)
        .bind(below)
        .bind(limit)
        .bind(after)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    async fn put_part(
        &self,
        at: ObjectAt<'_>,
        upload: &str,
        part: &Part,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let failed = || StoreError::doing("store a part");
        let mut transaction = self.write(Durability::Synced).await?;
        if !exists(&mut transaction, at, upload).await.map_err(failed())? {
            return Ok(None);
        }
        let replaced: Option<String> =
            sqlx::query_scalar("SELECT body FROM parts WHERE upload = ? AND number = ?")
                .bind(upload)
                .bind(part.number)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed())?;
        let replaced = blobs_of(replaced.iter()).map_err(failed())?;
        forget_blobs(&mut transaction, &replaced)
            .await
            .map_err(failed())?;
        sqlx::query("INSERT INTO parts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body")
            .bind(upload)
            .bind(part.number)
            .bind(to_json(part))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        note_blobs(&mut transaction, std::slice::from_ref(&part.piece.blob))
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Some(replaced))
    }

    async fn parts(&self, upload: &str, after: u32, limit: u32) -> Result<Vec<Part>, StoreError> {
        let failed = || StoreError::doing("list parts");
        let rows =
            sqlx::query("SELECT body FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?")
                .bind(upload)
                .bind(after)
                .bind(limit)
                .fetch_all(&self.readers)
                .await
                .map_err(failed())?;
        let parts = rows.iter().map(|row| json(row, "body"));
        parts.collect::<Result<_, _>>().map_err(failed())
    }

    async fn complete_upload(
        &self,
        bucket: &str,
        upload: &str,
        object: ObjectVersion,
        condition: Condition,
    ) -> Result<(ObjectVersion, Vec<String>), PutObjectError> {
        let failed = || StoreError::doing("complete an upload");
        let mut transaction = self.write(Durability::Synced).await?;
        let key = object.key.clone();
        let at = ObjectAt { bucket, key: &key };
        if !exists(&mut transaction, at, upload).await.map_err(failed())? {
            return Err(PutObjectError::NoUpload);
        }
        let mut unused = remove(&mut transaction, at, upload).await.map_err(failed())?;
        let (all, used) = (unused.len(), HashSet::<_>::from_iter(object.blobs()));
        unused.retain(|blob| !used.contains(blob));
        if all - unused.len() != used.len() {
            return Err(PutObjectError::Part);
        }
        forget_blobs(&mut transaction, &unused).await.map_err(failed())?;
        let (stored, mut freed) = put(&mut transaction, bucket, object, condition).await?;
        transaction.commit().await.map_err(failed())?;
        freed.extend(unused);
        Ok((stored, freed))
    }

    async fn abort_upload(&self, at: ObjectAt<'_>, id: &str) -> Result<Option<Vec<String>>, StoreError> {
        let failed = || StoreError::doing("abort an upload");
        let mut transaction = self.write(Durability::Synced).await?;
        if !exists(&mut transaction, at, id).await.map_err(failed())? {
            return Ok(None);
        }
        let blobs = remove(&mut transaction, at, id).await.map_err(failed())?;
        forget_blobs(&mut transaction, &blobs).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Some(blobs))
    }
}

/// Removes the uploads of a bucket; returns their blobs, which are still noted.
pub(super) async fn remove_all(
    connection: &mut SqliteConnection,
    bucket: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let bodies: Vec<String> = sqlx::query_scalar(
        "DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?) RETURNING body",
    )
    .bind(bucket)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM uploads WHERE bucket = ?")
        .bind(bucket)
        .execute(connection)
        .await?;
    blobs_of(bodies.iter())
}

/// Removes an upload; returns its blobs, which are still noted.
async fn remove(
    connection: &mut SqliteConnection,
    at: ObjectAt<'_>,
    id: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let bodies: Vec<String> = sqlx::query_scalar("DELETE FROM parts WHERE upload = ? RETURNING body")
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM uploads WHERE bucket = ? AND key = ? AND id = ?")
        .bind(at.bucket)
        .bind(at.key.as_bytes())
        .bind(id)
        .execute(connection)
        .await?;
    blobs_of(bodies.iter())
}

async fn exists(connection: &mut SqliteConnection, at: ObjectAt<'_>, id: &str) -> Result<bool, sqlx::Error> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT initiated_at FROM uploads WHERE bucket = ? AND key = ? AND id = ?")
            .bind(at.bucket)
            .bind(at.key.as_bytes())
            .bind(id)
            .fetch_optional(connection)
            .await?;
    Ok(found.is_some())
}

fn blobs_of<'a>(bodies: impl Iterator<Item = &'a String>) -> Result<Vec<String>, sqlx::Error> {
    let read = |body: &'a String| {
        let part: Part = serde_json::from_str(body).map_err(|error| undecodable("body", error))?;
        Ok(part.piece.blob)
    };
    bodies.map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Upload, sqlx::Error> {
    let key: Vec<u8> = row.try_get("key")?;
    Ok(Upload {
        key: String::from_utf8(key).map_err(|error| undecodable("key", error))?,
        id: row.try_get("id")?,
        initiated_at: moment(row, "initiated_at")?,
        initiator: row.try_get("initiator")?,
        object: json(row, "object")?,
    })
}
