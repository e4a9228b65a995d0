use async_trait::async_trait;
use drawbridge_session::{AccountId, Region};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqliteExecutor};

use super::{Durability, Sqlite, log_events, moment, ms, parsed, tags};
use crate::log_groups::MAX_LOG_GROUPS;
use crate::{
    CreateLogGroupError, CreateLogStreamError, ListedLogStreams, LogGroup, LogGroupAt, LogGroupChange,
    LogGroupId, LogGroupKey, LogGroups, LogStream, NewLogGroup, StoreError, TagsOf,
};

mod streams;

const SELECT: &str = "SELECT g.*, k.kms_key, k.wrapped FROM log_groups g \
                      JOIN log_group_keys k ON k.log_group = g.id AND k.number = g.key_number";

#[async_trait]
impl LogGroups for Sqlite {
    async fn create_log_group(&self, new: NewLogGroup<'_>) -> Result<(), CreateLogGroupError> {
        let failed = || StoreError::doing("create a log group");
        let mut transaction = self.write(Durability::Synced).await?;
        let there = find(&mut *transaction, new.at).await.map_err(failed())?;
        if there.is_some() {
            return Err(CreateLogGroupError::Exists);
        }
        let others = count(&mut transaction, new.at).await.map_err(failed())?;
        if others >= i64::from(MAX_LOG_GROUPS) {
            return Err(CreateLogGroupError::TooMany);
        }
        insert(&mut transaction, new).await.map_err(failed())?;
        // Tags that came while one of that name was removed are not this one's.
        let of = TagsOf::log_group(new.at);
        tags::remove_all(&mut transaction, of).await.map_err(failed())?;
        tags::insert(&mut transaction, of, new.tags)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(())
    }

    async fn log_group(&self, at: LogGroupAt<'_>) -> Result<Option<LogGroup>, StoreError> {
        find(&self.readers, at)
            .await
            .map_err(StoreError::doing("read a log group"))
    }

