//! The one connection that writes, and commits that share their syncs.
//!
//! SQLite commits without waiting for the disk (`synchronous = NORMAL`): a transaction is then in the write-ahead log
//! and survives the process. What must survive a loss of power too waits for the next sync of that log, as do all
//! others who committed meanwhile, while the connection already serves the next. A log is replayed from its start to
//! the first frame that is torn, so what was synced is there with everything before it.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, mpsc, oneshot};

use crate::StoreError;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy)]
pub(super) enum Durability {
    Synced,
    Buffered,
}

/// Commits that wait for a sync; whoever brings one more waits for a place.
const QUEUE: usize = 256;

/// Hands out the connection that writes, to one at a time.
///
/// A pool of one would ask the connection whether it lives after each use, which costs as much as a statement.
#[derive(Clone)]
pub(super) struct Writer {
    /// `None` when it is closed.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    syncs: mpsc::Sender<Waiting>,
}

/// The connection, until it is dropped.
pub(super) type Held = OwnedMappedMutexGuard<Option<SqliteConnection>, SqliteConnection>;

/// A transaction; dropped, it changes nothing.
pub(super) struct Writing {
    /// `None` when it is committed.
    connection: Option<Held>,
    durability: Durability,
    syncs: mpsc::Sender<Waiting>,
}

/// Tells whoever waits for a sync what became of it.
type Waiting = oneshot::Sender<Result<(), Arc<io::Error>>>;

impl Writer {
    /// Connects to the file, which is in write-ahead mode, and starts the task that syncs its log.
    ///
    /// The task ends with the last clone.
    pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let mut log = options.get_filename().as_os_str().to_owned();
        log.push("-wal");
        let connection = options.connect().await?;
        let (syncs, queue) = mpsc::channel(QUEUE);
        tokio::spawn(sync_all(PathBuf::from(log), queue));
        Ok(Self {
            connection: Arc::new(Mutex::new(Some(connection))),
            syncs,
        })
    }

    /// Waits for the connection.
    pub(super) async fn acquire(&self) -> Result<Held, sqlx::Error> {
        let held = Arc::clone(&self.connection).lock_owned().await;
        OwnedMutexGuard::try_map(held, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)
    }

    /// Waits for the connection and begins; reads inside the transaction see what the write will find.
    pub(super) async fn begin(&self, durability: Durability) -> Result<Writing, StoreError> {
        let failed = || StoreError::doing("begin a transaction");
        let connection = self.acquire().await.map_err(failed())?;
        // Before it begins: whoever stops waiting for that may have begun.
        let mut writing = Writing {
            connection: Some(connection),
            durability,
            syncs: self.syncs.clone(),
        };
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *writing)
            .await
            .map_err(failed())?;
        Ok(writing)
    }

    /// Closes the connection after whoever has it.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // What it does not tidy up, the next to open the file does.
            let _ = connection.close().await;
        }
    }
}

impl Writing {
    /// Makes the changes last, and waits for the disk if they were begun so.
    ///
    /// # Errors
    ///
    /// After a sync that failed the changes are there, and may be gone when the power is.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut *self).await?;
        // The next may have it while this one waits.
        self.connection = None;
        match self.durability {
            Durability::Buffered => Ok(()),
            Durability::Synced => self.synced().await,
        }
    }

    async fn synced(&self) -> Result<(), sqlx::Error> {
        let ended = || sqlx::Error::Io(io::Error::other("its log is no longer synced"));
        let (done, outcome) = oneshot::channel();
        self.syncs.send(done).await.map_err(|_| ended())?;
        let synced = outcome.await.map_err(|_| ended())?;
        synced.map_err(|error| sqlx::Error::Io(io::Error::new(error.kind(), error)))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        // Without a runtime the process is ending, and the next to open the file finds nothing of it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Fails where nothing had begun.
                let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
            });
        }
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.connection.as_ref().expect("held until it is committed")
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("held until it is committed")
    }
}

/// Syncs the log for whoever waits; whoever comes meanwhile waits for the next sync.
async fn sync_all(log: PathBuf, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(QUEUE);
    let mut failed = None;
    while queue.recv_many(&mut waiting, QUEUE).await > 0 {
        // Once a sync has failed nobody knows what is on the disk, and the next would say nothing about it.
        if failed.is_none() {
            failed = sync(&log).await.map_err(Arc::new).err();
        }
        let outcome = failed.clone().map_or(Ok(()), Err);
        for done in waiting.drain(..) {
            // Whoever no longer waits does not want to know.
            let _ = done.send(outcome.clone());
        }
    }
}

async fn sync(log: &Path) -> io::Result<()> {
    // SQLite's locks are on its other files, so that closing this one drops none of them.
    let log = log.to_owned();
    let synced = tokio::task::spawn_blocking(move || File::open(log)?.sync_data());
    synced.await?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use sqlx::sqlite::SqliteJournalMode;

    async fn writer(folder: &Path) -> Writer {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("x.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let writer = Writer::connect(&options).await.expect("connects");
        let table = sqlx::query("CREATE TABLE t (n INTEGER)");
        let mut connection = writer.acquire().await.expect("open");
        table.execute(&mut *connection).await.expect("created");
        writer
    }

    async fn insert(writer: &Writer, durability: Durability) -> Result<(), sqlx::Error> {
        let mut writing = writer.begin(durability).await.expect("begins");
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut *writing)
            .await?;
        writing.commit().await
    }

    async fn count(writer: &Writer) -> i64 {
        let mut connection = writer.acquire().await.expect("open");
        let count = sqlx::query_scalar("SELECT count(*) FROM t");
        count.fetch_one(&mut *connection).await.expect("counted")
    }

    #[tokio::test]
    async fn those_who_commit_together_all_learn_of_the_sync() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = writer(folder.path()).await;
        let inserts: Vec<_> = (0..50)
            .map(|_| {
                let writer = writer.clone();
                tokio::spawn(async move { insert(&writer, Durability::Synced).await })
            })
            .collect();
        for inserted in inserts {
            inserted.await.expect("runs").expect("synced");
        }
        assert_eq!(count(&writer).await, 50);
    }

    #[tokio::test]
    async fn what_is_not_committed_is_undone() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = writer(folder.path()).await;
        let mut writing = writer.begin(Durability::Synced).await.expect("begins");
        sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut *writing)
            .await
            .expect("inserted");
        drop(writing);
        insert(&writer, Durability::Synced).await.expect("synced");
        assert_eq!(count(&writer).await, 1);
    }

    #[tokio::test]
    async fn nothing_begins_after_it_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = writer(folder.path()).await;
        writer.close().await;
        assert!(writer.begin(Durability::Buffered).await.is_err());
    }

    #[tokio::test]
    async fn once_a_sync_failed_nothing_is_called_durable() {
        let folder = tempfile::tempdir().expect("a folder");
        let writer = writer(folder.path()).await;
        let (log, away) = (folder.path().join("x.db-wal"), folder.path().join("away"));
        fs::rename(&log, &away).expect("moved");
        let error = insert(&writer, Durability::Synced).await.expect_err("not synced");
        assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
        fs::rename(&away, &log).expect("moved back");
        insert(&writer, Durability::Synced).await.expect_err("not known");
        insert(&writer, Durability::Buffered)
            .await
            .expect("promises nothing");
    }
}
