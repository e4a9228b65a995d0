//! A descriptor that is read and written without blocking.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::descriptor::watch;

/// One end of a terminal, a pipe or a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    descriptor: AsyncFd<OwnedFd>,
}

/// How far a read got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// The limit was reached; more may be waiting.
    Limited,
    /// Everything that was waiting has been read.
    Drained,
    /// Nobody has the other end open any more, and everything they wrote has been read.
    Closed,
}

impl Stream {
    /// Takes a descriptor into use for what `interest` says.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be watched. Must be called within a tokio runtime.
    pub(crate) fn new(descriptor: OwnedFd, interest: Interest) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        let descriptor = watch(descriptor, interest)?;
        Ok(Self { descriptor })
    }

    /// Waits until there is something to read, then appends all of it to `buffer`, up to `limit` bytes in total.
    ///
    /// Cancel safe: it never waits after it has read something.
    ///
    /// # Errors
    ///
    /// When the descriptor fails in any way other than being closed by its other end.
    pub(crate) async fn read(&self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<ReadOutcome> {
        loop {
            let mut ready = self.descriptor.readable().await?;
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

    /// Appends what is waiting to `buffer`, up to `limit` bytes in total, without waiting for more.
    ///
    /// The kernel hands over at most a page of a terminal's output per call, so this reads until nothing is left: one
    /// large frame costs the network less than eight small ones. It asks the kernel and not the runtime, which may not
    /// have heard yet of what is there.
    ///
    /// # Errors
    ///
    /// As [`Stream::read`].
    pub(crate) fn read_waiting(&self, buffer: &mut Vec<u8>, limit: usize) -> io::Result<ReadOutcome> {
        while buffer.len() < limit {
            let room = limit - buffer.len();
            buffer.reserve_exact(room);
            match rustix::io::read(self.descriptor.get_ref(), spare_capacity(buffer)) {
                Ok(0) => return Ok(ReadOutcome::Closed),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(ReadOutcome::Drained),
                // What Linux says once the last descriptor of a terminal's other end is gone.
                Err(Errno::IO) => return Ok(ReadOutcome::Closed),
                Err(other) => return Err(other.into()),
            }
        }
        Ok(ReadOutcome::Limited)
    }

    /// Waits until the other end takes something and returns how many of `bytes` it took.
    ///
    /// Cancel safe: nothing was taken unless it returns.
    ///
    /// # Errors
    ///
    /// When nobody has the other end open any more.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.descriptor.writable().await?;
            match rustix::io::write(self.descriptor.get_ref(), bytes) {
                Ok(taken) => return Ok(taken),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(other) => return Err(other.into()),
            }
        }
    }

    /// Writes what the other end takes of `bytes` without waiting, and returns how many that were.
    ///
    /// # Errors
    ///
    /// As [`Stream::write`].
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(self.descriptor.get_ref(), bytes) {
            Ok(taken) => Ok(taken),
            Err(Errno::INTR | Errno::AGAIN) => Ok(0),
            Err(other) => Err(other.into()),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.get_ref().as_fd()
    }
}
