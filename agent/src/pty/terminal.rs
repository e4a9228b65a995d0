//! The controlling end of a pseudo-terminal.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::descriptor::watch;

/// The controlling end of a pseudo-terminal, readable and writable without blocking.
#[derive(Debug)]
pub struct Terminal {
    control: AsyncFd<OwnedFd>,
}

/// How far a read from the terminal got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The limit was reached; more may be waiting.
    Limited,
    /// Everything that was waiting has been read.
    Drained,
    /// Nobody has the other end open any more, and everything they wrote has been read.
    Closed,
}

impl Terminal {
    /// Opens a pseudo-terminal and returns it with its other end, which is for the shell's standard descriptors.
    ///
    /// # Errors
    ///
    /// When the system has no pseudo-terminal to give. Must be called within a tokio runtime.
    pub fn open() -> io::Result<(Self, OwnedFd)> {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&control)?;
        unlockpt(&control)?;
        let name = ptsname(&control, Vec::new())?;
        // NOCTTY, or a worker that leads a session would make this terminal its own.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let shell_end = rustix::fs::open(OsStr::from_bytes(name.as_bytes()), flags, Mode::empty())?;
        rustix::io::ioctl_fionbio(&control, true)?;
        let control = watch(control, Interest::READABLE | Interest::WRITABLE)?;
        Ok((Self { control }, shell_end))
    }

    /// Sets the window size; the foreground processes get SIGWINCH when it differs from the present one.
    ///
    /// # Errors
    ///
    /// Only when the terminal itself is gone.
    pub fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(tcsetwinsize(self.control.get_ref(), size)?)
    }

    /// Waits until there is output, then appends all of it to `buffer`, up to `limit` bytes in total.
    ///
    /// Cancel safe: it never waits after it has read something.
    ///
    /// # Errors
    ///
    /// When the terminal fails in any way other than being closed by its other end.
    pub async fn read(&self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<ReadOutcome> {
        loop {
            let mut ready = self.control.readable().await?;
            let outcome = self.read_waiting(buffer, limit)?;
            if outcome == ReadOutcome::Drained {
                ready.clear_ready();
                if buffer.is_empty() {
                    continue;
                }
            }
            return Ok(outcome);
        }
    }

    /// Appends the output that is waiting to `buffer`, up to `limit` bytes in total, without waiting for more.
    ///
    /// The kernel hands over at most a page per call, so this reads until nothing is left: one large frame costs the
    /// network less than eight small ones.
    ///
    /// # Errors
    ///
    /// As [`Terminal::read`].
    pub fn read_waiting(&self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<ReadOutcome> {
        while buffer.len() < limit {
            let room = limit - buffer.len();
            buffer.reserve_exact(room);
            match rustix::io::read(self.control.get_ref(), spare_capacity(buffer)) {
                Ok(0) => return Ok(ReadOutcome::Closed),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(ReadOutcome::Drained),
                // What Linux says once the last descriptor of the other end is gone.
                Err(Errno::IO) => return Ok(ReadOutcome::Closed),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(ReadOutcome::Limited)
    }

    /// Waits until the terminal takes input and returns how many of `bytes` it took.
    ///
    /// Cancel safe: nothing was taken unless it returns.
    ///
    /// # Errors
    ///
    /// When nobody has the other end open any more.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.control.writable().await?;
            match rustix::io::write(self.control.get_ref(), bytes) {
                Ok(taken) => return Ok(taken),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// Writes what the terminal takes of `bytes` without waiting, and returns how many that were.
    ///
    /// # Errors
    ///
    /// As [`Terminal::write`].
    pub fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(self.control.get_ref(), bytes) {
            Ok(taken) => Ok(taken),
            Err(Errno::INTR | Errno::AGAIN) => Ok(0),
            Err(other) => Err(other.into()),
        }
    }
}
