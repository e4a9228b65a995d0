//! The agent's folder: private files that are whole at every instant.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};
use tokio::time::{sleep, timeout};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// No file the agent keeps comes near this; a larger one is not the agent's.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Time between two looks at a lock that another process has.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A folder that only its owner can enter, and the files in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder {
    path: PathBuf,
}

/// Why the folder or a file in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The path is taken by something that is not a folder of this user's.
    #[error("`{}` is not a folder that belongs to this user", .0.display())]
    NotOurs(PathBuf),
    /// The system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is longer than anything the agent writes.
    #[error("`{}` is larger than {MAX_FILE_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
}

impl StateFolder {
    /// Returns where the agent keeps its files unless told otherwise: `/var/lib/drawbridge-agent` for root, else
    /// `$XDG_STATE_HOME/drawbridge-agent` or `~/.local/state/drawbridge-agent`.
    pub fn default_path(is_root: bool, xdg_state_home: Option<&Path>, home: &Path) -> PathBuf {
        const NAME: &str = "drawbridge-agent";
        match xdg_state_home {
            _ if is_root => Path::new("/var/lib").join(NAME),
            // Relative paths are invalid there (XDG base directory specification).
            Some(folder) if folder.is_absolute() => folder.join(NAME),
            _ => home.join(".local/state").join(NAME),
        }
    }

    /// Opens the folder, made with mode 0700 if it does not exist and closed to others if it was open to them.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or is a link or another user's.
    pub fn create(path: &Path) -> Result<Self, StateError> {
        let fail = |action| {
            move |source| StateError::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fail("create the folder of"))?;
        }
        match DirBuilder::new().mode(FOLDER_MODE).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fail("create")(error)),
            _ => Self::open(path),
        }
    }

    /// Opens a folder that must exist.
    ///
    /// # Errors
    ///
    /// When it does not exist, or is a link or another user's.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let fail = |action| {
            move |source| StateError::Io {
                action,
                path: path.to_owned(),
                source,
            }
        };
        let found = fs::symlink_metadata(path).map_err(fail("open"))?;
        if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(StateError::NotOurs(path.to_owned()));
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))
                .map_err(fail("close to others"))?;
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Returns where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the folder for this process until the returned file is dropped; `None` while another process has it.
    ///
    /// # Errors
    ///
    /// When the lock file cannot be made.
    pub fn lock(&self) -> Result<Option<File>, StateError> {
        let path = self.path.join("lock");
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path);
        let file = opened.map_err(|source| StateError::Io {
            action: "open",
            path: path.clone(),
            source,
        })?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(StateError::Io {
                action: "lock",
                path,
                source: error.into(),
            }),
        }
    }

    /// Takes the folder as [`lock`](Self::lock) does, and waits this long for a process that has it to end.
    ///
    /// # Errors
    ///
    /// When the lock file cannot be made.
    pub async fn lock_within(&self, patience: Duration) -> Result<Option<File>, StateError> {
        let taken = async {
            loop {
                if let Some(lock) = self.lock()? {
                    return Ok(Some(lock));
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        timeout(patience, taken).await.unwrap_or(Ok(None))
    }

    /// Writes a file of mode 0600 so that readers see all of it or what was there before, also after a power loss.
    ///
    /// # Errors
    ///
    /// When it cannot be written; what was there before is then still there.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), StateError> {
        static WRITES: AtomicU64 = AtomicU64::new(0);
        let write = WRITES.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(name);
        let unfinished = self.path.join(format!(".{name}.{}.{write}", std::process::id()));
        let written = create_private(&unfinished, content)
            .and_then(|()| fs::rename(&unfinished, &path))
            .and_then(|()| File::open(&self.path)?.sync_all());
        written.map_err(|source| {
            let _ = fs::remove_file(&unfinished);
            StateError::Io {
                action: "write",
                path,
                source,
            }
        })
    }

    /// Reads a file; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is a link, or is larger than 1 MiB.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.path.join(name);
        match read_whole(&path) {
            Ok(content) if content.len() as u64 > MAX_FILE_BYTES => Err(StateError::TooLarge(path)),
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io {
                action: "read",
                path,
                source,
            }),
        }
    }

    /// Renames a file within the folder, over another if there is one.
    ///
    /// # Errors
    ///
    /// When there is no such file or the system refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), StateError> {
        let path = self.path.join(from);
        fs::rename(&path, self.path.join(to)).map_err(|source| StateError::Io {
            action: "rename",
            path,
            source,
        })
    }

    /// Removes a file; one that is not there is not an error.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError::Io {
                action: "remove",
                path,
                source,
            }),
            _ => Ok(()),
        }
    }
}

fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    // A rest of a killed process with the same number; the folder is private, so nobody else put it there.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, StateFolder) {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = StateFolder::create(&parent.path().join("a/state")).expect("created");
        (parent, folder)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o7777
    }

    #[test]
    fn is_private_and_so_are_its_files_under_any_umask() {
        // Process-wide, but no other test of this crate depends on it: every private file is made with its own mode.
        let before = rustix::process::umask(rustix::fs::Mode::empty());
        let (_parent, folder) = folder();
        folder.write("key", b"secret").expect("written");
        rustix::process::umask(before);
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("key")), 0o600);
    }

    #[test]
    fn closes_a_folder_that_was_open() {
        let (_parent, folder) = folder();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("opened");
        StateFolder::create(folder.path()).expect("there already");
        assert_eq!(mode(folder.path()), 0o700);
    }

    #[test]
    fn refuses_a_link_in_its_place() {
        let (parent, folder) = folder();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).expect("linked");
        assert!(matches!(StateFolder::create(&link), Err(StateError::NotOurs(_))));
    }

    #[test]
    fn does_not_read_through_links_or_from_pipes() {
        let (_parent, folder) = folder();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).expect("linked");
        assert!(folder.read("link").is_err());
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("made");
        assert_eq!(
            folder.read("pipe").expect("an empty pipe has nothing"),
            Some(Vec::new())
        );
    }

    #[test]
    fn replaces_files_whole() {
        let (_parent, folder) = folder();
        assert_eq!(folder.read("file").expect("readable"), None);
        folder.write("file", b"one").expect("written");
        folder.write("file", b"two").expect("written");
        assert_eq!(
            folder.read("file").expect("readable").as_deref(),
            Some(&b"two"[..])
        );
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
        folder.remove("file").expect("removed");
        folder.remove("file").expect("nothing to remove");
    }

    #[test]
    fn belongs_to_one_process_at_a_time() {
        let (_parent, folder) = folder();
        let held = folder.lock().expect("lockable").expect("free");
        assert!(folder.lock().expect("lockable").is_none());
        drop(held);
        assert!(folder.lock().expect("lockable").is_some());
    }

    #[tokio::test]
    async fn is_waited_for_while_another_process_ends_that_has_it() {
        let (_parent, folder) = folder();
        let held = folder.lock().expect("lockable").expect("free");
        assert!(
            folder
                .lock_within(Duration::ZERO)
                .await
                .expect("lockable")
                .is_none()
        );
        // Let go only after the first look.
        let (taken, ()) = tokio::join!(folder.lock_within(Duration::from_secs(60)), async { drop(held) });
        let _taken = taken.expect("lockable").expect("free by then");
        assert!(folder.lock().expect("lockable").is_none());
    }

    #[tokio::test]
    async fn is_taken_at_once_where_nobody_has_it() {
        let (_parent, folder) = folder();
        assert!(
            folder
                .lock_within(Duration::ZERO)
                .await
                .expect("lockable")
                .is_some()
        );
    }

    #[test]
    fn has_a_place_for_root_and_for_everyone_else() {
        let (home, state) = (Path::new("/home/a"), Path::new("/state"));
        let place = |root, xdg| StateFolder::default_path(root, xdg, home).display().to_string();
        assert_eq!(place(true, Some(state)), "/var/lib/drawbridge-agent");
        assert_eq!(place(false, Some(state)), "/state/drawbridge-agent");
        assert_eq!(
            place(false, Some(Path::new("relative"))),
            "/home/a/.local/state/drawbridge-agent"
        );
        assert_eq!(place(false, None), "/home/a/.local/state/drawbridge-agent");
    }
}
