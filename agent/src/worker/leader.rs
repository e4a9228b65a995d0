//! The process that leads a session, with whatever it starts.

use std::future::Future;
use std::io;
use std::pin::Pin;

use nix::sys::signal::{Signal as Number, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::pty::{ExitStatus, Leftovers, end_leftovers};

/// Notices that children of this process have ended.
pub(super) struct Children {
    ended: Signal,
    /// Whether orphans of the session become children of this process, which is then nothing but this session.
    adopts_orphans: bool,
}

/// A running or ended program that leads the session of its processes.
pub(super) struct Leader {
    pid: i32,
    children: Children,
    status: Option<ExitStatus>,
    sweep: Option<Pin<Box<dyn Future<Output = usize>>>>,
}

impl Children {
    /// Begins to notice. To be called before the program starts, or the end of one that ends at once would be missed.
    pub(super) fn watch(adopts_orphans: bool) -> io::Result<Self> {
        let ended = signal(SignalKind::child())?;
        Ok(Self {
            ended,
            adopts_orphans,
        })
    }
}

impl Leader {
    /// Follows a program that has just been started.
    pub(super) fn new(pid: rustix::process::Pid, children: Children) -> Self {
        Self {
            pid: pid.as_raw_nonzero().get(),
            children,
            status: None,
            sweep: None,
        }
    }

    /// Its process id, which is that of its session and of its process group too.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Collects children that have ended and returns how the leader did, once it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        let whom = if self.children.adopts_orphans {
            None
        } else {
            Some(Pid::from_raw(self.pid))
        };
        while let Ok(status) = waitpid(whom, Some(WaitPidFlag::WNOHANG)) {
            let Some(pid) = status.pid() else { break };
            if pid.as_raw() == self.pid
                && self.status.is_none()
                && let Some(exit) = ExitStatus::from_wait(status)
            {
                self.status = Some(exit);
                // While the last output is on its way, so that nobody waits for a background job to notice the end.
                self.sweep = Some(Box::pin(end_leftovers(self.leftovers())));
            }
        }
        self.status
    }

    /// Waits until a child has ended, ending meanwhile what an ended leader left behind. Cancel safe.
    pub(super) async fn changed(&mut self) {
        loop {
            let Self { children, sweep, .. } = self;
            tokio::select! {
                _ = children.ended.recv() => return,
                remaining = finished(sweep) => {
                    self.sweep = None;
                    complain(remaining);
                }
            }
        }
    }

    /// Signals the leader and what it runs in the foreground, as a terminal would.
    pub(super) fn signal(&self, number: Number) {
        if self.status.is_none() {
            // It may have ended in between.
            let _ = killpg(Pid::from_raw(self.pid), number);
        }
    }

    /// Ends everything that is left of the session.
    pub(super) async fn end(&mut self) {
        self.sweep = None;
        end_leftovers(self.leftovers()).await;
    }

    fn leftovers(&self) -> Leftovers {
        Leftovers {
            session: self.pid,
            ancestor: self.children.adopts_orphans.then(|| Pid::this().as_raw()),
        }
    }
}

fn complain(remaining: usize) {
    if remaining > 0 {
        tracing::warn!(remaining, "cannot end all processes of the session");
    }
}

/// Waits for a future that may not be there.
async fn finished<T>(future: &mut Option<Pin<Box<dyn Future<Output = T>>>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
