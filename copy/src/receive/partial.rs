//! A file on its way: beside its place, under a name of its own, until it is whole.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, fchmod, fstat, futimens, openat, renameat, statat, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use super::folders::timestamps;
use crate::digest::{Hasher, Sum};
use crate::frame::Modified;

/// A file that is not whole yet. Dropped, it stays for another time.
pub(super) struct Partial {
    folder: OwnedFd,
    name: Vec<u8>,
    partial_name: Vec<u8>,
    file: File,
    hasher: Hasher,
    length: u64,
    /// Whether it is what stands in its place already, which looks as if it were whole.
    is_in_place: bool,
}

/// What is known of a file before it comes, by which an earlier copy of it is found.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) size: u64,
    pub(super) modified: Modified,
}

/// What an earlier copy has left.
type Left = (File, Hasher, u64);

impl Partial {
    /// Begins the file `name`. Given what to expect of it, goes on with what an earlier copy has left or finished.
    pub(super) fn open(folder: BorrowedFd<'_>, name: &[u8], resumed: Option<Expected>) -> io::Result<Self> {
        refuse_others(folder, name)?;
        let partial_name = partial_name(name);
        let (mut left, mut is_in_place) = (None, false);
        if let Some(expected) = resumed {
            left = leftover(folder, &partial_name, expected.size)?;
            if left.is_none() {
                left = finished(folder, name, expected)?;
                is_in_place = left.is_some();
            }
        }
        let (file, hasher, length) = match left {
            Some(left) => left,
            None => (create(folder, &partial_name)?, Hasher::new(), 0),
        };
        Ok(Self {
            is_in_place,
            folder: folder.try_clone_to_owned()?,
            name: name.to_vec(),
            partial_name,
            file,
            hasher,
            length,
        })
    }

    /// How much of it is there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What that is.
    pub(super) fn sum(&self) -> Sum {
        self.hasher.sum()
    }

    /// Empties it.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_in_place) {
            self.file = create(self.folder.as_fd(), &self.partial_name)?;
        } else {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
        }
        self.hasher = Hasher::new();
        self.length = 0;
        Ok(())
    }

    /// Adds what comes next.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Puts the whole file in its place, in that of what was there; or, if that fails, leaves nothing behind.
    pub(super) fn finish(self, mode: u16, modified: Modified) -> io::Result<()> {
        let placed = self.place(mode, modified);
        if placed.is_err() {
            self.discard();
        }
        placed
    }

    fn place(&self, mode: u16, modified: Modified) -> io::Result<()> {
        fchmod(&self.file, Mode::from_raw_mode(mode.into()))?;
        if self.is_in_place {
            return Ok(());
        }
        futimens(&self.file, &timestamps(modified))?;
        let own = fstat(&self.file)?;
        let named = statat(&self.folder, &self.partial_name[..], AtFlags::SYMLINK_NOFOLLOW)?;
        // Another copy to the same place has begun anew, or has gone on with this one.
        if (own.st_dev, own.st_ino) != (named.st_dev, named.st_ino)
            || u64::try_from(own.st_size) != Ok(self.length)
        {
            return Err(io::Error::other("another copy to the same place came in between"));
        }
        Ok(renameat(
            &self.folder,
            &self.partial_name[..],
            &self.folder,
            &self.name[..],
        )?)
    }

    /// Leaves nothing behind.
    pub(super) fn discard(self) {
        if !self.is_in_place {
            // Somebody else may have removed it, which is as well.
            let _ = unlinkat(&self.folder, &self.partial_name[..], AtFlags::empty());
        }
    }
}

/// Makes a link, in the place of a file or link that was there.
pub(super) fn link(folder: BorrowedFd<'_>, name: &[u8], target: &[u8], modified: Modified) -> io::Result<()> {
    refuse_others(folder, name)?;
    let partial_name = &partial_name(name)[..];
    remove(folder, partial_name)?;
    symlinkat(target, folder, partial_name)?;
    let placed = utimensat(
        folder,
        partial_name,
        &timestamps(modified),
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .and_then(|()| renameat(folder, partial_name, folder, name));
    if placed.is_err() {
        let _ = unlinkat(folder, partial_name, AtFlags::empty());
    }
    Ok(placed?)
}

/// Opens what an earlier copy has left, if that is a file of ours that nobody else has a name for.
fn leftover(folder: BorrowedFd<'_>, name: &[u8], size: u64) -> io::Result<Option<Left>> {
    let Some((file, found)) = existing(folder, name, OFlags::RDWR)? else {
        return Ok(None);
    };
    let is_ours = found.st_nlink == 1 && found.st_uid == rustix::process::geteuid().as_raw();
    let is_part = u64::try_from(found.st_size).is_ok_and(|length| length <= size);
    hashed(file, size, is_ours && is_part)
}

/// Opens what stands in the place of a file, if it looks like that file.
fn finished(folder: BorrowedFd<'_>, name: &[u8], expected: Expected) -> io::Result<Option<Left>> {
    let Some((file, found)) = existing(folder, name, OFlags::RDONLY)? else {
        return Ok(None);
    };
    let Modified { seconds, nanoseconds } = expected.modified;
    let has_time = (found.st_mtime, u32::try_from(found.st_mtime_nsec)) == (seconds, Ok(nanoseconds));
    let has_size = u64::try_from(found.st_size) == Ok(expected.size);
    hashed(file, expected.size, has_time && has_size)
}

fn existing(folder: BorrowedFd<'_>, name: &[u8], access: OFlags) -> io::Result<Option<(File, Stat)>> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(opened) = openat(folder, name, flags, Mode::empty()) else {
        return Ok(None);
    };
    let found = fstat(&opened)?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    Ok(is_file.then(|| (opened.into(), found)))
}

fn hashed(mut file: File, size: u64, is_wanted: bool) -> io::Result<Option<Left>> {
    if !is_wanted {
        return Ok(None);
    }
    let mut hasher = Hasher::new();
    let length = hasher.read(&mut file, size)?;
    Ok(Some((file, hasher, length)))
}

/// Only files and links give way to others. Better said before the data comes than after.
fn refuse_others(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|found| FileType::from_raw_mode(found.st_mode))
    {
        Ok(FileType::Directory) => Err(Errno::ISDIR.into()),
        Ok(FileType::RegularFile | FileType::Symlink) | Err(Errno::NOENT) => Ok(()),
        Ok(_) => Err(io::Error::other("what is there is neither a file nor a link")),
        Err(error) => Err(error.into()),
    }
}

fn create(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    remove(folder, name)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

fn remove(folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    match unlinkat(folder.as_fd(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The name of a file on its way to `name`; a hash of it where the two together would be too long for a name.
fn partial_name(name: &[u8]) -> Vec<u8> {
    const SUFFIX: &[u8] = b".drawbridge-partial";
    const LONGEST: usize = 255 - 1 - SUFFIX.len();
    let mut partial = vec![b'.'];
    if name.len() <= LONGEST {
        partial.extend_from_slice(name);
    } else {
        let mut hasher = Hasher::new();
        hasher.update(name);
        let digits = hasher.sum().into_iter().map(|byte| format!("{byte:02x}"));
        partial.extend(digits.collect::<String>().into_bytes());
    }
    partial.extend_from_slice(SUFFIX);
    partial
}
