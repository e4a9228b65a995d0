use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use async_trait::async_trait;
use drawbridge_session::iam::{Change, Directory, Entity};
use drawbridge_session::{AccessKeyId, Account, AccountId, OrganizationId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::{Durability, Sqlite, moment, ms, parsed, to_json};
use crate::{Directories, DirectoryEdit, StoreError};

/// What is kept in memory: every account with its directory.
pub(super) struct Snapshots {
    accounts: RwLock<BTreeMap<AccountId, Held>>,
    changes: watch::Sender<u64>,
}

/// One account's snapshot, and the turn of whoever edits it.
struct Held {
    account: Account,
    directory: Arc<Directory>,
    turn: Arc<Mutex<()>>,
}

impl Snapshots {
    pub(super) fn empty() -> Self {
        Self {
            accounts: RwLock::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Says that something changed which decisions depend on.
    pub(super) fn access_changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<AccountId, Held>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, account: Account, directory: Directory) {
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let held = Held {
            account,
            directory: Arc::new(directory),
            turn: Arc::default(),
        };
        accounts.insert(held.account.id.clone(), held);
    }

    fn replace(&self, directory: Directory) {
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = accounts.get_mut(directory.account()) {
            held.directory = Arc::new(directory);
        }
        drop(accounts);
        self.access_changed();
    }
}

impl Sqlite {
    /// Reads every account and its directory into memory.
    pub(super) async fn load_directories(&self) -> Result<(), StoreError> {
        let failed = || StoreError::doing("read its accounts");
        let mut connection = self.writer.acquire().await.map_err(failed())?;
        let accounts = sqlx::query("SELECT * FROM accounts")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed())?;
        for row in &accounts {
            let account = read_account(row).map_err(failed())?;
            let bodies: Vec<String> = sqlx::query_scalar("SELECT body FROM iam_entities WHERE account = ?")
                .bind(account.id.as_str())
                .fetch_all(&mut *connection)
                .await
                .map_err(failed())?;
            let entities: Vec<Entity> = bodies
                .iter()
                .map(|body| serde_json::from_str(body))
                .collect::<Result<_, _>>()
                .map_err(StoreError::doing("read the identities of an account"))?;
            let directory = Directory::restore(&account.id, entities)
                .map_err(StoreError::doing("put the identities of an account together"))?;
            self.snapshots.hold(account, directory);
        }
        Ok(())
    }
}

#[async_trait]
impl Directories for Sqlite {
    fn directory(&self, account: &AccountId) -> Option<Arc<Directory>> {
        let accounts = self.snapshots.read();
        accounts.get(account).map(|held| Arc::clone(&held.directory))
    }

    fn directory_of_key(&self, key: &AccessKeyId) -> Option<Arc<Directory>> {
        let accounts = self.snapshots.read();
        let holds = |held: &&Held| held.directory.find_access_key(key).is_some();
        accounts
            .values()
            .find(holds)
            .map(|held| Arc::clone(&held.directory))
    }

    fn accounts(&self) -> Vec<Account> {
        let accounts = self.snapshots.read();
        accounts.values().map(|held| held.account.clone()).collect()
    }

    fn organization_of(&self, account: &AccountId) -> Option<OrganizationId> {
        let accounts = self.snapshots.read();
        accounts.get(account)?.account.organization.clone()
    }

    async fn create_account_with(
        &self,
        account: &Account,
        mut directory: Directory,
    ) -> Result<bool, StoreError> {
        debug_assert_eq!(*directory.account(), account.id, "a directory is of one account");
        let failed = || StoreError::doing("create an account");
        let mut transaction = self.write(Durability::Synced).await?;
        let created = sqlx::query("INSERT INTO accounts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(account.id.as_str())
            .bind(account.name.as_str())
            .bind(account.email.as_str())
            .bind(account.organization.as_ref().map(OrganizationId::as_str))
            .bind(ms(account.created_at))
            .execute(&mut *transaction)
            .await
            .map_err(failed())?
            .rows_affected();
        if created == 0 {
            return Ok(false);
        }
        let changes = directory.take_changes();
        write_changes(&mut transaction, &account.id, &changes)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.snapshots.hold(account.clone(), directory);
        Ok(true)
    }

    async fn edit_directory(
        &self,
        account: &AccountId,
    ) -> Result<Option<Box<dyn DirectoryEdit>>, StoreError> {
        let turn = match self.snapshots.read().get(account) {
            Some(held) => Arc::clone(&held.turn),
            None => return Ok(None),
        };
        let turn = turn.lock_owned().await;
        // Only now: the one before may have changed it.
        let Some(directory) = self.directory(account) else {
            return Ok(None);
        };
        Ok(Some(Box::new(Edit {
            directory: Directory::clone(&directory),
            store: self.clone(),
            _turn: turn,
        })))
    }

    fn access_changes(&self) -> watch::Receiver<u64> {
        self.snapshots.changes.subscribe()
    }
}

struct Edit {
    directory: Directory,
    store: Sqlite,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl DirectoryEdit for Edit {
    fn directory(&mut self) -> &mut Directory {
        &mut self.directory
    }

    async fn store(self: Box<Self>) -> Result<(), StoreError> {
        // In a task of its own: whoever waits may go away between the commit and the new snapshot.
        tokio::spawn(self.commit())
            .await
            .map_err(StoreError::doing("change a directory"))?
    }
}

impl Edit {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let failed = || StoreError::doing("change a directory");
        let changes = self.directory.take_changes();
        if changes.is_empty() {
            return Ok(());
        }
        let account = self.directory.account().clone();
        let mut transaction = self.store.write(Durability::Synced).await?;
        write_changes(&mut transaction, &account, &changes)
            .await
            .map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        self.store.snapshots.replace(self.directory);
        Ok(())
    }
}

async fn write_changes(
    connection: &mut SqliteConnection,
    account: &AccountId,
    changes: &[Change],
) -> Result<(), sqlx::Error> {
    for Change { key, entity } in changes {
        let query = match entity {
            Some(entity) => sqlx::query(
                "INSERT INTO iam_entities VALUES (?, ?, ?, ?) \
                 ON CONFLICT (account, kind, name) DO UPDATE SET body = excluded.body",
            )
            .bind(account.as_str())
            .bind(key.kind.as_str())
            .bind(key.name.as_str())
            .bind(to_json(entity)),
            None => sqlx::query("DELETE FROM iam_entities WHERE account = ? AND kind = ? AND name = ?")
                .bind(account.as_str())
                .bind(key.kind.as_str())
                .bind(key.name.as_str()),
        };
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

fn read_account(row: &SqliteRow) -> Result<Account, sqlx::Error> {
    let organization: Option<&str> = row.try_get("organization")?;
    Ok(Account {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        organization: organization.map(|_| parsed(row, "organization")).transpose()?,
        created_at: moment(row, "created_at")?,
    })
}
