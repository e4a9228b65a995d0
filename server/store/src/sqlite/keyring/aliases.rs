use drawbridge_session::{AccountId, KeyId, Region};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, Sqlite, exists, moment, ms, parsed};
use crate::keyring::MAX_ALIASES;
use crate::{Alias, CreateAliasError, StoreError};

pub(super) async fn find(
    store: &Sqlite,
    account: &AccountId,
    region: &Region,
    name: &str,
) -> Result<Option<Alias>, StoreError> {
    let failed = || StoreError::doing("read an alias");
    let row = sqlx::query("SELECT * FROM key_aliases WHERE account = ? AND region = ? AND name = ?")
        .bind(account.as_str())
        .bind(region.as_str())
        .bind(name)
        .fetch_optional(&store.readers)
        .await
        .map_err(failed())?;
    row.as_ref().map(read).transpose().map_err(failed())
}

pub(super) async fn list(
    store: &Sqlite,
    account: &AccountId,
    region: &Region,
    key: Option<&KeyId>,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Alias>, StoreError> {
    let failed = || StoreError::doing("list aliases");
    let rows = sqlx::query(
        "SELECT * FROM key_aliases \
         WHERE account = ? AND region = ? AND key = coalesce(?, key) AND name > ? ORDER BY name LIMIT ?",
    )
    .bind(account.as_str())
    .bind(region.as_str())
    .bind(key.map(KeyId::as_str))
    .bind(after.unwrap_or_default())
    .bind(limit)
    .fetch_all(&store.readers)
    .await
    .map_err(failed())?;
    let aliases = rows.iter().map(read);
    aliases.collect::<Result<_, _>>().map_err(failed())
}

pub(super) async fn create(store: &Sqlite, alias: &Alias) -> Result<(), CreateAliasError> {
    let failed = || StoreError::doing("store an alias");
    let mut transaction = store.write(Durability::Synced).await?;
    check_room(&mut transaction, &alias.key).await?;
    if !insert(&mut transaction, alias).await.map_err(failed())? {
        return Err(CreateAliasError::Exists);
    }
    transaction.commit().await.map_err(failed())?;
    store.snapshots.access_changed();
    Ok(())
}

pub(super) async fn point(store: &Sqlite, alias: &Alias) -> Result<bool, CreateAliasError> {
    let failed = || StoreError::doing("change an alias");
    let mut transaction = store.write(Durability::Synced).await?;
    check_room(&mut transaction, &alias.key).await?;
    let changed = sqlx::query(
        "UPDATE key_aliases SET key = ?, updated_at = ? WHERE account = ? AND region = ? AND name = ?",
    )
    .bind(alias.key.as_str())
    .bind(ms(alias.updated_at))
    .bind(alias.account.as_str())
    .bind(alias.region.as_str())
    .bind(&alias.name)
    .execute(&mut *transaction)
    .await
    .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    store.snapshots.access_changed();
    Ok(changed.rows_affected() > 0)
}

pub(super) async fn remove(
    store: &Sqlite,
    account: &AccountId,
    region: &Region,
    name: &str,
) -> Result<bool, StoreError> {
    let failed = || StoreError::doing("remove an alias");
    let mut transaction = store.write(Durability::Synced).await?;
    let removed = sqlx::query("DELETE FROM key_aliases WHERE account = ? AND region = ? AND name = ?")
        .bind(account.as_str())
        .bind(region.as_str())
        .bind(name)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    store.snapshots.access_changed();
    Ok(removed.rows_affected() > 0)
}

/// Inserts an alias; returns whether its name was free.
pub(super) async fn insert(connection: &mut SqliteConnection, alias: &Alias) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query("INSERT INTO key_aliases VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(alias.account.as_str())
        .bind(alias.region.as_str())
        .bind(&alias.name)
        .bind(alias.key.as_str())
        .bind(ms(alias.created_at))
        .bind(ms(alias.updated_at))
        .execute(connection)
        .await?;
    Ok(inserted.rows_affected() > 0)
}

async fn check_room(connection: &mut SqliteConnection, key: &KeyId) -> Result<(), CreateAliasError> {
    let failed = || StoreError::doing("count aliases");
    if !exists(connection, key).await.map_err(failed())? {
        return Err(CreateAliasError::NoKey);
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM key_aliases WHERE key = ?")
        .bind(key.as_str())
        .fetch_one(connection)
        .await
        .map_err(failed())?;
    if count >= i64::from(MAX_ALIASES) {
        return Err(CreateAliasError::TooMany);
    }
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Alias, sqlx::Error> {
    Ok(Alias {
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        name: row.try_get("name")?,
        key: parsed(row, "key")?,
        created_at: moment(row, "created_at")?,
        updated_at: moment(row, "updated_at")?,
    })
}
