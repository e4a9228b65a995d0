//! Waiting for and signalling a process that may not be a child of this one.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::ProcessIdentity;
use crate::pty::watch;

/// How often a process is looked up on systems that cannot announce its end (Linux before 5.3).
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A hold on one particular process.
#[derive(Debug)]
pub struct ProcessHandle {
    identity: ProcessIdentity,
    descriptor: Option<AsyncFd<OwnedFd>>,
}

impl ProcessHandle {
    /// Takes hold of a process; `None` when it has ended.
    ///
    /// # Errors
    ///
    /// When descriptors have run out. Must be called within a tokio runtime.
    pub fn open(identity: ProcessIdentity) -> io::Result<Option<Self>> {
        let Some(pid) = Pid::from_raw(identity.pid) else {
            return Ok(None);
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(descriptor) => Some(descriptor),
            Err(Errno::SRCH) => return Ok(None),
            // NONBLOCK came with Linux 5.10 and is not needed for waiting.
            Err(Errno::INVAL) => pidfd_open(pid, PidfdFlags::empty()).ok(),
            Err(Errno::NOSYS | Errno::PERM) => None,
            Err(other) => return Err(other.into()),
        };
        // After opening: from here on the number cannot become someone else's unnoticed.
        if !identity.is_alive() {
            return Ok(None);
        }
        let descriptor = descriptor
            .map(|descriptor| watch(descriptor, Interest::READABLE))
            .transpose()?;
        Ok(Some(Self { identity, descriptor }))
    }

    /// Waits until the process has ended, and reaps it if it is a child of this process.
    pub async fn ended(&self) {
        match &self.descriptor {
            // The descriptor stays readable once the process has ended, so its readiness is never cleared.
            Some(descriptor) => drop(descriptor.readable().await),
            None => {
                while self.identity.is_alive() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
        }
        if let Some(pid) = Pid::from_raw(self.identity.pid) {
            // Not a child after this program was restarted; whoever is its parent reaps it.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }

    /// Asks the process to end. One that has already ended is not an error.
    ///
    /// # Errors
    ///
    /// When this process may not signal the other.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Ends the process whether it wants to or not. One that has already ended is not an error.
    ///
    /// # Errors
    ///
    /// When this process may not signal the other.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let sent = match (&self.descriptor, Pid::from_raw(self.identity.pid)) {
            (Some(descriptor), _) => pidfd_send_signal(descriptor.get_ref(), signal),
            (None, Some(pid)) if self.identity.is_alive() => rustix::process::kill_process(pid, signal),
            (None, _) => Ok(()),
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Which process this is.
    pub fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }
}
