//! Writing a backup, while a server runs on the folder or not.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use drawbridge_session::Random;
use jiff::Timestamp;
use tempfile::TempDir;

use super::BackupError;
use super::entries::{self, DATA, HEADER, MANIFEST, ROOT_KEY, SCRATCH, SEAL_PURPOSE, SEALED, TAG};
use super::manifest::{Hasher, Header, Manifest, Summary, tag};
use crate::sqlite::copy_database;
use crate::{RootKey, Sqlite};

/// A data folder with a copy of its database as it was at one moment.
#[derive(Debug)]
pub struct BackupFolder {
    path: PathBuf,
    root: RootKey,
    scratch: TempDir,
    /// Where the bytes of objects lie, if they are not in the folder.
    objects_at: Option<String>,
}

/// The folder of the journal.
const JOURNAL: &str = "journal/";

/// The file of the copy.
const COPY: &str = "copy.sqlite";

/// How hard to compress: the most that is sealed cannot be.
const LEVEL: i32 = 3;

/// How much of a file is read at once.
const CHUNK: usize = 128 * 1024;

impl BackupFolder {
    /// Copies the database of a folder, into the same folder.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be copied.
    pub async fn open(path: &Path) -> Result<Self, BackupError> {
        let database = path.join(Sqlite::FILE_NAME);
        if !database.is_file() {
            return Err(BackupError::NotAFolder(path.to_owned()));
        }
        let root = RootKey::load(path)?;
        let scratch = tempfile::Builder::new()
            .prefix(SCRATCH)
            .tempdir_in(path)
            .map_err(|source| BackupError::File {
                path: path.to_owned(),
                source,
            })?;
        let objects_at = copy_database(&database, &scratch.path().join(COPY)).await?;
        Ok(Self {
            path: path.to_owned(),
            root,
            scratch,
            objects_at,
        })
    }

    /// Returns how many bytes there are to copy at this moment.
    pub fn bytes(&self) -> u64 {
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        let copy = size(&self.scratch.path().join(COPY));
        let files = self.files().unwrap_or_default();
        files
            .iter()
            .fold(copy, |sum, name| sum + size(&self.path.join(name)))
    }

    /// Lists the files below the folder that are in a backup, besides the database. The journal comes last: recordings are
    /// made from it, so that it has everything that they refer to.
    fn files(&self) -> Result<Vec<String>, BackupError> {
        let mut files = Vec::new();
        list(&self.path, "", &mut files)?;
        files.sort_unstable_by_key(|name: &String| (name.starts_with(JOURNAL), name.clone()));
        Ok(files)
    }
}

/// Writes a backup of the folder; `passed` is told of every byte that was copied.
///
/// Files that are removed meanwhile are left out. Of a file that grows, what was there when its turn came is copied.
///
/// # Errors
///
/// When a file cannot be read or the archive cannot be written.
pub fn write(
    folder: &BackupFolder,
    out: impl Write,
    with_root_key: bool,
    now: Timestamp,
    random: &dyn Random,
    passed: &mut dyn FnMut(u64),
) -> Result<Summary, BackupError> {
    let compressed = zstd::Encoder::new(out, LEVEL).map_err(BackupError::Write)?;
    let mut archive = Archive {
        tar: tar::Builder::new(compressed),
        manifest: Manifest::default(),
        now,
    };
    let header = Header::new(&folder.root, now);
    archive.add(HEADER, &json(&header)?)?;
    if with_root_key {
        archive.add(ROOT_KEY, folder.root.as_bytes())?;
    }
    let copy = folder.scratch.path().join(COPY);
    archive.copy(&format!("{DATA}{}", Sqlite::FILE_NAME), &copy, passed)?;
    for name in folder.files()? {
        let path = folder.path.join(&name);
        if entries::is_secret(&name) {
            let plain = fs::read(&path).map_err(|source| BackupError::File { path, source })?;
            let entry = format!("{SEALED}{name}");
            let sealed = folder.root.seal(SEAL_PURPOSE, entry.as_bytes(), &plain, random);
            archive.add(&entry, &sealed)?;
        } else {
            archive.copy(&format!("{DATA}{name}"), &path, passed)?;
        }
    }
    archive.finish(folder, with_root_key)
}

