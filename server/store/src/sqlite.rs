//! The store in one SQLite file, in write-ahead mode: one connection writes, a few read.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _, SqliteConnection, SqlitePool};

use access_keys::NotedUses;
use audit::Recorder;
use directories::Snapshots;
use writer::{Durability, Writer, Writing};

use crate::{RootKey, Store, StoreError};

mod access_keys;
mod activations;
mod audit;
mod buckets;
mod copy;
mod directories;
mod documents;
mod inspection;
mod keyring;
mod log_events;
mod log_groups;
mod nodes;
mod objects;
mod parameters;
mod room;
mod sessions;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
mod tokens;
mod uploads;
mod writer;

pub(crate) use copy::copy_database;
pub use inspection::Inspection;

/// The store in one SQLite file.
///
/// What was promised to someone (a registration, an activation, a session's existence) is on the disk when its
/// method returns; what the next report or attempt replaces (tokens, states, pings) survives the process, and only
/// a loss of power can undo its last moments.
#[derive(Clone)]
pub struct Sqlite {
    writer: Writer,
    readers: SqlitePool,
    root: Arc<RootKey>,
    snapshots: Arc<Snapshots>,
    key_uses: Arc<NotedUses>,
    audit: Recorder,
}

const READERS: u32 = 4;

/// Each file is one step of the schema; `user_version` counts the steps that were taken.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_sessions.sql"),
    include_str!("../migrations/0002_audit.sql"),
    include_str!("../migrations/0003_directories.sql"),
    include_str!("../migrations/0004_enrolled_nodes.sql"),
    include_str!("../migrations/0005_joined.sql"),
    include_str!("../migrations/0006_documents.sql"),
    include_str!("../migrations/0007_parameters.sql"),
    include_str!("../migrations/0008_keys.sql"),
    include_str!("../migrations/0009_objects.sql"),
    include_str!("../migrations/0010_logs.sql"),
];

impl Sqlite {
    /// The name of the file inside the data folder.
    pub const FILE_NAME: &str = "drawbridge.sqlite";

    /// Opens the file, made where it is missing, and brings its schema up to date.
    pub async fn open(file: &Path, root: Arc<RootKey>) -> Result<Self, StoreError> {
        keep_to_ourselves(file).map_err(StoreError::doing("create its database"))?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("wal_autocheckpoint", "4000")
            .busy_timeout(Duration::from_secs(10));
        let failed = || StoreError::doing("open its database");
        // Takes effect in a new file.
        let writing = options.clone().auto_vacuum(SqliteAutoVacuum::Incremental);
        let writer = Writer::connect(&writing).await.map_err(failed())?;
        migrate(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .max_lifetime(None)
            .connect_lazy_with(options.read_only(true));
        let audit = Recorder::start(&writer, &root).await?;
        let store = Self {
            writer,
            readers,
            root,
            snapshots: Arc::new(Snapshots::empty()),
            key_uses: Arc::default(),
            audit,
        };
        store.load_directories().await?;
        Ok(store)
    }

    /// Closes the file; calls that come later fail.
    pub async fn close(&self) {
        self.audit.stop().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Waits for the writer and begins.
    async fn write(&self, durability: Durability) -> Result<Writing, StoreError> {
        self.writer.begin(durability).await
    }
}

impl Store for Sqlite {}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

/// Makes the file where it is missing, for this user only; SQLite gives its side files the same mode.
fn keep_to_ourselves(file: &Path) -> std::io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .map(drop)
}

async fn migrate(writer: &Writer) -> Result<(), StoreError> {
    let failed = || StoreError::doing("bring its schema up to date");
    let mut connection = writer.acquire().await.map_err(failed())?;
    let done: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed())?;
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        return Err(StoreError::new(
            "open its database",
            format!(
                "its schema has version {done}, and this program knows {} at most",
                MIGRATIONS.len()
            ),
        ));
    }
    for (at, step) in MIGRATIONS.iter().enumerate().skip(done) {
        let mut transaction = connection.begin().await.map_err(failed())?;
        sqlx::raw_sql(*step)
            .execute(&mut *transaction)
            .await
            .map_err(failed())?;
        set_version(&mut transaction, at + 1).await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
    }
    Ok(())
}

async fn set_version(connection: &mut SqliteConnection, version: usize) -> Result<(), sqlx::Error> {
    let pragma = format!("PRAGMA user_version = {version}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(pragma))
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes a moment as the column holds it.
fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Reads a moment from a column.
fn moment(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    let ms: i64 = row.try_get(column)?;
    Timestamp::from_millisecond(ms).map_err(|error| undecodable(column, error))
}

/// Reads a text column into what it stands for.
fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error: T::Err| undecodable(column, error))
}

/// Reads a JSON column.
fn json<T: serde::de::DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|error| undecodable(column, error))
}

fn undecodable(column: &str, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(error),
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data is serializable")
}
