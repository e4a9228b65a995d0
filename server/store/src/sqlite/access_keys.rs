use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use drawbridge_session::AccessKeyId;
use sqlx::Row as _;

use super::{Durability, Sqlite, moment, ms, parsed};
use crate::{KeyUse, KeyUses, StoreError};

/// Uses that are not stored yet: one per key, however often it signs.
#[derive(Default)]
pub(super) struct NotedUses(Mutex<HashMap<AccessKeyId, KeyUse>>);

#[async_trait]
impl KeyUses for Sqlite {
    fn access_key_used(&self, id: &AccessKeyId, usage: KeyUse) {
        let mut noted = self.key_uses.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.insert(id.clone(), usage);
    }

    async fn last_use(&self, id: &AccessKeyId) -> Result<Option<KeyUse>, StoreError> {
        let noted = {
            let noted = self.key_uses.0.lock().unwrap_or_else(PoisonError::into_inner);
            noted.get(id).cloned()
        };
        if noted.is_some() {
            return Ok(noted);
        }
        let failed = || StoreError::doing("read the last use of an access key");
        let row = sqlx::query("SELECT * FROM access_key_uses WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.map(|row| {
            Ok(KeyUse {
                at: moment(&row, "used_at")?,
                service: row.try_get("service")?,
                region: parsed(&row, "region")?,
            })
        })
        .transpose()
        .map_err(failed())
    }

    async fn store_key_uses(&self) -> Result<(), StoreError> {
        let failed = || StoreError::doing("store the last uses of access keys");
        let noted = {
            let mut noted = self.key_uses.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *noted)
        };
        if noted.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write(Durability::Buffered).await?;
        for (id, usage) in noted {
            sqlx::query(
                "INSERT INTO access_key_uses VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE \
                 SET used_at = excluded.used_at, service = excluded.service, region = excluded.region",
            )
            .bind(id.as_str())
            .bind(ms(usage.at))
            .bind(usage.service)
            .bind(usage.region.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())
    }
}