struct Archive<W: Write> {
    tar: tar::Builder<zstd::Encoder<'static, W>>,
    manifest: Manifest,
    now: Timestamp,
}

impl<W: Write> Archive<W> {
    /// Adds a file that is in memory.
    fn add(&mut self, entry: &str, content: &[u8]) -> Result<(), BackupError> {
        let mut hasher = Hasher::new();
        hasher.update(content);
        self.append(entry, content.len() as u64, content)?;
        self.manifest.files.push(hasher.listed(entry));
        Ok(())
    }

    /// Adds a file of the disk, unless it is gone.
    fn copy(&mut self, entry: &str, path: &Path, passed: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
        let failed = |source| BackupError::File {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let size = file.metadata().map_err(failed)?.len();
        let mut hasher = Hasher::new();
        let passing = Passing {
            file: file.take(size),
            hasher: &mut hasher,
            passed,
        };
        self.append(entry, size, io::BufReader::with_capacity(CHUNK, passing))?;
        let listed = hasher.listed(entry);
        if listed.size != size {
            let shrank = io::Error::other("it became shorter while it was copied");
            return Err(failed(shrank));
        }
        self.manifest.files.push(listed);
        Ok(())
    }

    fn append(&mut self, entry: &str, size: u64, content: impl Read) -> Result<(), BackupError> {
        let mut header = tar::Header::new_ustar();
        header.set_path(entry).map_err(BackupError::Write)?;
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.now.as_second()).unwrap_or(0));
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        self.tar.append(&header, content).map_err(BackupError::Write)
    }

    fn finish(mut self, folder: &BackupFolder, root_key_included: bool) -> Result<Summary, BackupError> {
        let summary = Summary {
            created_at: self.now,
            files: self.manifest.files.len(),
            bytes: self.manifest.files.iter().map(|file| file.size).sum(),
            root_key_included,
            objects_at: folder.objects_at.clone(),
        };
        let manifest = json(&self.manifest)?;
        let tag = hex::encode(tag(&folder.root, &manifest));
        self.append(MANIFEST, manifest.len() as u64, manifest.as_slice())?;
        self.append(TAG, tag.len() as u64, tag.as_bytes())?;
        let compressed = self.tar.into_inner().map_err(BackupError::Write)?;
        let mut out = compressed.finish().map_err(BackupError::Write)?;
        out.flush().map_err(BackupError::Write)?;
        Ok(summary)
    }
}

/// A file that is hashed and counted while it is read.
struct Passing<'a, R> {
    file: R,
    hasher: &'a mut Hasher,
    passed: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Passing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        (self.passed)(read as u64);
        Ok(read)
    }
}

/// Lists the regular files below a folder; refuses what is neither a file nor a folder, and paths that no archive holds.
fn list(folder: &Path, below: &str, files: &mut Vec<String>) -> Result<(), BackupError> {
    let failed = |path: PathBuf, source| BackupError::File { path, source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Removed since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !below.is_empty() => return Ok(()),
        Err(error) => return Err(failed(folder.to_owned(), error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| failed(folder.to_owned(), error))?;
        let path = entry.path();
        let refused = |why: &str| Err(failed(path.clone(), io::Error::other(why.to_owned())));
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return refused("its name is not UTF-8");
        };
        if below.is_empty() && !entries::is_kept(name) {
            continue;
        }
        let name = format!("{below}{name}");
        if !entries::is_safe(&name) {
            return refused("its path is too long or has characters that a backup does not hold");
        }
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(path, error)),
        };
        if kind.is_dir() {
            list(&path, &format!("{name}/"), files)?;
        } else if kind.is_file() {
            files.push(name);
        } else {
            return refused("it is neither a file nor a folder");
        }
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|error| BackupError::Write(error.into()))
}
