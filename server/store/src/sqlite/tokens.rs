use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, Sqlite, json, moment, ms, to_json};
use crate::{Redeemed, StoreError, TokenBinding, TokenGrant, TokenHash, Tokens};

#[async_trait]
impl Tokens for Sqlite {
    async fn grant_token(&self, grant: &TokenGrant) -> Result<(), StoreError> {
        let failed = || StoreError::doing("grant a token");
        let mut transaction = self.write(Durability::Buffered).await?;
        insert(&mut transaction, grant).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())
    }

    async fn redeem_token(&self, token: &str, now: Timestamp) -> Result<Option<Redeemed>, StoreError> {
        let failed = || StoreError::doing("redeem a token");
        // Whoever guesses must not keep the writer from others; that one of two who race wins is decided below.
        let known = sqlx::query("SELECT 1 FROM tokens WHERE hash = ?")
            .bind(TokenHash::of(token).as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        if known.is_none() {
            return Ok(None);
        }
        let mut transaction = self.write(Durability::Buffered).await?;
        let row =
            sqlx::query("DELETE FROM tokens WHERE hash = ? RETURNING subject, purpose, expires_at, grounds")
                .bind(TokenHash::of(token).as_bytes().as_slice())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        let Some(row) = row else { return Ok(None) };
        if now >= moment(&row, "expires_at").map_err(failed())? {
            return Ok(None);
        }
        let subject: &str = row.try_get("subject").map_err(failed())?;
        let purpose: &str = row.try_get("purpose").map_err(failed())?;
        let grounds: Option<&str> = row.try_get("grounds").map_err(failed())?;
        let grounds = grounds
            .map(|_| json(&row, "grounds"))
            .transpose()
            .map_err(failed())?;
        let binding = TokenBinding::restore(subject, purpose)?;
        Ok(Some(Redeemed { binding, grounds }))
    }
}

/// Stores a token in the place of those that it supersedes, and drops what expired unused.
pub(super) async fn insert(connection: &mut SqliteConnection, grant: &TokenGrant) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM tokens WHERE expires_at <= ?")
        .bind(ms(grant.granted_at))
        .execute(&mut *connection)
        .await?;
    for purpose in grant.binding.supersedes() {
        sqlx::query("DELETE FROM tokens WHERE subject = ? AND purpose = ?")
            .bind(grant.binding.subject())
            .bind(*purpose)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query("INSERT INTO tokens VALUES (?, ?, ?, ?, ?)")
        .bind(grant.hash.as_bytes().as_slice())
        .bind(grant.binding.subject())
        .bind(grant.binding.purpose())
        .bind(ms(grant.expires_at))
        .bind(grant.grounds.as_ref().map(to_json))
        .execute(connection)
        .await?;
    Ok(())
}
