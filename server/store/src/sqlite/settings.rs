use async_trait::async_trait;

use super::{Durability, Sqlite};
use crate::{Settings, StoreError};

#[async_trait]
impl Settings for Sqlite {
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM settings WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map_err(StoreError::doing("read a setting"))
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let failed = || StoreError::doing("store a setting");
        let mut transaction = self.write(Durability::Synced).await?;
        sqlx::query(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(())
    }

    async fn remove_setting(&self, name: &str) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("remove a setting");
        let mut transaction = self.write(Durability::Synced).await?;
        let removed = sqlx::query("DELETE FROM settings WHERE name = ?")
            .bind(name)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.access_changed();
        Ok(removed.rows_affected() > 0)
    }
}
