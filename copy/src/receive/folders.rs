//! The folders on the way to the present entry, held open so that nobody can put another in their place.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, futimens, mkdirat, openat};
use rustix::io::Errno;

use crate::EntryPath;
use crate::frame::Modified;

/// A tree that grows depth first below one folder, and never beside it.
pub(super) struct Folders {
    root: OwnedFd,
    /// What the one thing that is copied is called here.
    name: Option<Vec<u8>>,
    /// Whether folders that are there may be an earlier copy's, which did not finish them.
    resumes: bool,
    open: Vec<Folder>,
}

struct Folder {
    name: Vec<u8>,
    descriptor: OwnedFd,
    /// What it becomes when everything is in it, unless it is somebody else's.
    finish: Option<(u16, Modified)>,
}

impl Folders {
    /// Begins in `root`. With a `name`, that is what the outermost entry is called.
    pub(super) fn new(root: OwnedFd, name: Option<Vec<u8>>, resumes: bool) -> Self {
        Self {
            root,
            name,
            resumes,
            open: Vec::new(),
        }
    }

    /// Whether there is room for one outermost entry only.
    pub(super) fn has_one_place(&self) -> bool {
        self.name.is_some()
    }

    /// Returns the folder that an entry belongs in and its name there. No link is followed on the way.
    pub(super) fn parent_of(&mut self, path: &EntryPath) -> io::Result<(BorrowedFd<'_>, Vec<u8>)> {
        let mut names: Vec<Vec<u8>> = path.names().map(<[u8]>::to_vec).collect();
        if let (Some(own), Some(first)) = (&self.name, names.first_mut()) {
            first.clone_from(own);
        }
        let name = names.pop().unwrap_or_default();
        let shared = self
            .open
            .iter()
            .zip(&names)
            .take_while(|(folder, name)| folder.name == **name)
            .count();
        self.leave(shared);
        for name in names.drain(shared..) {
            let descriptor = enter(self.innermost(), &name)?;
            self.open.push(Folder {
                name,
                descriptor,
                finish: None,
            });
        }
        Ok((self.innermost(), name))
    }

    /// Makes a folder, or takes the one that is there as it is; or, to resume, takes it as if it had just been made.
    pub(super) fn make(&mut self, path: &EntryPath, mode: u16, modified: Modified) -> io::Result<()> {
        let resumes = self.resumes;
        let (parent, name) = self.parent_of(path)?;
        let is_new = match mkdirat(parent, &name[..], Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let descriptor = enter(parent, &name)?;
        if resumes && !is_new {
            // Where this fails, so will what is written to it, and that is told.
            let _ = fchmod(&descriptor, Mode::RWXU);
        }
        self.open.push(Folder {
            name,
            descriptor,
            finish: (is_new || resumes).then_some((mode, modified)),
        });
        Ok(())
    }

    /// Leaves every folder: nothing more comes.
    pub(super) fn leave_all(&mut self) {
        self.leave(0);
    }

    fn leave(&mut self, keep: usize) {
        while self.open.len() > keep {
            if let Some(Folder {
                descriptor,
                finish: Some((mode, modified)),
                ..
            }) = self.open.pop()
            {
                // Everything in it is in its place; a file system without modes or times is no reason to say otherwise.
                let _ = futimens(&descriptor, &timestamps(modified));
                let _ = fchmod(&descriptor, Mode::from_raw_mode(mode.into()));
            }
        }
    }

    fn innermost(&self) -> BorrowedFd<'_> {
        self.open
            .last()
            .map_or(self.root.as_fd(), |folder| folder.descriptor.as_fd())
    }
}

fn enter(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(parent, name, flags, Mode::empty())?)
}

/// The time of the last change as the system takes it; that of the last access stays.
pub(super) fn timestamps(modified: Modified) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: modified.seconds,
            tv_nsec: modified.nanoseconds.into(),
        },
    }
}
