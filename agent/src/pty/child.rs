//! What runs in a child process between `fork` and `exec`.
//!
//! Only async-signal-safe calls may happen here: no allocation, no lock, no name lookup. Everything a child needs is
//! therefore prepared by its parent and captured by value.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::libc;

use crate::account::Account;

/// Makes `command` start in a session of its own, with no inherited descriptors but its standard ones and with
/// default signal dispositions, so that it outlives its parent and nothing of the parent's leaks into it.
pub(crate) fn detach(command: &mut Command) {
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

/// What a child is made before it executes its program.
pub(super) struct Entry<'a> {
    /// Whom it runs as.
    pub(super) account: &'a Account,
    /// Whether it has to become that account; otherwise it is that account already.
    pub(super) change_identity: bool,
    /// Where it must start; otherwise it starts in the account's home where it can.
    pub(super) folder: Option<&'a Path>,
    /// Whether its standard input is a terminal, which becomes its controlling one.
    pub(super) on_terminal: bool,
}

/// Makes `command` start as the leader of a session of its own, as `entry` says.
///
/// The identity is dropped in the order groups, group, user, and then proven: a child that could still become root is
/// not executed.
pub(super) fn enter(command: &mut Command, entry: &Entry<'_>) {
    let path = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default();
    let home = path(&entry.account.home);
    let folder = entry.folder.map(path);
    let on_terminal = entry.on_terminal;
    let identity = entry.change_identity.then(|| Identity {
        uid: entry.account.uid,
        gid: entry.account.gid,
        groups: entry.account.groups.clone(),
    });

    #[expect(
        unsafe_code,
        reason = "session, terminal and identity can only be set between fork and exec"
    )]
    // SAFETY: the closure makes only async-signal-safe system calls on values it owns; nothing allocates.
    unsafe {
        command.pre_exec(move || {
            // SAFETY: plain system calls; where there is a terminal, the parent made it descriptor 0.
            check(libc::setsid())?;
            if on_terminal {
                check(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            }
            reset_signals();
            libc::umask(0o022);
            close_others_on_exec();
            if let Some(identity) = &identity {
                identity.assume()?;
            }
            // After the drop, so that a home on a file system that root may not read still works, and nobody starts where
            // only root may go.
            match &folder {
                Some(folder) => {
                    check(libc::chdir(folder.as_ptr())).map_err(|error| mark_folder_refusal(&error))
                }
                None => enter_home(&home),
            }
        });
    }
}

/// A missing home is not worth refusing the session for: login(1) falls back to the root directory too.
#[expect(
    unsafe_code,
    reason = "the safe wrappers may allocate, which a forked child may not"
)]
fn enter_home(home: &CStr) -> io::Result<()> {
    // SAFETY: both pointers are to live texts that end in a zero byte.
    unsafe {
        if libc::chdir(home.as_ptr()) == 0 {
            return Ok(());
        }
        check(libc::chdir(c"/".as_ptr()))
    }
}

/// Set in the error number of a child that could not enter its folder: one number is all that `std` carries from a child
/// to its parent, and those of the system end below 4096.
const FOLDER_REFUSED: i32 = 1 << 16;

fn mark_folder_refusal(error: &io::Error) -> io::Error {
    io::Error::from_raw_os_error(error.raw_os_error().unwrap_or_default() | FOLDER_REFUSED)
}

/// Returns what the system said when a child could not enter its folder; `None` when it failed for another reason.
pub(super) fn folder_refusal(error: &io::Error) -> Option<io::Error> {
    let number = error.raw_os_error()?;
    (number & FOLDER_REFUSED != 0).then(|| io::Error::from_raw_os_error(number & !FOLDER_REFUSED))
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
