//! The controlling end of a pseudo-terminal.

use std::ffi::OsStr;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::Interest;

use super::stream::Stream;

/// The controlling end of a pseudo-terminal: a [`Stream`] that has a size.
#[derive(Debug)]
pub(crate) struct Terminal {
    control: Stream,
}

impl Terminal {
    /// Opens a pseudo-terminal and returns it with its other end, which is for the program's standard descriptors.
    ///
    /// # Errors
    ///
    /// When the system has no pseudo-terminal to give. Must be called within a tokio runtime.
    pub(crate) fn open() -> io::Result<(Self, OwnedFd)> {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&control)?;
        unlockpt(&control)?;
        let name = ptsname(&control, Vec::new())?;
        // NOCTTY, or a worker that leads a session would make this terminal its own.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program_end = rustix::fs::open(OsStr::from_bytes(name.as_bytes()), flags, Mode::empty())?;
        let control = Stream::new(control, Interest::READABLE | Interest::WRITABLE)?;
        Ok((Self { control }, program_end))
    }

    /// Sets the window size; the foreground processes get SIGWINCH when it differs from the present one.
    ///
    /// # Errors
    ///
    /// Only when the terminal itself is gone.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(tcsetwinsize(self.control.as_fd(), size)?)
    }
}

impl Deref for Terminal {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        &self.control
    }
}
