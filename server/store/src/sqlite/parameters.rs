use async_trait::async_trait;
use drawbridge_session::Tag;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, Sqlite, moment, ms, parsed, tags};
use crate::parameters::{MAX_PARAMETER_VERSIONS, MAX_PARAMETERS};
use crate::{Parameter, ParameterAt, Parameters, PutParameterError, StoreError, TagsOf};

#[async_trait]
impl Parameters for Sqlite {
    async fn parameter(
        &self,
        at: ParameterAt<'_>,
        version: Option<u32>,
    ) -> Result<Option<Parameter>, StoreError> {
        let failed = || StoreError::doing("read a parameter");
        let row = sqlx::query(
            "SELECT * FROM parameters WHERE account = ? AND region = ? AND name = ? AND version = coalesce(?, version) \
             ORDER BY version DESC LIMIT 1",
        )
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .bind(version)
        .fetch_optional(&self.readers)
        .await
        .map_err(failed())?;
        row.as_ref().map(read).transpose().map_err(failed())
    }

    async fn put_parameter(&self, parameter: &Parameter, tags: &[Tag]) -> Result<(), PutParameterError> {
        let failed = || StoreError::doing("store a parameter");
        let mut transaction = self.write(Durability::Synced).await?;
        let newest = newest(&mut transaction, parameter.at()).await.map_err(failed())?;
        if parameter.version != newest.unwrap_or(0).saturating_add(1) {
            return Err(PutParameterError::Changed);
        }
        if newest.is_none() {
            let others = count(&mut transaction, parameter.at()).await.map_err(failed())?;
            if others >= i64::from(MAX_PARAMETERS) {
                return Err(PutParameterError::TooMany);
            }
            // Tags that came while one of that name was removed are not this one's.
            let of = TagsOf::parameter(parameter.at());
            tags::remove_all(&mut transaction, of).await.map_err(failed())?;
            tags::insert(&mut transaction, of, tags).await.map_err(failed())?;
        }
        insert(&mut transaction, parameter).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(())
    }

    async fn remove_parameter(&self, at: ParameterAt<'_>) -> Result<bool, StoreError> {
        let failed = || StoreError::doing("remove a parameter");
        let mut transaction = self.write(Durability::Synced).await?;
        let removed = sqlx::query("DELETE FROM parameters WHERE account = ? AND region = ? AND name = ?")
            .bind(at.account.as_str())
            .bind(at.region.as_str())
            .bind(at.name)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        tags::remove_all(&mut transaction, TagsOf::parameter(at))
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(removed.rows_affected() > 0)
    }
}

async fn newest(connection: &mut SqliteConnection, at: ParameterAt<'_>) -> Result<Option<u32>, sqlx::Error> {
    sqlx::query_scalar("SELECT max(version) FROM parameters WHERE account = ? AND region = ? AND name = ?")
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .bind(at.name)
        .fetch_one(connection)
        .await
}

async fn count(connection: &mut SqliteConnection, at: ParameterAt<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT count(DISTINCT name) FROM parameters WHERE account = ? AND region = ?")
        .bind(at.account.as_str())
        .bind(at.region.as_str())
        .fetch_one(connection)
        .await
}

/// Inserts a version, and removes the one that is too old then.
async fn insert(connection: &mut SqliteConnection, parameter: &Parameter) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO parameters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(parameter.account.as_str())
        .bind(parameter.region.as_str())
        .bind(&parameter.name)
        .bind(parameter.version)
        .bind(parameter.kind.as_str())
        .bind(&parameter.value)
        .bind(&parameter.description)
        .bind(&parameter.allowed_pattern)
        .bind(ms(parameter.modified_at))
        .bind(&parameter.modified_by)
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM parameters WHERE account = ? AND region = ? AND name = ? AND version <= ?")
        .bind(parameter.account.as_str())
        .bind(parameter.region.as_str())
        .bind(&parameter.name)
        .bind(i64::from(parameter.version) - i64::from(MAX_PARAMETER_VERSIONS))
        .execute(connection)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Parameter, sqlx::Error> {
    Ok(Parameter {
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        kind: parsed(row, "kind")?,
        value: row.try_get("value")?,
        description: row.try_get("description")?,
        allowed_pattern: row.try_get("allowed_pattern")?,
        modified_at: moment(row, "modified_at")?,
        modified_by: row.try_get("modified_by")?,
    })
}
