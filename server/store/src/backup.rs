//! Backups of a data folder: one archive, from which another folder like it is made.
//!
//! ```text
//! zstd( tar:
//!   backup.json         what wrote it and when, and a value by which its root key is known
//!   root.key            only if it was asked for
//!   data/…              the files of the folder, the database first
//!   sealed/ca.key       files that would be secrets in the clear, sealed under the root key
//!   manifest.json       every file above with its size and SHA-256
//!   manifest.hmac       HMAC-SHA-256 of the manifest, under a key derived from the root key
//! )
//! ```
//!
//! The database is copied first, at one moment. Whatever it refers to was written before it, so it is among the files that
//! are copied afterwards, unless it was removed in between.
//!
//! The archive is hostile until its last entry has been checked: nothing is unpacked where a server would find it.

mod entries;
mod manifest;
mod read;
mod write;

use std::io;
use std::path::PathBuf;

use crate::{RootKeyError, StoreError};

pub use manifest::{Header, Summary};
pub use read::{Restored, restore};
pub use write::{BackupFolder, write};

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder is not one of a server.
    #[error("`{path}` is not the data folder of a server", path = .0.display())]
    NotAFolder(PathBuf),
    /// A file of the folder cannot be read, or is none.
    #[error("cannot copy `{path}`", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive cannot be written.
    #[error("cannot write the backup")]
    Write(#[source] io::Error),
    /// The archive cannot be read, or is none.
    #[error("cannot read the backup")]
    Read(#[source] io::Error),
    /// The archive holds what a backup does not.
    #[error("this is no backup that can be trusted: {0}")]
    Malformed(String),
    /// Neither the archive nor the arguments have the root key.
    #[error("the backup does not hold the root key, which it was made with")]
    NoRootKey,
    /// It was made with another root key.
    #[error("the backup was made with another root key")]
    OtherRootKey,
    /// The folder to restore into has something in it.
    #[error("`{path}` is not an empty folder", path = .0.display())]
    NotEmpty(PathBuf),
    /// The folder to restore into cannot be made.
    #[error("cannot restore into `{path}`", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is less room than the archive takes up.
    #[error("the backup takes up more than the {0} bytes that are free")]
    NoRoom(u64),
    /// The root key cannot be read or written.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// The database cannot be copied or opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests;
