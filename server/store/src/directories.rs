//! The accounts of the server, and who and what each of them has in IAM.
//!
//! Directories are small and read by every request, so they are kept in memory whole: a reader takes a snapshot, a
//! writer edits a copy, stores what changed in one transaction and puts the copy in the snapshot's place.

use std::sync::Arc;

use async_trait::async_trait;
use drawbridge_session::iam::{Directory, IamError};
use drawbridge_session::{AccessKeyId, Account, AccountId, OrganizationId};
use tokio::sync::watch;

use crate::StoreError;

/// Remembers accounts and their directories.
#[async_trait]
pub trait Directories: Send + Sync {
    /// Returns an account's directory as it is now.
    fn directory(&self, account: &AccountId) -> Option<Arc<Directory>>;

    /// Returns the directory that has an access key, active or not.
    fn directory_of_key(&self, key: &AccessKeyId) -> Option<Arc<Directory>>;

    /// Returns every account, in the order of their ids.
    fn accounts(&self) -> Vec<Account>;

    /// Returns the organization that an account belongs to.
    fn organization_of(&self, account: &AccountId) -> Option<OrganizationId>;

    /// Stores a new account with what it has from the beginning; returns whether there was none of this id.
    async fn create_account_with(&self, account: &Account, directory: Directory) -> Result<bool, StoreError>;

    /// Stores a new account with an empty directory; returns whether there was none of this id.
    async fn create_account(&self, account: &Account) -> Result<bool, StoreError> {
        self.create_account_with(account, Directory::new(account.id.clone()))
            .await
    }

    /// Begins a change of an account's directory; others wait until it is stored or dropped.
    async fn edit_directory(&self, account: &AccountId)
    -> Result<Option<Box<dyn DirectoryEdit>>, StoreError>;

    /// Counts the changes that decisions depend on: of directories, of tags, and of settings.
    fn access_changes(&self) -> watch::Receiver<u64>;
}

/// A change of a directory under way.
#[async_trait]
pub trait DirectoryEdit: Send {
    /// Returns the copy that is edited.
    fn directory(&mut self) -> &mut Directory;

    /// Stores what changed.
    async fn store(self: Box<Self>) -> Result<(), StoreError>;
}

/// Says whether a user, role or session that a policy names is there; accounts of other servers are taken at their word.
pub fn principal_exists(store: &dyn Directories, name: &str) -> bool {
    let mut parts = name.split(':');
    match (parts.next(), parts.nth(3)) {
        (Some("arn"), Some(account)) => match AccountId::parse(account).map(|id| store.directory(&id)) {
            Ok(Some(directory)) => directory.has_principal(name),
            Ok(None) | Err(_) => true,
        },
        // A unique id does not say whose it is.
        _ => {
            let accounts = store.accounts();
            let mut directories = accounts.iter().filter_map(|account| store.directory(&account.id));
            directories.any(|directory| directory.has_principal(name))
        }
    }
}

/// Why a directory was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// IAM's rules refuse it.
    #[error(transparent)]
    Refused(#[from] IamError),
    /// The server has no such account.
    #[error("there is no account {0}")]
    UnknownAccount(AccountId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes an account's directory by a rule, and stores what the rule changed.
pub async fn change_directory<T: Send>(
    store: &(impl Directories + ?Sized),
    account: &AccountId,
    rule: impl FnOnce(&mut Directory) -> Result<T, IamError> + Send,
) -> Result<T, ChangeError> {
    let edit = store.edit_directory(account).await?;
    let mut edit = edit.ok_or_else(|| ChangeError::UnknownAccount(account.clone()))?;
    let outcome = rule(edit.directory())?;
    edit.store().await?;
    Ok(outcome)
}
