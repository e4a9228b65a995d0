//! What runs in a child process between `fork` and `exec`.
//!
//! Only async-signal-safe calls may happen here: no allocation, no lock, no name lookup. Everything a child needs is
//! therefore prepared by its parent and captured by value.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::libc;

use crate::account::Account;

/// Makes `command` start in a session of its own, with no inherited descriptors but its standard ones and with
/// default signal dispositions, so that it outlives its parent and nothing of the parent's leaks into it.
pub fn detach(command: &mut Command) {
    #[expect(
        unsafe_code,
        reason = "a session of its own can only be entered between fork and exec"
    )]
    // SAFETY: the closure makes only async-signal-safe system calls and touches no memory of the parent's.
    unsafe {
        command.pre_exec(|| {
            // SAFETY: setsid has no preconditions; a freshly forked child never leads a process group.
            check(libc::setsid())?;
            reset_signals();
            close_others_on_exec();
            Ok(())
        });
    }
}

/// Makes `command` start as the leader of a session whose controlling terminal is its standard input, as `account`.
///
/// The identity is dropped only when `change_identity` is set, in the order groups, group, user, and then proven: a
/// child that could still become root is not executed.
pub(super) fn enter_terminal(command: &mut Command, account: &Account, change_identity: bool) {
    let home = CString::new(account.home.as_os_str().as_encoded_bytes()).unwrap_or_default();
    let identity = change_identity.then(|| Identity {
        uid: account.uid,
        gid: account.gid,
        groups: account.groups.clone(),
    });

    #[expect(
        unsafe_code,
        reason = "terminal and identity can only be set between fork and exec"
    )]
    // SAFETY: the closure makes only async-signal-safe system calls on values it owns; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            // SAFETY: plain system calls; descriptor 0 is the terminal that the parent put there.
            check(libc::setsid())?;
            check(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            reset_signals();
            libc::umask(0o022);
            close_others_on_exec();
            if let Some(identity) = &identity {
                identity.assume()?;
            }
            // After the drop, so that a home on a file system that root may not read still works. A missing home is
            // not worth refusing the session for: login(1) falls back to the root directory too.
            if libc::chdir(home.as_ptr()) != 0 {
                check(libc::chdir(c"/".as_ptr()))?;
            }
            Ok(())
        });
    }
}

struct Identity {
    uid: libc::uid_t,
    gid: libc::gid_t,
    groups: Vec<libc::gid_t>,
}

impl Identity {
    #[expect(
        unsafe_code,
        reason = "the safe wrappers allocate or lock, which a forked child may not"
    )]
    fn assume(&self) -> io::Result<()> {
        // SAFETY: `groups` outlives the call and its length is passed with it; the rest take plain numbers.
        unsafe {
            check(libc::setgroups(self.groups.len(), self.groups.as_ptr()))?;
            check(libc::setresgid(self.gid, self.gid, self.gid))?;
            check(libc::setresuid(self.uid, self.uid, self.uid))?;
        }
        self.prove()
    }

    #[expect(
        unsafe_code,
        reason = "the safe wrappers allocate or lock, which a forked child may not"
    )]
    fn prove(&self) -> io::Result<()> {
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        // SAFETY: the three pointers are to live locals; a successful setuid(0) is answered by never executing.
        unsafe {
            check(libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved))?;
            let still_other = [real, effective, saved].iter().any(|id| *id != self.uid);
            check(libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved))?;
            let still_grouped = [real, effective, saved].iter().any(|id| *id != self.gid);
            let could_return = self.uid != 0 && (libc::setuid(0) == 0 || libc::seteuid(0) == 0);
            if still_other || still_grouped || could_return {
                return Err(io::Error::from_raw_os_error(libc::EPERM));
            }
        }
        Ok(())
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Ignored signals survive `exec`, and whoever started the agent may have ignored some.
#[expect(unsafe_code, reason = "signal dispositions have to be reset in the child")]
fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is valid for every signal; the ones that cannot be changed answer with an error.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Marks every descriptor above the standard three close-on-exec. They are not closed here because one of them is how
/// the parent learns that `exec` failed.
#[expect(unsafe_code, reason = "descriptors of unknown origin have no safe owner")]
fn close_others_on_exec() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: marking a descriptor close-on-exec does not invalidate it for anyone in this process.
    unsafe {
        // By number: the wrapper is missing from the C libraries of older systems.
        let marked = libc::syscall(
            libc::SYS_close_range,
            FIRST,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
        if marked == 0 {
            return;
        }
        let mut limit: libc::rlimit = std::mem::zeroed();
        let known = libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0;
        let highest = if known {
            limit.rlim_cur.min(1 << 16)
        } else {
            1 << 16
        };
        for descriptor in 3..highest {
            libc::fcntl(
                libc::c_int::try_from(descriptor).unwrap_or(libc::c_int::MAX),
                libc::F_SETFD,
                libc::FD_CLOEXEC,
            );
        }
    }
}
