//! A copy of the database for a backup, and what becomes of one that is restored.

use std::path::Path;
use std::time::Duration;

use drawbridge_session::{Ending, SessionState};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Durability, Sqlite};
use crate::blobs::{OWNER_SETTING, PLACE_SETTING};
use crate::{Sessions as _, StateChangeError, StoreError};

/// Writes the database as it is at one moment into a new file, which a server may be writing meanwhile. Returns where the
/// bytes of objects lie, if that is outside of the data folder.
pub(crate) async fn copy_database(file: &Path, into: &Path) -> Result<Option<String>, StoreError> {
    let failed = || StoreError::doing("copy its database");
    let into = into
        .to_str()
        .ok_or_else(|| StoreError::new("copy its database", "the copy's path is not UTF-8"))?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(Duration::from_secs(10));
    let mut connection = options.connect().await.map_err(failed())?;
    sqlx::query("VACUUM INTO ?")
        .bind(into)
        .execute(&mut connection)
        .await
        .map_err(failed())?;
    let place = sqlx::query_scalar("SELECT value FROM settings WHERE name = ?")
        .bind(PLACE_SETTING)
        .fetch_optional(&mut connection)
        .await
        .map_err(failed())?;
    connection.close().await.map_err(failed())?;
    Ok(place)
}

impl Sqlite {
    /// Ends every session that was live, withdraws every token, and lets go of a place of objects outside of the folder;
    /// returns how many sessions there were.
    ///
    /// For a store that was restored: its sessions went on elsewhere, and its tokens may have been used since.
    pub async fn end_what_was_live(&self, details: &str, now: Timestamp) -> Result<usize, StoreError> {
        let live = self.live_sessions().await?;
        for session in &live {
            let ended = SessionState::Failed(Ending {
                at: now,
                details: details.to_owned(),
                exit_code: None,
            });
            match self.change_session(&session.id, ended).await {
                Ok(_) | Err(StateChangeError::Unknown(_)) => {}
                Err(error) => return Err(StoreError::new("end a session", error)),
            }
        }
        let failed = || StoreError::doing("withdraw tokens");
        let mut transaction = self.write(Durability::Synced).await?;
        sqlx::query("DELETE FROM tokens")
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        // Where objects lie outside of the folder they are still those of the folder that was copied.
        sqlx::query("DELETE FROM settings WHERE name = ?")
            .bind(OWNER_SETTING)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        Ok(live.len())
    }
}
