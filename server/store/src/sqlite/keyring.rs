mod aliases;
mod grants;

use async_trait::async_trait;
use drawbridge_session::{AccountId, KeyId, Region, Tag};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, Sqlite, moment, ms, parsed, tags, undecodable};
use crate::keyring::{CreateGrantError, MAX_KEYS};
use crate::{
    Alias, ChangeKeyError, CreateAliasError, CreateKeyError, Grant, Key, KeyManager, KeyMaterial, KeyPlace,
    KeyRef, KeyState, Keyring, MaterialId, Rotation, StoreError, TagsOf,
};

#[async_trait]
impl Keyring for Sqlite {
    async fn key(&self, id: &KeyId) -> Result<Option<Key>, StoreError> {
        let failed = || StoreError::doing("read a key");
        let row = sqlx::query("SELECT * FROM keys WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.as_ref().map(read_key).transpose().map_err(failed())
    }

    async fn key_at(&self, place: &KeyPlace) -> Result<Option<Key>, StoreError> {
        let KeyPlace { account, region, key } = place;
        let found = match key {
            KeyRef::Id(id) => self.key(id).await?,
            KeyRef::Alias(name) => match aliases::find(self, account, region, name).await? {
                Some(alias) => self.key(&alias.key).await?,
                None => None,
            },
        };
        Ok(found.filter(|key| key.account == *account && key.region == *region))
    }

    async fn key_ids(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KeyId>, StoreError> {
        let failed = || StoreError::doing("list keys");
        let rows = sqlx::query(
            "SELECT id FROM keys WHERE account = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(account.as_str())
        .bind(region.as_str())
        .bind(after.unwrap_or_default())
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        let ids = rows.iter().map(|row| parsed(row, "id"));
        ids.collect::<Result<_, _>>().map_err(failed())
    }

    async fn create_key(
        &self,
        key: &Key,
        material: &KeyMaterial,
        tags: &[Tag],
        alias: Option<&Alias>,
    ) -> Result<(), CreateKeyError> {
        let failed = || StoreError::doing("store a key");
        let mut transaction = self.write(Durability::Synced).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM keys WHERE account = ? AND region = ?")
            .bind(key.account.as_str())
            .bind(key.region.as_str())
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed())?;
        if count >= i64::from(MAX_KEYS) {
            return Err(CreateKeyError::TooMany);
        }
        insert_key(&mut transaction, key).await.map_err(failed())?;
        insert_material(&mut transaction, material)
            .await
            .map_err(failed())?;
        tags::insert(&mut transaction, TagsOf::key(key), tags)
            .await
            .map_err(failed())?;
        if let Some(alias) = alias
            && !aliases::insert(&mut transaction, alias).await.map_err(failed())?
        {
            return Err(CreateKeyError::AliasExists);
        }
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(())
    }

    async fn change_key(&self, key: &Key, material: Option<&KeyMaterial>) -> Result<(), ChangeKeyError> {
        let failed = || StoreError::doing("change a key");
        let mut transaction = self.write(Durability::Synced).await?;
        let (state, delete_at) = state_columns(key.state);
        let changed = sqlx::query(
            "UPDATE keys SET state = ?, delete_at = ?, description = ?, policy = ?, rotation_days = ?, rotate_at = ?, \
             material = ?, revision = revision + 1 WHERE id = ? AND revision = ?",
        )
        .bind(state)
        .bind(delete_at)
        .bind(&key.description)
        .bind(&key.policy)
        .bind(key.rotation.map(|rotation| rotation.period_days))
        .bind(key.rotation.map(|rotation| ms(rotation.next_at)))
        .bind(key.material.to_string())
        .bind(key.id.as_str())
        .bind(key.revision)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        if changed.rows_affected() == 0 {
            return Err(ChangeKeyError::Changed);
        }
        if let Some(material) = material {
            insert_material(&mut transaction, material)
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(())
    }

    async fn key_material(&self, key: &KeyId, id: &MaterialId) -> Result<Option<KeyMaterial>, StoreError> {
        let failed = || StoreError::doing("read the material of a key");
        let row = sqlx::query("SELECT * FROM key_materials WHERE key = ? AND id = ?")
            .bind(key.as_str())
            .bind(id.to_string())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.as_ref().map(read_material).transpose().map_err(failed())
    }

    async fn key_materials(&self, key: &KeyId) -> Result<Vec<KeyMaterial>, StoreError> {
        let failed = || StoreError::doing("list the materials of a key");
        let rows = sqlx::query("SELECT * FROM key_materials WHERE key = ? ORDER BY number")
            .bind(key.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        let materials = rows.iter().map(read_material);
        materials.collect::<Result<_, _>>().map_err(failed())
    }

    async fn keys_to_rotate(&self, now: Timestamp, limit: u32) -> Result<Vec<Key>, StoreError> {
        let failed = || StoreError::doing("list keys to rotate");
        let rows = sqlx::query("SELECT * FROM keys WHERE state = 'Enabled' AND rotate_at <= ? LIMIT ?")
            .bind(ms(now))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        let keys = rows.iter().map(read_key);
        keys.collect::<Result<_, _>>().map_err(failed())
    }

    async fn delete_due_keys(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let failed = || StoreError::doing("delete keys");
        let mut transaction = self.write(Durability::Synced).await?;
        let rows = sqlx::query("SELECT * FROM keys WHERE state = 'PendingDeletion' AND delete_at <= ?")
            .bind(ms(now))
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed())?;
        let due: Vec<Key> = rows
            .iter()
            .map(read_key)
            .collect::<Result<_, _>>()
            .map_err(failed())?;
        for key in &due {
            delete(&mut transaction, key).await.map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        if !due.is_empty() {
            self.snapshots.access_changed();
        }
        Ok(due.iter().map(Key::arn).collect())
    }

    async fn alias(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<Option<Alias>, StoreError> {
        aliases::find(self, account, region, name).await
    }

    async fn aliases(
        &self,
        account: &AccountId,
        region: &Region,
        key: Option<&KeyId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Alias>, StoreError> {
        aliases::list(self, account, region, key, after, limit).await
    }

    async fn create_alias(&self, alias: &Alias) -> Result<(), CreateAliasError> {
        aliases::create(self, alias).await
    }

    async fn point_alias(&self, alias: &Alias) -> Result<bool, CreateAliasError> {
        aliases::point(self, alias).await
    }

    async fn remove_alias(
        &self,
        account: &AccountId,
        region: &Region,
        name: &str,
    ) -> Result<bool, StoreError> {
        aliases::remove(self, account, region, name).await
    }

    async fn grant(&self, id: &str) -> Result<Option<Grant>, StoreError> {
        grants::find(self, id).await
    }

    async fn grants(&self, key: &KeyId) -> Result<Vec<Grant>, StoreError> {
        grants::of_key(self, key).await
    }

    async fn retirable_grants(
        &self,
        principal: &str,
        region: &Region,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Grant>, StoreError> {
        grants::retirable(self, principal, region, after, limit).await
    }

    async fn create_grant(&self, grant: &Grant) -> Result<(), CreateGrantError> {
        grants::create(self, grant).await
    }

    async fn remove_grant(&self, id: &str) -> Result<bool, StoreError> {
        grants::remove(self, id).await
    }
}

/// Says whether there is a key, as the transaction sees it.
async fn exists(connection: &mut SqliteConnection, key: &KeyId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?)")
        .bind(key.as_str())
        .fetch_one(connection)
        .await
}

async fn insert_key(connection: &mut SqliteConnection, key: &Key) -> Result<(), sqlx::Error> {
    let (state, delete_at) = state_columns(key.state);
    sqlx::query("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(key.id.as_str())
        .bind(key.account.as_str())
        .bind(key.region.as_str())
        .bind(key.manager.as_str())
        .bind(state)
        .bind(delete_at)
        .bind(&key.description)
        .bind(&key.policy)
        .bind(ms(key.created_at))
        .bind(key.rotation.map(|rotation| rotation.period_days))
        .bind(key.rotation.map(|rotation| ms(rotation.next_at)))
        .bind(key.material.to_string())
        .bind(key.revision)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_material(
    connection: &mut SqliteConnection,
    material: &KeyMaterial,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO key_materials \
         SELECT ?1, ?2, 1 + coalesce(max(number), 0), ?3, ?4, ?5 FROM key_materials WHERE key = ?1",
    )
    .bind(material.key.as_str())
    .bind(material.id.to_string())
    .bind(material.cause.as_str())
    .bind(ms(material.made_at))
    .bind(&material.sealed)
    .execute(connection)
    .await?;
    Ok(())
}

async fn delete(connection: &mut SqliteConnection, key: &Key) -> Result<(), sqlx::Error> {
    // What is deleted stays in the file until its place is used again, so the bytes go first.
    for statement in [
        "UPDATE key_materials SET sealed = zeroblob(length(sealed)) WHERE key = ?",
        "DELETE FROM key_materials WHERE key = ?",
        "DELETE FROM key_aliases WHERE key = ?",
        "DELETE FROM key_grants WHERE key = ?",
        "DELETE FROM keys WHERE id = ?",
    ] {
        sqlx::query(statement)
            .bind(key.id.as_str())
            .execute(&mut *connection)
            .await?;
    }
    tags::remove_all(connection, TagsOf::key(key)).await
}

fn state_columns(state: KeyState) -> (&'static str, Option<i64>) {
    let delete_at = match state {
        KeyState::Enabled | KeyState::Disabled => None,
        KeyState::PendingDeletion { at } => Some(ms(at)),
    };
    (state.as_str(), delete_at)
}

fn read_key(row: &SqliteRow) -> Result<Key, sqlx::Error> {
    let rotation_days: Option<u16> = row.try_get("rotation_days")?;
    Ok(Key {
        id: parsed(row, "id")?,
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        manager: match row.try_get("manager")? {
            "AWS" => KeyManager::Aws,
            _ => KeyManager::Customer,
        },
        state: match row.try_get("state")? {
            "Enabled" => KeyState::Enabled,
            "Disabled" => KeyState::Disabled,
            "PendingDeletion" => KeyState::PendingDeletion {
                at: moment(row, "delete_at")?,
            },
            other => return Err(undecodable("state", UnknownState(other.to_owned()))),
        },
        description: row.try_get("description")?,
        policy: row.try_get("policy")?,
        created_at: moment(row, "created_at")?,
        rotation: match rotation_days {
            None => None,
            Some(period_days) => Some(Rotation {
                period_days,
                next_at: moment(row, "rotate_at")?,
            }),
        },
        material: parsed(row, "material")?,
        revision: row.try_get("revision")?,
    })
}

fn read_material(row: &SqliteRow) -> Result<KeyMaterial, sqlx::Error> {
    Ok(KeyMaterial {
        key: parsed(row, "key")?,
        id: parsed(row, "id")?,
        cause: parsed(row, "cause")?,
        made_at: moment(row, "made_at")?,
        sealed: row.try_get("sealed")?,
    })
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no state of a key")]
struct UnknownState(String);
