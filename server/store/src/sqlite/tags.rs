use async_trait::async_trait;
use drawbridge_session::Tag;
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, Sqlite};
use crate::tags::MAX_TAGS;
use crate::{StoreError, TagError, Tags, TagsOf};

#[async_trait]
impl Tags for Sqlite {
    async fn tags(&self, of: TagsOf<'_>) -> Result<Vec<Tag>, StoreError> {
        let failed = || StoreError::doing("list tags");
        let rows = sqlx::query(
            "SELECT key, value FROM tags \
             WHERE account = ? AND region = ? AND resource_type = ? AND resource_id = ? ORDER BY key",
        )
        .bind(of.account.as_str())
        .bind(of.region.as_str())
        .bind(of.target.as_str())
        .bind(of.id)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        rows.iter()
            .map(|row| {
                Ok(Tag {
                    key: row.try_get("key")?,
                    value: row.try_get("value")?,
                })
            })
            .collect::<Result<_, sqlx::Error>>()
            .map_err(failed())
    }

    async fn add_tags(&self, of: TagsOf<'_>, tags: &[Tag]) -> Result<(), TagError> {
        let failed = || StoreError::doing("add tags");
        let mut transaction = self.write(Durability::Synced).await?;
        insert(&mut transaction, of, tags).await.map_err(failed())?;
        // Counted after the insertion, because some of the keys may have been there before.
        let (count, keys): (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(DISTINCT lower(key)) FROM tags \
             WHERE account = ? AND region = ? AND resource_type = ? AND resource_id = ?",
        )
        .bind(of.account.as_str())
        .bind(of.region.as_str())
        .bind(of.target.as_str())
        .bind(of.id)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed())?;
        if usize::try_from(count).is_ok_and(|count| count > MAX_TAGS) {
            return Err(TagError::TooMany);
        }
        if keys < count {
            return Err(TagError::SameKey);
        }
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(())
    }

    async fn remove_tags(&self, of: TagsOf<'_>, keys: &[String]) -> Result<(), StoreError> {
        let failed = || StoreError::doing("remove tags");
        let mut transaction = self.write(Durability::Synced).await?;
        for key in keys {
            sqlx::query(
                "DELETE FROM tags \
                 WHERE account = ? AND region = ? AND resource_type = ? AND resource_id = ? AND key = ?",
            )
            .bind(of.account.as_str())
            .bind(of.region.as_str())
            .bind(of.target.as_str())
            .bind(of.id)
            .bind(key)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(())
    }
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    of: TagsOf<'_>,
    tags: &[Tag],
) -> Result<(), sqlx::Error> {
    for tag in tags {
        sqlx::query(
            "INSERT INTO tags VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (account, region, resource_type, resource_id, key) DO UPDATE SET value = excluded.value",
        )
        .bind(of.account.as_str())
        .bind(of.region.as_str())
        .bind(of.target.as_str())
        .bind(of.id)
        .bind(&tag.key)
        .bind(&tag.value)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

pub(super) async fn remove_all(connection: &mut SqliteConnection, of: TagsOf<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM tags WHERE account = ? AND region = ? AND resource_type = ? AND resource_id = ?",
    )
    .bind(of.account.as_str())
    .bind(of.region.as_str())
    .bind(of.target.as_str())
    .bind(of.id)
    .execute(connection)
    .await?;
    Ok(())
}
