//! The data folder, which one server at a time may use.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Holds a data folder for this process until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another server has it.
    #[error("data folder `{path}` is in use by another drawbridge{holder}", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Which process has it, as ` (process 123)`, or nothing if it does not say.
        holder: String,
    },
    /// It cannot be made or written.
    #[error("cannot use data folder `{path}`", path = path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

const LOCK_FILE: &str = "lock";

impl DataFolder {
    /// Makes the folder where it is missing (mode 0700) and locks it.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let unusable = |source| FolderError::Unusable {
            path: path.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let lock_path = path.join(LOCK_FILE);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&lock_path).unwrap_or_default();
                let holder = holder
                    .trim()
                    .parse::<u32>()
                    .map_or(String::new(), |id| format!(" (process {id})"));
                return Err(FolderError::InUse {
                    path: path.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        lock.set_len(0).map_err(unusable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Returns the folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn is_used_by_one_at_a_time() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("a/b");
        let folder = DataFolder::open(&path).expect("free");
        assert_eq!(
            fs::metadata(&path).expect("made").permissions().mode() & 0o777,
            0o700
        );
        let error = DataFolder::open(&path).expect_err("in use");
        let expected = format!(
            "data folder `{}` is in use by another drawbridge (process {})",
            path.display(),
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
        drop(folder);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn says_why_it_cannot_be_made() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("file");
        fs::write(&path, "").expect("written");
        assert!(matches!(
            DataFolder::open(&path.join("x")),
            Err(FolderError::Unusable { .. })
        ));
    }
}