    async fn log_groups_after(
        &self,
        account: &AccountId,
        region: &Region,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<LogGroup>, StoreError> {
        let failed = || StoreError::doing("list log groups");
        // `SELECT` is joined to a text of our own.
        let sql = format!(
            "{SELECT} WHERE account = ?1 AND region = ?2 AND name >= max(?3, coalesce(?4, '')) \
             AND name IS NOT ?4 AND substr(name, 1, length(?3)) = ?3 ORDER BY name LIMIT ?5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(account.as_str())
            .bind(region.as_str())
            .bind(prefix)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        let groups: Result<_, sqlx::Error> = rows.iter().map(read).collect();
        groups.map_err(failed())
    }

    async fn change_log_group(&self, id: LogGroupId, change: LogGroupChange<'_>) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("change a log group");
        let mut transaction = self.write(Durability::Synced).await?;
        let changed = change_row(&mut transaction, id, change).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(changed)
    }

    async fn remove_log_group(&self, at: LogGroupAt<'_>) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("remove a log group");
        let mut transaction = self.write(Durability::Synced).await?;
        let Some(group) = find(&mut *transaction, at).await.map_err(failed())? else {
            return Ok(false);
        };
        remove(&mut transaction, group.id).await.map_err(failed())?;
        tags::remove_all(&mut transaction, TagsOf::log_group(at))
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        log_events::remove_orphans(self, log_events::Orphans::OfGroup(group.id)).await?;
        Ok(true)
    }

    async fn log_group_key(&self, group: LogGroupId, number: u32) -> Result<Option<LogGroupKey>, StoreError> {
        let failed = || StoreError::doing("read the key of a log group");
        let row = sqlx::query(
            "SELECT number AS key_number, kms_key, wrapped FROM log_group_keys WHERE log_group = ? AND number = ?",
        )
        .bind(group.0)
        .bind(number)
        .fetch_optional(&self.readers)
        .await
        .map_err(failed())?;
        row.as_ref().map(read_key).transpose().map_err(failed())
    }

    async fn create_log_stream(
        &self,
        group: LogGroupId,
        name: &str,
        created_at: Timestamp,
    ) -> Result<(), CreateLogStreamError> {
        streams::create(self, group, name, created_at).await
    }

    async fn log_stream(&self, group: LogGroupId, name: &str) -> Result<Option<LogStream>, StoreError> {
        streams::find(&self.readers, group, name)
            .await
            .map_err(StoreError::doing("read a log stream"))
    }

    async fn log_streams(
        &self,
        group: LogGroupId,
        which: ListedLogStreams<'_>,
    ) -> Result<Vec<LogStream>, StoreError> {
        streams::list(&self.readers, group, which)
            .await
            .map_err(StoreError::doing("list log streams"))
    }

    async fn remove_log_stream(&self, group: LogGroupId, name: &str) -> Result<bool, StoreError> {
        streams::remove(self, group, name).await
    }
}

async fn find(
    executor: impl SqliteExecutor<'_>,
    at: LogGroupAt<'_>,
) -> Result<Option<LogGroup>, sqlx::Error> {
    // `SELECT` is joined to a text of our own.
    let sql = format!("{SELECT} WHERE account = ? AND region = ? AND name = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(read).transpose()
}

async fn count(connection: &mut SqliteConnection, at: LogGroupAt<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(*) FROM log_groups WHERE account = ? AND region = ?")
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .fetch_one(connection)
        .await
}

async fn insert(connection: &mut SqliteConnection, new: NewLogGroup<'_>) -> Result<(), sqlx::Error> {
    const FIRST: u32 = 1;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO log_groups (account, region, name, class, created_at, protected, stored_bytes, key_number) \
         VALUES (?, ?, ?, ?, ?, ?, 0, ?) RETURNING id",
    )
    .bind(new.at.account.as_str())
    .bind(new.at.region.as_str())
    .bind(new.at.name)
    .bind(new.class.as_str())
    .bind(ms(new.created_at))
    .bind(new.is_protected)
    .bind(FIRST)
    .fetch_one(&mut *connection)
    .await?;
    let kms_key = new.key.kms_key.as_deref();
    insert_key(connection, LogGroupId(id), FIRST, kms_key, &new.key.wrapped).await
}

async fn insert_key(
    connection: &mut SqliteConnection,
    group: LogGroupId,
    number: u32,
    kms_key: Option<&str>,
    wrapped: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO log_group_keys VALUES (?, ?, ?, ?)")
        .bind(group.0)
        .bind(number)
        .bind(kms_key)
        .bind(wrapped)
        .execute(connection)
        .await?;
    Ok(())
}

async fn change_row(
    connection: &mut SqliteConnection,
    id: LogGroupId,
    change: LogGroupChange<'_>,
) -> Result<bool, sqlx::Error> {
    let query = match change {
        LogGroupChange::Retention(days) => {
            sqlx::query("UPDATE log_groups SET retention_days = ? WHERE id = ?").bind(days)
        }
        LogGroupChange::Protection(is_protected) => {
            sqlx::query("UPDATE log_groups SET protected = ? WHERE id = ?").bind(is_protected)
        }
        LogGroupChange::Key {
            after,
            kms_key,
            wrapped,
        } => return change_key(connection, id, after, kms_key, wrapped).await,
    };
    let changed = query.bind(id.0).execute(connection).await?;
    Ok(changed.rows_affected() > 0)
}

async fn change_key(
    connection: &mut SqliteConnection,
    id: LogGroupId,
    after: u32,
    kms_key: Option<&str>,
    wrapped: &[u8],
) -> Result<bool, sqlx::Error> {
    let number = after.saturating_add(1);
    let changed = sqlx::query("UPDATE log_groups SET key_number = ? WHERE id = ? AND key_number = ?")
        .bind(number)
        .bind(id.0)
        .bind(after)
        .execute(&mut *connection)
        .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    insert_key(connection, id, number, kms_key, wrapped).await?;
    Ok(true)
}

/// Removes a group with its keys and streams; without the keys nobody reads its events, which go afterwards.
async fn remove(connection: &mut SqliteConnection, id: LogGroupId) -> Result<(), sqlx::Error> {
    for sql in [
        "DELETE FROM log_groups WHERE id = ?",
        "DELETE FROM log_group_keys WHERE log_group = ?",
        "DELETE FROM log_streams WHERE log_group = ?",
    ] {
        sqlx::query(sql).bind(id.0).execute(&mut *connection).await?;
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<LogGroup, sqlx::Error> {
    let stored: i64 = row.try_get("stored_bytes")?;
    Ok(LogGroup {
        id: LogGroupId(row.try_get("id")?),
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        name: row.try_get("name")?,
        class: parsed(row, "class")?,
        created_at: moment(row, "created_at")?,
        retention_days: row.try_get("retention_days")?,
        is_protected: row.try_get("protected")?,
        stored_bytes: u64::try_from(stored).unwrap_or(0),
        key: read_key(row)?,
    })
}

fn read_key(row: &SqliteRow) -> Result<LogGroupKey, sqlx::Error> {
    Ok(LogGroupKey {
        number: row.try_get("key_number")?,
        kms_key: row.try_get("kms_key")?,
        wrapped: row.try_get("wrapped")?,
    })
}
