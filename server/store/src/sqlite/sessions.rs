use async_trait::async_trait;
use drawbridge_session::{Grounds, Session, SessionId, SessionState};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::{Durability, Sqlite, json, moment, ms, parsed, to_json, tokens};
use crate::{
    CreateSessionError, SessionLimits, SessionPage, Sessions, StateChangeError, StoreError, TokenGrant,
};

#[async_trait]
impl Sessions for Sqlite {
    async fn create_session(
        &self,
        session: &Session,
        token: &TokenGrant,
        limits: SessionLimits,
    ) -> Result<(), CreateSessionError> {
        let failed = || StoreError::doing("create a session");
        let mut transaction = self.write(Durability::Synced).await?;
        if let Some(most) = limits.per_owner {
            let live = "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND owner_id = ?";
            let count = count_live(&mut transaction, live, &session.owner_id).await;
            if count.map_err(failed())? >= i64::from(most) {
                return Err(CreateSessionError::TooManyOfOwner(most));
            }
        }
        if let Some(most) = limits.per_node {
            let live = "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND node = ?";
            let count = count_live(&mut transaction, live, session.node.as_str()).await;
            if count.map_err(failed())? >= i64::from(most) {
                return Err(CreateSessionError::TooManyOnNode(most));
            }
        }
        sqlx::query("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(session.id.as_str())
            .bind(session.account.as_str())
            .bind(session.region.as_str())
            .bind(session.node.as_str())
            .bind(session.owner_arn.as_str())
            .bind(session.owner_id.as_str())
            .bind(session.reason.as_deref())
            .bind(to_json(&session.start))
            .bind(ms(session.started_at))
            .bind(to_json(&session.state))
            .bind(session.state.is_active())
            .bind(session.state.ending().map(|ending| ms(ending.at)))
            .bind(session.grounds.as_ref().map(to_json))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        tokens::insert(&mut transaction, token).await.map_err(failed())?;
        Ok(transaction.commit().await.map_err(failed())?)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        find(&self.readers, id).await
    }

    async fn sessions(&self, page: SessionPage<'_>) -> Result<Vec<Session>, StoreError> {
        let failed = || StoreError::doing("list sessions");
        let (before_at, before_id) = match &page.before {
            Some((at, id)) => (ms(*at), id.as_str()),
            None => (i64::MAX, ""),
        };
        let rows = sqlx::query(
            "SELECT * FROM sessions WHERE account = ? AND region = ? AND active = ? \
             AND (ended_at IS NULL OR ended_at >= ?) AND (started_at, id) < (?, ?) \
             ORDER BY started_at DESC, id DESC LIMIT ?",
        )
        .bind(page.account.as_str())
        .bind(page.region.as_str())
        .bind(page.active)
        .bind(ms(page.ended_since))
        .bind(before_at)
        .bind(before_id)
        .bind(page.limit)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    async fn live_sessions(&self) -> Result<Vec<Session>, StoreError> {
        let failed = || StoreError::doing("list live sessions");
        let rows = sqlx::query("SELECT * FROM sessions WHERE ended_at IS NULL ORDER BY id")
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed())
    }

    async fn change_session(&self, id: &SessionId, next: SessionState) -> Result<Session, StateChangeError> {
        let failed = || StoreError::doing("change a session's state");
        let mut transaction = self.write(Durability::Buffered).await?;
        let row = sqlx::query("SELECT * FROM sessions WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed())?
            .ok_or_else(|| StateChangeError::Unknown(id.clone()))?;
        let mut session = read(&row).map_err(failed())?;
        session.state = session.state.pass_to(next)?;
        sqlx::query("UPDATE sessions SET state = ?, active = ?, ended_at = ? WHERE id = ?")
            .bind(to_json(&session.state))
            .bind(session.state.is_active())
            .bind(session.state.ending().map(|ending| ms(ending.at)))
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        if session.state.ending().is_some() {
            sqlx::query("DELETE FROM tokens WHERE subject = ?")
                .bind(id.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
        }
        transaction.commit().await.map_err(failed())?;
        Ok(session)
    }
}

/// Finds a session by its id, live or past.
pub(super) async fn find(readers: &SqlitePool, id: &SessionId) -> Result<Option<Session>, StoreError> {
    let failed = || StoreError::doing("read a session");
    let row = sqlx::query("SELECT * FROM sessions WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(readers)
        .await
        .map_err(failed())?;
    row.as_ref().map(read).transpose().map_err(failed())
}

fn grounds(row: &SqliteRow) -> Result<Option<Grounds>, sqlx::Error> {
    match row.try_get::<Option<&str>, _>("grounds")? {
        Some(_) => json(row, "grounds").map(Some),
        None => Ok(None),
    }
}

fn read(row: &SqliteRow) -> Result<Session, sqlx::Error> {
    Ok(Session {
        id: parsed(row, "id")?,
        account: parsed(row, "account")?,
        region: parsed(row, "region")?,
        node: parsed(row, "node")?,
        owner_arn: row.try_get("owner_arn")?,
        owner_id: row.try_get("owner_id")?,
        reason: row.try_get("reason")?,
        start: json(row, "start")?,
        state: json(row, "state")?,
        started_at: moment(row, "started_at")?,
        grounds: grounds(row)?,
    })
}

async fn count_live(
    connection: &mut SqliteConnection,
    live: &'static str,
    of: &str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(live).bind(of).fetch_one(connection).await
}
