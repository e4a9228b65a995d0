use async_trait::async_trait;
use drawbridge_session::{AccountId, Activation, ActivationId, Region};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Durability, Sqlite, json, moment, ms, parsed, to_json};
use crate::{Activations, StoreError, TokenHash};

#[async_trait]
impl Activations for Sqlite {
    async fn create_activation(&self, activation: &Activation, code: &TokenHash) -> Result<(), StoreError> {
        let failed = || StoreError::doing("create an activation");
        let mut transaction = self.write(Durability::Synced).await?;
        sqlx::query("INSERT INTO activations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(activation.id.as_str())
            .bind(activation.account.as_str())
            .bind(activation.region.as_str())
            .bind(code.as_bytes().as_slice())
            .bind(activation.description.as_deref())
            .bind(activation.default_instance_name.as_deref())
            .bind(activation.iam_role.as_str())
            .bind(activation.registration_limit)
            .bind(activation.registrations_count)
            .bind(ms(activation.expires_at))
            .bind(ms(activation.created_at))
            .bind(to_json(&activation.tags))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    async fn activation(
        &self,
        account: &AccountId,
        region: &Region,
        id: &ActivationId,
    ) -> Result<Option<Activation>, StoreError> {
        let failed = || StoreError::doing("read an activation");
        let row = sqlx::query("SELECT * FROM activations WHERE id = ? AND account = ? AND region = ?")
            .bind(id.as_str())
            .bind(account.as_str())
            .bind(region.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        row.as_ref().map(read).transpose().map_err(failed())
    }

    async fn activations_after(
        &self,
        account: &AccountId,
        region: &Region,
        after: Option<&ActivationId>,
        limit: u32,
    ) -> Result<Vec<Activation>, StoreError> {
        let failed = || StoreError::doing("list activations");
        let rows = sqlx::query(
            "SELECT * FROM activations WHERE account = ? AND region = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(account.as_str())
        .bind(region.as_str())
        .bind(after.map_or("", ActivationId::as_str))
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    async fn remove_activation(
        &self,
        account: &AccountId,
        region: &Region,
        id: &ActivationId,
    ) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("remove an activation");
        let mut transaction = self.write(Durability::Synced).await?;
        let removed = sqlx::query("DELETE FROM activations WHERE id = ? AND account = ? AND region = ?")
            .bind(id.as_str())
            .bind(account.as_str())
            .bind(region.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(removed.rows_affected() > 0)
    }
}

pub(super) fn read(row: &SqliteRow) -> Result<Activation, sqlx::Error> {
    Ok(Activation {
        id: parsed(row, "id")?,
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        description: row.try_get("description")?,
        default_instance_name: row.try_get("default_instance_name")?,
        iam_role: row.try_get("iam_role")?,
        registration_limit: row.try_get("registration_limit")?,
        registrations_count: row.try_get("registrations_count")?,
        expires_at: moment(row, "expires_at")?,
        created_at: moment(row, "created_at")?,
        tags: json(row, "tags")?,
    })
}
