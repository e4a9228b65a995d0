//! Ending what a session's shell left behind.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::process::{self, ProcessStat};

/// How long processes that were asked to hang up may take before they are killed.
const PATIENCE: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Killing is repeated for processes that fork while they are being killed; each round leaves fewer.
const ROUNDS: u32 = 100;

/// Which processes belong to a session that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// The id of the shell's session: whoever is in it belongs to it, whoever its parent is.
    pub session: i32,
    /// The worker, when it adopts orphans: its descendants belong to the session even after `setsid`.
    pub ancestor: Option<i32>,
}

impl Leftovers {
    /// Returns the processes that are still alive, zombies excluded.
    ///
    /// Processes that had themselves started by someone else (`systemd-run`, `at`) are not among them: they belong to
    /// whoever started them.
    pub(crate) fn find(&self) -> Vec<i32> {
        let processes = process::all();
        let belongs = |process: &&ProcessStat| {
            !process.is_zombie()
                && Some(process.pid) != self.ancestor
                && (process.session == self.session || self.descends(process, &processes))
        };
        processes
            .iter()
            .filter(belongs)
            .map(|process| process.pid)
            .collect()
    }

    fn descends(&self, process: &ProcessStat, processes: &[ProcessStat]) -> bool {
        let Some(ancestor) = self.ancestor else {
            return false;
        };
        let mut parent = process.parent;
        // Bounded, because the table is not a snapshot and could contain a cycle.
        for _ in 0..processes.len() {
            if parent == ancestor {
                return true;
            }
            match processes.iter().find(|candidate| candidate.pid == parent) {
                Some(next) => parent = next.parent,
                None => return false,
            }
        }
        false
    }
}

/// Hangs up everything that belongs to an ended session, waits a moment, and kills what is still there.
///
/// Returns the number of processes that could not be ended: those of another user, when this process is not root.
pub(crate) async fn end_leftovers(leftovers: Leftovers) -> usize {
    signal_all(&leftovers.find(), &[Signal::SIGHUP, Signal::SIGCONT]);
    let gone = async {
        while !reaped(&leftovers).is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_ok() {
        return 0;
    }
    for _ in 0..ROUNDS {
        let remaining = reaped(&leftovers);
        if remaining.is_empty() {
            return 0;
        }
        signal_all(&remaining, &[Signal::SIGKILL]);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    reaped(&leftovers).len()
}

fn signal_all(processes: &[i32], signals: &[Signal]) {
    for pid in processes {
        for signal in signals {
            // It may have ended in between, which is what is wanted.
            let _ = kill(Pid::from_raw(*pid), *signal);
        }
    }
}

/// Collects children that have ended, so that neither they nor what they orphan is seen again.
fn reaped(leftovers: &Leftovers) -> Vec<i32> {
    if leftovers.ancestor.is_some() {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status.pid().is_none() {
                break;
            }
        }
    }
    leftovers.find()
}
