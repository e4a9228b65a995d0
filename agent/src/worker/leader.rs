//! The process that leads a session, with whatever it starts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use nix::sys::signal::{Signal as Number, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::pty::{ExitStatus, Leftovers, end_leftovers};

/// Notices that children of this process have ended.
pub(super) struct Children {
    ended: Signal,
    ends: Ends,
}

/// How children of this process have ended: collected by whoever looks first, and kept for whom it concerns.
#[derive(Clone)]
pub(super) struct Ends {
    /// Whether orphans of the session become children of this process, which is then nothing but this session.
    adopts_orphans: bool,
    followed: Rc<RefCell<BTreeMap<i32, Option<ExitStatus>>>>,
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
        let ends = Ends {
            adopts_orphans,
            followed: Rc::default(),
        };
        Ok(Self { ended, ends })
    }

    /// Notices them for somebody else too.
    pub(super) fn another(&self) -> io::Result<Self> {
        Ok(Self {
            ended: signal(SignalKind::child())?,
            ends: self.ends.clone(),
        })
    }

    /// Waits until a child has ended. Cancel safe.
    pub(super) async fn changed(&mut self) {
        self.ended.recv().await;
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }
}

impl Ends {
    /// Keeps how a child that has just been started will end.
    pub(super) fn follow(&self, pid: i32) {
        self.followed.borrow_mut().insert(pid, None);
    }

    /// Returns how a child has ended, as far as was collected.
    pub(super) fn of(&self, pid: i32) -> Option<ExitStatus> {
        self.followed.borrow().get(&pid).copied().flatten()
    }

    /// Says whether there are children that nobody follows: what a command left behind.
    pub(super) fn has_strangers(&self) -> bool {
        let own = Pid::this();
        let path = format!("/proc/{own}/task/{own}/children");
        let Ok(children) = std::fs::read_to_string(path) else {
            // Systems that do not tell.
            return true;
        };
        let followed = self.followed.borrow();
        let mut pids = children.split_ascii_whitespace().map(str::parse::<i32>);
        pids.any(|pid| pid.is_ok_and(|pid| !followed.contains_key(&pid)))
    }

    /// Says that nobody will ask for this child any more.
    pub(super) fn forget(&self, pid: i32) {
        let mut followed = self.followed.borrow_mut();
        // One that still runs has to be collected all the same, which is what following it does.
        if followed.get(&pid).is_some_and(Option::is_some) {
            followed.remove(&pid);
        }
    }

    /// Collects children that have ended.
    pub(super) fn collect(&self) {
        let mut followed = self.followed.borrow_mut();
        if self.adopts_orphans {
            while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                let Some(pid) = status.pid() else { break };
                if let Some(end) = followed.get_mut(&pid.as_raw()) {
                    *end = end.or(ExitStatus::from_wait(status));
                }
            }
            return;
        }
        let running = followed.iter_mut().filter(|(_, end)| end.is_none());
        for (pid, end) in running {
            if let Ok(status) = waitpid(Some(Pid::from_raw(*pid)), Some(WaitPidFlag::WNOHANG)) {
                *end = ExitStatus::from_wait(status);
            }
        }
    }
}

impl Leader {
    /// Follows a program that has just been started.
    pub(super) fn new(pid: rustix::process::Pid, children: Children) -> Self {
        let pid = pid.as_raw_nonzero().get();
        children.ends.follow(pid);
        Self {
            pid,
            children,
            status: None,
            sweep: None,
        }
    }

    /// Its process id, which is that of its session and of its process group too.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Notices ends of children for somebody else.
    pub(super) fn other_children(&self) -> io::Result<Children> {
        self.children.another()
    }

    /// Collects children that have ended and returns how the leader did, once it has.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        self.children.ends.collect();
        if self.status.is_none()
            && let Some(exit) = self.children.ends.of(self.pid)
        {
            self.status = Some(exit);
            // While the last output is on its way, so that nobody waits for a background job to notice the end.
            self.sweep = Some(Box::pin(end_leftovers(self.leftovers())));
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
            ancestor: self.children.ends.adopts_orphans.then(|| Pid::this().as_raw()),
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
