use async_trait::async_trait;
use drawbridge_session::AccountId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqliteExecutor};

use super::objects::forget_blobs;
use super::{Durability, Sqlite, json, moment, ms, parsed, to_json, uploads};
use crate::buckets::MAX_BUCKETS;
use crate::{
    Bucket, Buckets, CreateBucketError, DefaultRetention, RemoveBucketError, StoreError, Versioning,
};

#[async_trait]
impl Buckets for Sqlite {
    async fn bucket(&self, name: &str) -> Result<Option<Bucket>, StoreError> {
        let failed = || StoreError::doing("read a bucket");
        let row = sqlx::query("SELECT * FROM buckets WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.as_ref().map(read).transpose().map_err(failed())
    }

    async fn buckets(&self, account: &AccountId) -> Result<Vec<Bucket>, StoreError> {
        let failed = || StoreError::doing("list buckets");
        let rows = sqlx::query("SELECT * FROM buckets WHERE account = ? ORDER BY name")
            .bind(account.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    async fn create_bucket(
        &self,
        bucket: &Bucket,
        settings: &[(&'static str, String)],
    ) -> Result<(), CreateBucketError> {
        let failed = || StoreError::doing("make a bucket");
        let mut transaction = self.write(Durability::Synced).await?;
        if let Some(present) = find(&mut transaction, &bucket.name).await.map_err(failed())? {
            return Err(CreateBucketError::Exists(Box::new(present)));
        }
        let others: i64 = sqlx::query_scalar("SELECT count(*) FROM buckets WHERE account = ?")
            .bind(bucket.account.as_str())
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        if others >= i64::from(MAX_BUCKETS) {
            return Err(CreateBucketError::TooMany);
        }
        sqlx::query("INSERT INTO buckets VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(&bucket.name)
            .bind(bucket.account.as_str())
            .bind(bucket.region.as_str())
            .bind(ms(bucket.created_at))
            .bind(bucket.versioning.as_str())
            .bind(bucket.locks)
            .bind(bucket.retention.as_ref().map(to_json))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        for (name, body) in settings {
            set(&mut transaction, &bucket.name, name, Some(body))
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(())
    }

    async fn set_versioning(&self, name: &str, versioning: Versioning) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("change the versioning of a bucket");
        let mut transaction = self.write(Durability::Synced).await?;
        let changed = sqlx::query(
            "UPDATE buckets SET versioning = ?1 WHERE name = ?2 AND (locks = 0 OR ?1 = 'Enabled')",
        )
        .bind(versioning.as_str())
        .bind(name)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(changed.rows_affected() > 0)
    }

    async fn set_retention(
        &self,
        name: &str,
        retention: Option<DefaultRetention>,
    ) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("change what a bucket locks with");
        let mut transaction = self.write(Durability::Synced).await?;
        let changed =
            sqlx::query("UPDATE buckets SET locks = 1, versioning = 'Enabled', retention = ? WHERE name = ?")
                .bind(retention.as_ref().map(to_json))
                .bind(name)
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(changed.rows_affected() > 0)
    }

    async fn remove_bucket(&self, name: &str) -> Result<Vec<String>, RemoveBucketError> {
        let failed = || StoreError::doing("remove a bucket");
        let mut transaction = self.write(Durability::Synced).await?;
        let any: Option<i64> = sqlx::query_scalar("SELECT number FROM objects WHERE bucket = ? LIMIT 1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?;
        if any.is_some() {
            return Err(RemoveBucketError::NotEmpty);
        }
        let removed = sqlx::query("DELETE FROM buckets WHERE name = ?")
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        if removed.rows_affected() == 0 {
            return Err(RemoveBucketError::Missing);
        }
        sqlx::query("DELETE FROM bucket_settings WHERE bucket = ?")
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        let blobs = uploads::remove_all(&mut transaction, name)
            .await
            .map_err(failed())?;
        forget_blobs(&mut transaction, &blobs).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(blobs)
    }

    async fn bucket_setting(&self, bucket: &str, name: &str) -> Result<Option<String>, StoreError> {
        setting(&self.readers, bucket, name)
            .await
            .map_err(StoreError::doing("read a setting of a bucket"))
    }

    async fn set_bucket_setting(
        &self,
        bucket: &str,
        name: &str,
        body: Option<&str>,
    ) -> Result<(), StoreError> {
        let failed = || StoreError::doing("change a setting of a bucket");
        let mut transaction = self.write(Durability::Synced).await?;
        set(&mut transaction, bucket, name, body)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    async fn swap_bucket_setting(
        &self,
        bucket: &str,
        name: &str,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("change a setting of a bucket");
        let mut transaction = self.write(Durability::Synced).await?;
        let present = setting(&mut *transaction, bucket, name).await.map_err(failed())?;
        if present.as_deref() != from {
            return Ok(false);
        }
        set(&mut transaction, bucket, name, to).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(true)
    }
}

async fn setting<'e>(
    executor: impl SqliteExecutor<'e>,
    bucket: &str,
    name: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT body FROM bucket_settings WHERE bucket = ? AND name = ?")
        .bind(bucket)
        .bind(name)
        .fetch_optional(executor)
        .await
}

/// Puts a setting in the place of what was there, or removes it; nothing of a bucket that is not there.
async fn set(
    connection: &mut SqliteConnection,
    bucket: &str,
    name: &str,
    body: Option<&str>,
) -> Result<(), sqlx::Error> {
    let change = match body {
        Some(body) => sqlx::query(
            "INSERT INTO bucket_settings SELECT name, ?, ? FROM buckets WHERE name = ? \
             ON CONFLICT DO UPDATE SET body = excluded.body",
        )
        .bind(name)
        .bind(body)
        .bind(bucket),
        None => sqlx::query("DELETE FROM bucket_settings WHERE name = ? AND bucket = ?")
            .bind(name)
            .bind(bucket),
    };
    change.execute(connection).await?;
    Ok(())
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<Bucket>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM buckets WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &SqliteRow) -> Result<Bucket, sqlx::Error> {
    let retention: Option<&str> = row.try_get("retention")?;
    Ok(Bucket {
        name: row.try_get("name")?,
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        created_at: moment(row, "created_at")?,
        versioning: parsed(row, "versioning")?,
        locks: row.try_get("locks")?,
        retention: retention.map(|_| json(row, "retention")).transpose()?,
    })
}
