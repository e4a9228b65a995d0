use async_trait::async_trait;
use drawbridge_session::Tag;
use jiff::Timestamp;

use super::{Durability, Sqlite, to_json};
use crate::objects::NULL_VERSION;
use crate::{
    Condition, Deleted, KeyRange, LockError, ObjectAt, ObjectVersion, Objects, PutObjectError, Retention,
    StoreError, Versioning,
};

mod list;
mod rows;

pub(super) use list::Bounds;
use rows::{find, insert, newest, remove, touch};
pub(super) use rows::{forget_blobs, note_blobs};

#[async_trait]
impl Objects for Sqlite {
    async fn object(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
    ) -> Result<Option<ObjectVersion>, StoreError> {
        let failed = || StoreError::doing("read an object");
        let mut connection = self.readers.acquire().await.map_err(failed())?;
        find(&mut connection, at, version).await.map_err(failed())
    }

    async fn current_objects(
        &self,
        range: KeyRange<'_>,
        limit: u32,
    ) -> Result<Vec<ObjectVersion>, StoreError> {
        list::current(&self.readers, range, limit)
            .await
            .map_err(StoreError::doing("list objects"))
    }

    async fn object_versions(
        &self,
        range: KeyRange<'_>,
        limit: u32,
    ) -> Result<Vec<ObjectVersion>, StoreError> {
        list::versions(&self.readers, range, limit)
            .await
            .map_err(StoreError::doing("list versions"))
    }

    async fn put_object(
        &self,
        bucket: &str,
        object: ObjectVersion,
        condition: Condition,
    ) -> Result<(ObjectVersion, Vec<String>), PutObjectError> {
        let mut transaction = self.write(Durability::Synced).await?;
        let stored = put(&mut transaction, bucket, object, condition).await?;
        let committed = transaction.commit().await;
        committed.map_err(StoreError::doing("store an object"))?;
        Ok(stored)
    }

    async fn delete_object(
        &self,
        at: ObjectAt<'_>,
        marker: &str,
        condition: Condition,
        now: Timestamp,
    ) -> Result<Deleted, PutObjectError> {
        let mut transaction = self.write(Durability::Synced).await?;
        let deleted = delete(&mut transaction, at, marker, condition, now).await?;
        let committed = transaction.commit().await;
        committed.map_err(StoreError::doing("remove an object"))?;
        Ok(deleted)
    }

    async fn delete_version(
        &self,
        at: ObjectAt<'_>,
        version: &str,
        bypass: bool,
        now: Timestamp,
    ) -> Result<Deleted, LockError> {
        let failed = || StoreError::doing("remove a version");
        let mut transaction = self.write(Durability::Synced).await?;
        let found = find(&mut transaction, at, Some(version))
            .await
            .map_err(failed())?;
        let Some(found) = found else {
            return Ok(Deleted {
                version: Some(version.to_owned()),
                ..Deleted::default()
            });
        };
        if found.is_locked(bypass, now) {
            return Err(LockError::Locked);
        }
        remove(&mut transaction, at, &found).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(Deleted {
            marker: found.content.is_none(),
            blobs: found.blobs(),
            version: Some(found.version),
        })
    }

    async fn set_object_tags(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
        tags: &[Tag],
    ) -> Result<String, LockError> {
        let failed = || StoreError::doing("tag an object");
        let mut transaction = self.write(Durability::Synced).await?;
        let found = find(&mut transaction, at, version).await.map_err(failed())?;
        let found = found
            .filter(|it| it.content.is_some())
            .ok_or(LockError::Missing)?;
        sqlx::query("UPDATE objects SET tags = ? WHERE bucket = ? AND key = ? AND number = ?")
            .bind(to_json(&tags))
            .bind(at.bucket)
            .bind(at.key.as_bytes())
            .bind(found.number)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(found.version)
    }

    async fn set_object_retention(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
        retention: Option<Retention>,
        bypass: bool,
        now: Timestamp,
    ) -> Result<(), LockError> {
        let failed = || StoreError::doing("lock an object");
        let mut transaction = self.write(Durability::Synced).await?;
        let found = find(&mut transaction, at, version).await.map_err(failed())?;
        let found = found
            .filter(|it| it.content.is_some())
            .ok_or(LockError::Missing)?;
        if !found.allows_retention(retention, bypass, now) {
            return Err(LockError::Locked);
        }
        touch(&mut transaction, at, &ObjectVersion { retention, ..found })
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(())
    }

