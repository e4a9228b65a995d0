//! Giving the disk back what removed rows took.
//!
//! SQLite keeps the pages of removed rows for later ones. Where uploads stop for want of room on the disk, nobody would ever need
//! them: who had filled it with log events could not empty it.

use super::{Sqlite, StoreError};

/// Free pages that are kept for later rows, of 4 KiB each.
const KEPT_PAGES: i64 = 1024;

/// Pages that are given back before somebody else may write.
const PAGES_AT_ONCE: i64 = 1024;

impl Sqlite {
    /// Makes the file shorter by what is free in it. One that an earlier build made stays as it is.
    pub(super) async fn give_room_back(&self) -> Result<(), StoreError> {
        let failed = || StoreError::doing("give room back to the disk");
        let mut free = self.free_pages().await.map_err(failed())?;
        while free > KEPT_PAGES {
            let some = (free - KEPT_PAGES).min(PAGES_AT_ONCE);
            let vacuum = format!("PRAGMA incremental_vacuum({some})");
            self.pragma(vacuum).await.map_err(failed())?;
            let left = self.free_pages().await.map_err(failed())?;
            if left >= free {
                return Ok(());
            }
            free = left;
            // The file is cut when its log is written into it, which may be long after.
            self.pragma("PRAGMA wal_checkpoint(PASSIVE)".to_owned())
                .await
                .map_err(failed())?;
        }
        Ok(())
    }

    async fn pragma(&self, pragma: String) -> Result<(), sqlx::Error> {
        let mut connection = self.writer.acquire().await?;
        let pragma = sqlx::raw_sql(sqlx::AssertSqlSafe(pragma));
        pragma.execute(&mut *connection).await.map(drop)
    }

    async fn free_pages(&self) -> Result<i64, sqlx::Error> {
        let mut connection = self.writer.acquire().await?;
        sqlx::query_scalar("PRAGMA freelist_count")
            .fetch_one(&mut *connection)
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drawbridge_session::SeededRandom;
    use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions};
    use sqlx::{ConnectOptions as _, Connection as _};

    use super::*;
    use crate::RootKey;

    const PAGE: u64 = 4096;
    const ROWS: u64 = 64;
    const ROW: usize = 256 * 1024;

    /// Pages of the full file, of the emptied one, and as many as are on the disk then.
    async fn filled_and_emptied(vacuum: SqliteAutoVacuum) -> (u64, u64, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(Sqlite::FILE_NAME);
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true);
        let mut made = options.auto_vacuum(vacuum).connect().await.expect("made");
        let table = sqlx::query("CREATE TABLE flood (bytes BLOB)");
        table.execute(&mut made).await.expect("made");
        made.close().await.expect("closed");
        let root = Arc::new(RootKey::ephemeral(&SeededRandom::new(1)));
        let store = Sqlite::open(&file, root).await.expect("opened");
        let pages = async || -> u64 {
            let mut connection = store.writer.acquire().await.expect("free");
            let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
                .fetch_one(&mut *connection)
                .await
                .expect("counted");
            u64::try_from(pages).expect("some")
        };
        let run = async |sql: &'static str| {
            let mut connection = store.writer.acquire().await.expect("free");
            sqlx::query(sql).execute(&mut *connection).await.expect("run");
        };
        for _ in 0..ROWS {
            let mut connection = store.writer.acquire().await.expect("free");
            sqlx::query("INSERT INTO flood VALUES (?)")
                .bind(vec![7; ROW])
                .execute(&mut *connection)
                .await
                .expect("stored");
        }
        let full = pages().await;
        run("DELETE FROM flood").await;
        store.give_room_back().await.expect("given back");
        let emptied = pages().await;
        let length = file.metadata().expect("there").len() / PAGE;
        store.close().await;
        (full, emptied, length)
    }

    #[tokio::test]
    async fn what_was_removed_makes_the_file_shorter() {
        let (full, emptied, length) = filled_and_emptied(SqliteAutoVacuum::Incremental).await;
        let flood = ROWS * ROW as u64 / PAGE;
        assert!(
            full >= flood && emptied <= full - flood + KEPT_PAGES as u64,
            "{full} {emptied}"
        );
        assert_eq!(length, emptied);
    }

    #[tokio::test]
    async fn a_file_of_an_earlier_build_keeps_its_length() {
        let (full, emptied, _) = filled_and_emptied(SqliteAutoVacuum::None).await;
        assert_eq!(full, emptied);
    }
}
