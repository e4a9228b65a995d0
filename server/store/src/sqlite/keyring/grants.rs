use drawbridge_session::{KeyId, Region};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Durability, Sqlite, exists, moment, ms, parsed};
use crate::keyring::{CreateGrantError, MAX_GRANTS};
use crate::sqlite::{json, to_json};
use crate::{Grant, StoreError};

pub(super) async fn find(store: &Sqlite, id: &str) -> Result<Option<Grant>, StoreError> {
    let failed = || StoreError::doing("read a grant");
    let row = sqlx::query("SELECT * FROM key_grants WHERE id = ?")
        .bind(id)
        .fetch_optional(&store.readers)
        .await
        .map_err(failed())?;
    row.as_ref().map(read).transpose().map_err(failed())
}

pub(super) async fn of_key(store: &Sqlite, key: &KeyId) -> Result<Vec<Grant>, StoreError> {
    let failed = || StoreError::doing("list the grants of a key");
    let rows = sqlx::query("SELECT * FROM key_grants WHERE key = ? ORDER BY id")
        .bind(key.as_str())
        .fetch_all(&store.readers)
        .await
        .map_err(failed())?;
    let grants = rows.iter().map(read);
    grants.collect::<Result<_, _>>().map_err(failed())
}

pub(super) async fn retirable(
    store: &Sqlite,
    principal: &str,
    region: &Region,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Grant>, StoreError> {
    let failed = || StoreError::doing("list the grants that somebody may retire");
    let rows = sqlx::query(
        "SELECT key_grants.* FROM key_grants JOIN keys ON keys.id = key_grants.key \
         WHERE retiring = ? AND region = ? AND key_grants.id > ? ORDER BY key_grants.id LIMIT ?",
    )
    .bind(principal)
    .bind(region.as_str())
    .bind(after.unwrap_or_default())
    .bind(limit)
    .fetch_all(&store.readers)
    .await
    .map_err(failed())?;
    let grants = rows.iter().map(read);
    grants.collect::<Result<_, _>>().map_err(failed())
}

pub(super) async fn create(store: &Sqlite, grant: &Grant) -> Result<(), CreateGrantError> {
    let failed = || StoreError::doing("store a grant");
    let mut transaction = store.write(Durability::Synced).await?;
    if !exists(&mut transaction, &grant.key).await.map_err(failed())? {
        return Err(CreateGrantError::NoKey);
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM key_grants WHERE key = ?")
        .bind(grant.key.as_str())
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed())?;
    if count >= i64::from(MAX_GRANTS) {
        return Err(CreateGrantError::TooMany);
    }
    sqlx::query("INSERT INTO key_grants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&grant.id)
        .bind(grant.key.as_str())
        .bind(&grant.name)
        .bind(&grant.grantee)
        .bind(&grant.retiring)
        .bind(grant.issuer.as_str())
        .bind(to_json(&grant.operations))
        .bind(grant.constraint.as_ref().map(to_json))
        .bind(ms(grant.created_at))
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    store.snapshots.access_changed();
    Ok(())
}

pub(super) async fn remove(store: &Sqlite, id: &str) -> Result<bool, StoreError> {
    let failed = || StoreError::doing("remove a grant");
    let mut transaction = store.write(Durability::Synced).await?;
    let removed = sqlx::query("DELETE FROM key_grants WHERE id = ?")
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    store.snapshots.access_changed();
    Ok(removed.rows_affected() > 0)
}

fn read(row: &SqliteRow) -> Result<Grant, sqlx::Error> {
    let constraints: Option<&str> = row.try_get("constraints")?;
    Ok(Grant {
        id: row.try_get("id")?,
        key: parsed(row, "key")?,
        name: row.try_get("name")?,
        grantee: row.try_get("grantee")?,
        retiring: row.try_get("retiring")?,
        issuer: parsed(row, "issuer")?,
        operations: json(row, "operations")?,
        constraint: match constraints {
            None => None,
            Some(_) => Some(json(row, "constraints")?),
        },
        created_at: moment(row, "created_at")?,
    })
}
