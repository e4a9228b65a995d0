//! Restoring a backup into an empty folder.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::BackupError;
use super::entries::{self, HEADER, MANIFEST, ROOT_KEY, SCRATCH, SEAL_PURPOSE, TAG};
use super::manifest::{Hasher, Header, Listed, Manifest, Summary, is_tagged};
use crate::blobs::PLACE_SETTING;
use crate::{DataFolder, FolderError, RootKey, Settings as _, Space, Sqlite};

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup holds.
    pub backup: Summary,
    /// How many sessions were live when it was made; they have ended.
    pub sessions_ended: usize,
}

/// What a session is told that was live when its backup was made.
const ENDED: &str = "the server was restored from a backup";

/// The longest header, sealed file and manifest. A hundred bytes of a manifest stand for a file.
const MAX_SMALL: u64 = 64 * 1024;
const MAX_MANIFEST: u64 = 512 * 1024 * 1024;
/// The most files.
const MAX_FILES: usize = 4_000_000;
/// How much of a file is held at once.
const CHUNK: usize = 128 * 1024;

/// Restores a backup into a folder that is empty or not there; `passed` is told of every byte that was unpacked.
///
/// Nothing is where a server finds it before everything has been checked. The root key comes from `key`, or else from the
/// backup.
///
/// # Errors
///
/// Says what is wrong with the archive, the key or the folder, which then holds nothing but a lock.
pub async fn restore(
    archive: impl Read,
    folder: &Path,
    key: Option<RootKey>,
    now: Timestamp,
    passed: &mut dyn FnMut(u64),
) -> Result<Restored, BackupError> {
    let failed = |source| BackupError::Folder {
        path: folder.to_owned(),
        source,
    };
    if !is_empty(folder).map_err(failed)? {
        return Err(BackupError::NotEmpty(folder.to_owned()));
    }
    let _held = DataFolder::open(folder).map_err(|error| failed(unusable(error)))?;
    let staging = tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(folder)
        .map_err(failed)?;
    let unpacked = unpack(archive, staging.path(), key, passed)?;
    unpacked.root.store(staging.path())?;
    let root = Arc::new(unpacked.root);
    let database = Sqlite::open(&staging.path().join(Sqlite::FILE_NAME), root).await?;
    let ended = database.end_what_was_live(ENDED, now).await;
    let objects_at = database.setting(PLACE_SETTING).await;
    database.close().await;
    let sessions_ended = ended?;
    let backup = Summary {
        objects_at: objects_at?,
        ..unpacked.backup
    };
    settle(staging.path(), folder).map_err(failed)?;
    Ok(Restored {
        backup,
        sessions_ended,
    })
}

/// Says whether a folder is not there or holds nothing; a lock is nothing.
fn is_empty(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        Ok(mut found) => Ok(found.all(|entry| entry.is_ok_and(|entry| entry.file_name() == "lock"))),
    }
}

fn unusable(error: FolderError) -> io::Error {
    match error {
        FolderError::Unusable { source, .. } => source,
        in_use @ FolderError::InUse { .. } => io::Error::other(in_use),
    }
}

/// Moves what was checked to where a server finds it, the database last: without it there is no server's folder.
fn settle(staging: &Path, folder: &Path) -> io::Result<()> {
    sync_all(staging)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(staging)? {
        names.push(entry?.file_name());
    }
    names.sort_by_key(|name| name == Sqlite::FILE_NAME);
    for name in names {
        fs::rename(staging.join(&name), folder.join(&name))?;
    }
    File::open(folder)?.sync_all()
}

/// Makes everything below a folder survive a loss of power.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// An archive that was checked to its end.
struct Unpacked {
    root: RootKey,
    backup: Summary,
}

fn unpack(
    archive: impl Read,
    staging: &Path,
    key: Option<RootKey>,
    passed: &mut dyn FnMut(u64),
) -> Result<Unpacked, BackupError> {
    let decoder = zstd::Decoder::new(archive).map_err(BackupError::Read)?;
    let mut archive = tar::Archive::new(decoder);
    let mut unpacking = Unpacking {
        staging,
        free: free_bytes(staging)?,
        key,
        header: None,
        listed: Vec::new(),
        names: HashSet::new(),
        manifest: None,
        tag: None,
        key_included: false,
        passed,
    };
    // Raw: extensions for long names and sparse files are entries of other types, and refused.
    for entry in archive.entries().map_err(BackupError::Read)?.raw(true) {
        unpacking.take(entry.map_err(BackupError::Read)?)?;
    }
    unpacking.finish()
}

/// What has been read of an archive so far.
struct Unpacking<'a> {
    staging: &'a Path,
    /// The bytes that the disk has room for.
    free: u64,
    key: Option<RootKey>,
    header: Option<Header>,
    listed: Vec<Listed>,
    names: HashSet<String>,
    manifest: Option<Vec<u8>>,
    tag: Option<Vec<u8>>,
    key_included: bool,
    passed: &'a mut dyn FnMut(u64),
}

