//! The names of what an archive holds, and which files of a data folder are in one.

use std::path::{Component, Path, PathBuf};

use crate::{Sqlite, root_key};

pub(super) const HEADER: &str = "backup.json";
pub(super) const ROOT_KEY: &str = root_key::FILE_NAME;
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const TAG: &str = "manifest.hmac";

/// The folder of the files that are as they were.
pub(super) const DATA: &str = "data/";
/// The folder of the files that are sealed under the root key.
pub(super) const SEALED: &str = "sealed/";
/// What files are sealed for; the context is the entry.
pub(super) const SEAL_PURPOSE: &str = "backup file";

/// What a folder of ours for the time of a backup is called, before a random part.
pub(super) const SCRATCH: &str = ".backup-";

/// The files that are secrets in the clear: the key of the certificate authority.
const SECRETS: [&str; 1] = ["ca.key"];

/// What is made again at the next start, belongs to this machine, or is copied in another way.
const LEFT_OUT: [&str; 8] = [
    ROOT_KEY,
    Sqlite::FILE_NAME,
    "drawbridge.sqlite-wal",
    "drawbridge.sqlite-shm",
    "lock",
    // The administrator's key in the clear, and the roots of this machine.
    "env",
    "ca-bundle.pem",
    "node.id",
];

/// The folder of the node that `drawbridge dev` runs: it is this machine, with keys in the clear.
const OWN_NODE: &str = "node";

/// The longest path in an archive: what its header holds. Nothing of ours comes near it.
const MAX_PATH: usize = 250;
/// The most folders inside one another.
const MAX_DEPTH: usize = 16;

/// Says whether something at the top of a data folder is in a backup.
pub(super) fn is_kept(name: &str) -> bool {
    !LEFT_OUT.contains(&name) && name != OWN_NODE && !name.starts_with(SCRATCH)
}

/// Says whether a file is sealed in a backup.
pub(super) fn is_secret(path: &str) -> bool {
    SECRETS.contains(&path)
}

/// Where an entry belongs in a data folder, and whether it is sealed; `None` for one that is no file of a backup.
pub(super) fn place(entry: &str) -> Option<(PathBuf, bool)> {
    let (path, sealed) = match (entry.strip_prefix(DATA), entry.strip_prefix(SEALED)) {
        (Some(path), _) => (path, false),
        (None, Some(path)) => (path, true),
        (None, None) => return None,
    };
    let top = path.split('/').next()?;
    let is_database = path == Sqlite::FILE_NAME;
    let fits = is_safe(path) && (is_database || is_kept(top)) && sealed == is_secret(path);
    fits.then(|| (PathBuf::from(path), sealed))
}

/// Says whether a path leads to one place inside a folder, and is written in one way.
pub(super) fn is_safe(path: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && !part.starts_with(SCRATCH) && !part.chars().any(|c| c.is_control() || c == '\\')
    };
    let normal = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    // `Path` reads `a/./b` and `a//b` as `a/b`.
    let written_once = path
        .split('/')
        .all(|part| plain(part) && part != "." && part != "..");
    normal && written_once && path.len() <= MAX_PATH && path.split('/').count() <= MAX_DEPTH
}
