//! Where a copy goes, as `cp` understands it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};

use crate::exchange::CopyError;
use crate::frame::{Entry, Kind};
use crate::words::{reason, shown};

/// A path that something is copied to: into the folder it names, or else under that name.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The path, whose links are followed: whoever receives has named it.
    pub path: PathBuf,
    /// Whether it must be a folder, because more than one thing is copied.
    pub must_be_folder: bool,
    /// Whether to go on with files of which a part is there.
    pub resume: bool,
}

/// What may be sent.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How often each name; `None` where the sender alone decides what is copied.
    names: Option<BTreeMap<Vec<u8>, usize>>,
    pub(super) recursive: bool,
}

/// A folder that exists, and the name in it if there is but one.
pub(super) struct Place {
    pub(super) folder: OwnedFd,
    pub(super) name: Option<Vec<u8>>,
}

impl Asked {
    /// Whatever is sent, as on a node whose account is what limits it.
    pub fn anything() -> Self {
        Self {
            names: None,
            recursive: true,
        }
    }

    /// What these paths name at the other end, each once: files, and folders where `recursive`.
    pub fn for_paths<'a>(paths: impl IntoIterator<Item = &'a Path>, recursive: bool) -> Self {
        let mut names = BTreeMap::new();
        for name in paths.into_iter().filter_map(Path::file_name) {
            *names.entry(name.as_bytes().to_vec()).or_default() += 1;
        }
        Self {
            names: Some(names),
            recursive,
        }
    }

    /// Whether something at the top may come, which it then may once less. Links never may: what a person names is followed.
    pub(super) fn admits(&mut self, entry: &Entry) -> bool {
        let kind_fits = match entry.kind {
            Kind::File { .. } => true,
            Kind::Folder => self.recursive,
            Kind::Link { .. } => false,
        };
        let Some(names) = &mut self.names else {
            return kind_fits;
        };
        match names.get_mut(entry.path.top()) {
            Some(count) if kind_fits && *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}

impl Destination {
    pub(super) fn find(&self) -> Result<Place, CopyError> {
        let refused = |path: &Path, error: &io::Error| {
            let path = shown(path.as_os_str().as_bytes());
            CopyError::Unable(format!("cannot copy to `{path}`: {}", reason(error)))
        };
        let path = match self.path.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.path,
        };
        let (is_folder, path) = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => (true, Cow::Borrowed(path)),
            // A link to a file stays one, and the file that it leads to is replaced.
            Ok(_) => {
                let file = std::fs::canonicalize(path).map_err(|error| refused(path, &error))?;
                (false, Cow::Owned(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (false, Cow::Borrowed(path)),
            Err(error) => return Err(refused(path, &error)),
        };
        let path = &*path;
        let ends_in_slash = path.as_os_str().as_bytes().ends_with(b"/");
        let (folder, name) = match path.file_name() {
            _ if is_folder => (path, None),
            Some(name) if !self.must_be_folder && !ends_in_slash => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let name = name.to_os_string().into_vec();
                (parent.unwrap_or(Path::new(".")), Some(name))
            }
            _ => {
                let path = shown(path.as_os_str().as_bytes());
                return Err(CopyError::Unable(format!("`{path}` is not an existing folder")));
            }
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = open(folder, flags, Mode::empty()).map_err(|error| refused(folder, &error.into()))?;
        Ok(Place { folder: opened, name })
    }
}
