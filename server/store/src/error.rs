use std::error::Error;
use std::io::{self, ErrorKind};

/// Says what the store was doing when it failed; the cause is in the source.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot {doing}")]
pub struct StoreError {
    doing: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Names what failed, to complete `the store cannot …`, and why.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            doing,
            source: source.into(),
        }
    }

    /// Whether the disk is full.
    pub fn lacks_room(&self) -> bool {
        let mut cause = self.source();
        while let Some(error) = cause {
            if lacks_room(error) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Returns a function that names what failed, for `map_err`.
    pub(crate) fn doing<E: Into<Box<dyn Error + Send + Sync>>>(
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::new(doing, source)
    }
}

fn lacks_room(error: &(dyn Error + 'static)) -> bool {
    if let Some(sqlx::Error::Database(refused)) = error.downcast_ref() {
        return refused.code().as_deref() == Some(SQLITE_FULL);
    }
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}

/// SQLite's result code of a disk that is full.
const SQLITE_FULL: &str = "13";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_a_full_disk_from_another_failure() {
        let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.expect("opens");
        for statement in ["PRAGMA max_page_count = 2", "CREATE TABLE small (text)"] {
            sqlx::query(statement).execute(&pool).await.expect("room");
        }
        let fill = async |statement| {
            let failed = sqlx::query(statement).execute(&pool).await.expect_err("no room");
            StoreError::new("write", failed)
        };
        assert!(
            fill("INSERT INTO small VALUES (zeroblob(100000))")
                .await
                .lacks_room()
        );
        assert!(!fill("INSERT INTO unknown VALUES (1)").await.lacks_room());

        let full = StoreError::new("write", io::Error::from(ErrorKind::StorageFull));
        assert!(StoreError::new("write its audit log", full).lacks_room());
        assert!(!StoreError::new("write", io::Error::from(ErrorKind::NotFound)).lacks_room());
    }
}