impl Unpacking<'_> {
    fn take<R: Read>(&mut self, mut entry: tar::Entry<'_, R>) -> Result<(), BackupError> {
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(malformed("it has an entry that is no regular file"));
        }
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| malformed("an entry's name is not UTF-8"))?;
        if self.tag.is_some() {
            return Err(malformed("it goes on after its end"));
        }
        if self.names.len() >= MAX_FILES {
            return Err(malformed("it has too many files"));
        }
        if !self.names.insert(name.clone()) {
            return Err(malformed(format!("`{}` is there twice", name.escape_debug())));
        }
        match (name.as_str(), self.header.is_some(), self.manifest.is_some()) {
            (HEADER, false, _) => self.take_header(&mut entry),
            (_, false, _) => Err(malformed("it does not begin with its header")),
            (TAG, _, true) => {
                self.tag = Some(small(&mut entry, MAX_SMALL)?);
                Ok(())
            }
            (_, _, true) => Err(malformed("it goes on after its manifest")),
            (MANIFEST, ..) => {
                self.manifest = Some(small(&mut entry, MAX_MANIFEST)?);
                Ok(())
            }
            (ROOT_KEY, ..) if self.listed.len() == 1 => self.take_key(&mut entry),
            _ => self.take_file(&name, entry),
        }
    }

    fn take_header(&mut self, entry: &mut impl Read) -> Result<(), BackupError> {
        let bytes = small(entry, MAX_SMALL)?;
        let header = Header::read(&bytes)?;
        if self.key.as_ref().is_some_and(|key| !header.is_of(key)) {
            return Err(BackupError::OtherRootKey);
        }
        self.header = Some(header);
        self.list(HEADER, &bytes);
        Ok(())
    }

    fn take_key(&mut self, entry: &mut impl Read) -> Result<(), BackupError> {
        let bytes = zeroize::Zeroizing::new(small(entry, MAX_SMALL)?);
        let key = RootKey::from_bytes(&bytes).ok_or_else(|| malformed("its root key is none"))?;
        if !self.header.as_ref().is_some_and(|header| header.is_of(&key)) {
            return Err(BackupError::OtherRootKey);
        }
        self.key = Some(key);
        self.key_included = true;
        self.list(ROOT_KEY, &bytes);
        Ok(())
    }

    fn take_file<R: Read>(&mut self, name: &str, mut entry: tar::Entry<'_, R>) -> Result<(), BackupError> {
        let (place, sealed) = entries::place(name)
            .ok_or_else(|| malformed(format!("`{}` is no file of a backup", name.escape_debug())))?;
        let key = self.key.as_ref().ok_or(BackupError::NoRootKey)?;
        let place = self.staging.join(place);
        if sealed {
            let bytes = small(&mut entry, MAX_SMALL)?;
            let plain = key
                .open(SEAL_PURPOSE, name.as_bytes(), &bytes)
                .map_err(|_| malformed(format!("`{name}` cannot be opened")))?;
            let mut file = create(&place)?;
            file.write_all(&plain)
                .map_err(|source| folder_error(&place, source))?;
            self.list(name, &bytes);
            return Ok(());
        }
        let size = entry.size();
        self.free = self
            .free
            .checked_sub(size)
            .ok_or(BackupError::NoRoom(self.free))?;
        let listed = self.copy(name, &mut entry, &place)?;
        if listed.size != size {
            return Err(malformed(format!("`{name}` is cut off")));
        }
        self.listed.push(listed);
        Ok(())
    }

    fn copy(&mut self, name: &str, entry: &mut impl Read, place: &Path) -> Result<Listed, BackupError> {
        let mut file = create(place)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = entry.read(&mut buffer).map_err(BackupError::Read)?;
            if read == 0 {
                return Ok(hasher.listed(name));
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read])
                .map_err(|source| folder_error(place, source))?;
            (self.passed)(read as u64);
        }
    }

    /// Notes a file that was read whole.
    fn list(&mut self, name: &str, bytes: &[u8]) {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        self.listed.push(hasher.listed(name));
    }

    fn finish(self) -> Result<Unpacked, BackupError> {
        let (Some(header), Some(manifest), Some(tag)) = (self.header, self.manifest, self.tag) else {
            return Err(malformed("it is cut off"));
        };
        let root = self.key.ok_or(BackupError::NoRootKey)?;
        let tag = hex::decode(tag).map_err(|_| malformed("its signature cannot be read"))?;
        if !is_tagged(&root, &manifest, &tag) {
            return Err(malformed("its manifest was changed"));
        }
        if Manifest::read(&manifest)?.files != self.listed {
            return Err(malformed("its files are not those of its manifest"));
        }
        if !self.staging.join(Sqlite::FILE_NAME).is_file() {
            return Err(malformed("it holds no database"));
        }
        let backup = Summary {
            created_at: header.created_at,
            files: self.listed.len(),
            bytes: self.listed.iter().map(|file| file.size).sum(),
            root_key_included: self.key_included,
            // Its database says so, once it is open.
            objects_at: None,
        };
        Ok(Unpacked { root, backup })
    }
}

/// Reads a small file whole.
fn small(entry: &mut impl Read, most: u64) -> Result<Vec<u8>, BackupError> {
    let mut bytes = Vec::new();
    let read = entry.take(most + 1).read_to_end(&mut bytes);
    if read.map_err(BackupError::Read)? as u64 > most {
        return Err(malformed("one of its small files is large"));
    }
    Ok(bytes)
}

/// Makes a file that is not there, and the folders above it.
fn create(place: &Path) -> Result<File, BackupError> {
    let failed = |source| folder_error(place, source);
    if let Some(above) = place.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(above)
            .map_err(failed)?;
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(place)
        .map_err(failed)
}

fn free_bytes(folder: &Path) -> Result<u64, BackupError> {
    let space = Space::of(folder).map_err(|error| folder_error(folder, error))?;
    Ok(space.free_bytes)
}

fn folder_error(path: &Path, source: io::Error) -> BackupError {
    BackupError::Folder {
        path: PathBuf::from(path),
        source,
    }
}

fn malformed(why: impl Into<String>) -> BackupError {
    BackupError::Malformed(why.into())
}
