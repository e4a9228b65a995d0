//! Reading files and trees, without being led astray by links or by what is changed meanwhile.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat, statat};

use crate::EntryPath;
use crate::exchange::CopyError;
use crate::frame::Modified;
use crate::words::reason;

/// Whoever is told what is found.
pub(super) trait Reading {
    /// Something to send.
    fn found(&mut self, path: EntryPath, found: Found) -> Result<(), CopyError>;
    /// Something that cannot be read.
    fn missed(&mut self, path: &[u8], why: &str) -> Result<(), CopyError>;
}

/// Something to send.
pub(super) struct Found {
    pub(super) content: Content,
    pub(super) mode: u16,
    pub(super) modified: Modified,
}

pub(super) enum Content {
    Folder,
    File(File, u64),
    Link(Vec<u8>),
}

const SPECIAL: &str = "it is neither a file, a folder nor a link";
/// So that opening a pipe that nobody writes to does not wait for ever.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Reads what a person has named, and what is in it.
pub(super) fn walk(path: &Path, recursive: bool, reading: &mut impl Reading) -> Result<(), CopyError> {
    let shown = path.as_os_str().as_bytes();
    let Some(name) = path
        .file_name()
        .and_then(|name| EntryPath::parse(name.as_bytes().to_vec()).ok())
    else {
        return reading.missed(shown, "it has no name of its own to copy it under");
    };
    let opened = open(path, READ, Mode::empty()).and_then(|opened| Ok((fstat(&opened)?, opened)));
    match opened {
        Err(error) => reading.missed(shown, &reason(&error.into())),
        Ok((stat, opened)) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => reading.found(name, file(opened, &stat)),
            FileType::Directory if recursive => folder(&opened, &stat, &name, reading),
            FileType::Directory => reading.missed(shown, "it is a folder, which needs `--recursive`"),
            _ => reading.missed(shown, SPECIAL),
        },
    }
}

fn folder(
    opened: &OwnedFd,
    stat: &Stat,
    path: &EntryPath,
    reading: &mut impl Reading,
) -> Result<(), CopyError> {
    reading.found(path.clone(), found(Content::Folder, stat))?;
    let names = match names(opened) {
        Ok(names) => names,
        Err(error) => return reading.missed(path.as_bytes(), &reason(&error)),
    };
    for name in names {
        match path.join(&name) {
            Ok(path) => entry(opened.as_fd(), &name, path, reading)?,
            Err(error) => {
                let path = [path.as_bytes(), &name].join(&b'/');
                reading.missed(&path, &error.to_string())?;
            }
        }
    }
    Ok(())
}

fn entry(
    parent: BorrowedFd<'_>,
    name: &[u8],
    path: EntryPath,
    reading: &mut impl Reading,
) -> Result<(), CopyError> {
    match look(parent, name) {
        Ok((stat, Seen::Folder(opened))) => folder(&opened, &stat, &path, reading),
        Ok((stat, Seen::File(opened))) => reading.found(path, file(opened, &stat)),
        Ok((stat, Seen::Link(target))) => reading.found(path, found(Content::Link(target), &stat)),
        Ok((_, Seen::Special)) => reading.missed(path.as_bytes(), SPECIAL),
        Err(error) => reading.missed(path.as_bytes(), &reason(&error)),
    }
}

enum Seen {
    Folder(OwnedFd),
    File(OwnedFd),
    Link(Vec<u8>),
    Special,
}

/// Looks before it opens, because opening a device can do something; and again after, because it may be another by then.
fn look(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<(Stat, Seen)> {
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = readlinkat(parent, name, Vec::new())?.into_bytes();
            Ok((stat, Seen::Link(target)))
        }
        FileType::RegularFile | FileType::Directory => {
            let opened = openat(parent, name, READ | OFlags::NOFOLLOW, Mode::empty())?;
            let stat = fstat(&opened)?;
            let seen = match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Seen::File(opened),
                FileType::Directory => Seen::Folder(opened),
                _ => Seen::Special,
            };
            Ok((stat, seen))
        }
        _ => Ok((stat, Seen::Special)),
    }
}

/// What is in a folder, in an order that does not depend on the file system.
fn names(folder: &OwnedFd) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if !matches!(&name[..], b"." | b"..") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn file(opened: OwnedFd, stat: &Stat) -> Found {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    found(Content::File(opened.into(), size), stat)
}

fn found(content: Content, stat: &Stat) -> Found {
    Found {
        content,
        mode: u16::try_from(stat.st_mode & 0o777).unwrap_or(0o600),
        modified: Modified {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
    }
}