    async fn set_legal_hold(
        &self,
        at: ObjectAt<'_>,
        version: Option<&str>,
        held: bool,
    ) -> Result<(), LockError> {
        let failed = || StoreError::doing("hold an object");
        let mut transaction = self.write(Durability::Synced).await?;
        let found = find(&mut transaction, at, version).await.map_err(failed())?;
        let found = found
            .filter(|it| it.content.is_some())
            .ok_or(LockError::Missing)?;
        touch(
            &mut transaction,
            at,
            &ObjectVersion {
                held: Some(held),
                ..found
            },
        )
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(())
    }

    async fn known_blobs(&self, ids: &[String]) -> Result<Vec<String>, StoreError> {
        rows::known_blobs(&self.readers, ids)
            .await
            .map_err(StoreError::doing("look blobs up"))
    }

    async fn count_blobs(&self) -> Result<u64, StoreError> {
        rows::count_blobs(&self.readers)
            .await
            .map_err(StoreError::doing("count blobs"))
    }
}

/// Stores a version in a transaction; see [`Objects::put_object`].
pub(super) async fn put(
    connection: &mut sqlx::SqliteConnection,
    bucket: &str,
    mut object: ObjectVersion,
    condition: Condition,
) -> Result<(ObjectVersion, Vec<String>), PutObjectError> {
    let failed = || StoreError::doing("store an object");
    let found = super::buckets::find(connection, bucket).await.map_err(failed())?;
    let found = found.ok_or(PutObjectError::NoBucket)?;
    if !found.locks && (object.held == Some(true) || object.retention.is_some()) {
        return Err(PutObjectError::NoLocks);
    }
    let key = object.key.clone();
    let at = ObjectAt { bucket, key: &key };
    let present = newest(connection, at).await.map_err(failed())?;
    check(condition, present.as_ref())?;
    let mut freed = Vec::new();
    if found.versioning != Versioning::Enabled {
        NULL_VERSION.clone_into(&mut object.version);
        freed = replace_null(connection, at, object.modified_at).await?;
    }
    object.number = present.map_or(1, |present| present.number + 1);
    object.latest = true;
    insert(connection, bucket, &object).await.map_err(failed())?;
    Ok((object, freed))
}

async fn delete(
    connection: &mut sqlx::SqliteConnection,
    at: ObjectAt<'_>,
    marker: &str,
    condition: Condition,
    now: Timestamp,
) -> Result<Deleted, PutObjectError> {
    let failed = || StoreError::doing("remove an object");
    let bucket = super::buckets::find(connection, at.bucket)
        .await
        .map_err(failed())?;
    let bucket = bucket.ok_or(PutObjectError::NoBucket)?;
    let present = newest(connection, at).await.map_err(failed())?;
    check(condition, present.as_ref())?;
    let version = match bucket.versioning {
        Versioning::Never => {
            let blobs = replace_null(connection, at, now).await?;
            return Ok(Deleted {
                blobs,
                ..Deleted::default()
            });
        }
        Versioning::Enabled => marker,
        Versioning::Suspended => NULL_VERSION,
    };
    let blobs = match bucket.versioning {
        Versioning::Suspended => replace_null(connection, at, now).await?,
        Versioning::Enabled | Versioning::Never => Vec::new(),
    };
    let object = ObjectVersion {
        key: at.key.to_owned(),
        number: present.map_or(1, |present| present.number + 1),
        version: version.to_owned(),
        latest: true,
        modified_at: now,
        content: None,
        tags: Vec::new(),
        retention: None,
        held: None,
    };
    insert(connection, at.bucket, &object).await.map_err(failed())?;
    Ok(Deleted {
        version: Some(object.version),
        marker: true,
        blobs,
    })
}

/// Removes the version without an id of its own, unless it is locked; returns its blobs.
async fn replace_null(
    connection: &mut sqlx::SqliteConnection,
    at: ObjectAt<'_>,
    now: Timestamp,
) -> Result<Vec<String>, PutObjectError> {
    let failed = || StoreError::doing("replace an object");
    let found = find(connection, at, Some(NULL_VERSION)).await.map_err(failed())?;
    let Some(found) = found else {
        return Ok(Vec::new());
    };
    if found.is_locked(false, now) {
        return Err(PutObjectError::Locked);
    }
    remove(connection, at, &found).await.map_err(failed())?;
    Ok(found.blobs())
}

fn check(condition: Condition, present: Option<&ObjectVersion>) -> Result<(), PutObjectError> {
    let present = present.and_then(|present| present.content.as_ref());
    match (condition, present) {
        (Condition::None, _) | (Condition::Absent, None) | (Condition::Matches(None), Some(_)) => Ok(()),
        (Condition::Absent, Some(_)) => Err(PutObjectError::Condition),
        (Condition::Matches(_), None) => Err(PutObjectError::Missing),
        (Condition::Matches(Some(etag)), Some(present)) if etag == present.etag => Ok(()),
        (Condition::Matches(Some(_)), Some(_)) => Err(PutObjectError::Condition),
    }
}
