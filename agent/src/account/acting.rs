//! Acting as an account for a moment.

use std::io;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::thread::set_thread_groups;

use super::Account;

/// Does something with the rights that an account has to files, sockets among them, and takes this thread's own back.
///
/// `action` must not wait: this thread is somebody else meanwhile. Needs the rights to change identity and groups.
///
/// # Errors
///
/// When this thread may not act as that account; nothing was done.
pub fn acting_as<T>(account: &Account, action: impl FnOnce() -> T) -> io::Result<T> {
    let own = rustix::process::getgroups()?;
    let groups: Vec<_> = account
        .groups
        .iter()
        .map(|gid| rustix::process::Gid::from_raw(*gid))
        .collect();
    set_thread_groups(&groups)?;
    let (own_gid, own_uid) = (
        setfsgid(Gid::from_raw(account.gid)),
        setfsuid(Uid::from_raw(account.uid)),
    );
    // These calls answer the identity before, and say nothing of failure: a second one shows what came of them.
    let is_other = setfsgid(Gid::from_raw(account.gid)).as_raw() == account.gid
        && setfsuid(Uid::from_raw(account.uid)).as_raw() == account.uid;
    let done = is_other.then(action);
    setfsuid(own_uid);
    setfsgid(own_gid);
    // Whoever could set other groups can set its own.
    set_thread_groups(&own)?;
    done.ok_or_else(|| io::ErrorKind::PermissionDenied.into())
}
