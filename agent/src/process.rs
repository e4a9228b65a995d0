//! Identity and life of processes, told apart safely although the system uses process ids again.

mod handle;
mod stat;

pub use handle::ProcessHandle;
pub use stat::{ProcessStat, all, boot_id, stat};

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use serde::{Deserialize, Serialize};

/// Keeps the memory of this process, which holds the node's credentials, out of core dumps and other processes' reach.
///
/// Programs that it executes are not affected. Systems that refuse are left as they are.
pub fn protect_memory() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Gives up, for good, every right of root but that of owning its files, for a process that needs no other. Programs it
/// executes, were there any, could not get them back.
///
/// Rights are a thread's own, and later threads inherit them: to be called from the thread that does everything. Systems
/// that refuse are left as they are.
pub fn give_up_privileges() {
    give_up_privileges_but(CapabilitySet::empty());
}

/// The same but for that of acting as another account for a moment.
pub fn give_up_privileges_but_identity() {
    give_up_privileges_but(CapabilitySet::SETUID | CapabilitySet::SETGID);
}

fn give_up_privileges_but(kept: CapabilitySet) {
    let _ = rustix::thread::set_no_new_privs(true);
    let left = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    if let Err(error) = set_capabilities(None, left) {
        tracing::debug!(%error, "cannot give up privileges");
    }
}

/// A process that cannot be confused with a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start_ticks: u64,
    /// Which start of the machine that was.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// Returns the identity of a process that is alive at this moment.
    pub fn of(pid: i32) -> Option<Self> {
        Some(Self {
            pid,
            start_ticks: stat(pid)?.start_ticks,
            boot_id: boot_id(),
        })
    }

    /// Says whether this very process is still there and not merely waiting to be reaped.
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id()
            && stat(self.pid).is_some_and(|now| now.start_ticks == self.start_ticks && !now.is_zombie())
    }
}

#[cfg(test)]
mod tests {
    use super::give_up_privileges;

    #[test]
    fn rights_that_were_given_up_are_gone_for_good() {
        // A thread of its own, so that the other tests keep theirs.
        let status = std::thread::spawn(|| {
            give_up_privileges();
            std::fs::read_to_string("/proc/thread-self/status").expect("readable")
        });
        let status = status.join().expect("no panic");
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.expect("there").trim().to_owned()
        };
        assert_eq!(value("NoNewPrivs:"), "1");
        for sets in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(value(sets), "0000000000000000", "{sets}");
        }
    }
}
