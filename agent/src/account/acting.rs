//! Acting as an account for a moment.

use std::io;

use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::Account;

/// Does something with the rights and in the name of an account, and takes this thread's own back: the files that it may use,
/// and whom a server sees at the other end of a UNIX socket.
///
/// `action` must not wait: this thread is somebody else meanwhile. Needs the rights to change identity and groups.
///
/// # Errors
///
/// When this thread may not act as that account; nothing was done.
pub fn acting_as<T>(account: &Account, action: impl FnOnce() -> T) -> io::Result<T> {
    let _own = Own {
        groups: getgroups()?,
        gid: getegid(),
        uid: geteuid(),
    };
    let groups: Vec<Gid> = account.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(None, Gid::from_raw(account.gid), None)?;
    // Last, because whoever is no longer root may change none of them.
    set_thread_res_uid(None, Uid::from_raw(account.uid), None)?;
    Ok(action())
}

/// This thread's own identity, which it takes back when this is dropped.
struct Own {
    groups: Vec<Gid>,
    gid: Gid,
    uid: Uid,
}

impl Drop for Own {
    fn drop(&mut self) {
        let back = set_thread_res_uid(None, self.uid, None)
            .and_then(|()| set_thread_res_gid(None, self.gid, None))
            .and_then(|()| set_thread_groups(&self.groups));
        if let Err(error) = back {
            // It stays somebody with fewer rights, never with more.
            tracing::error!(%error, "cannot take this program's own identity back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_another_for_a_moment_where_it_may_be() {
        let account = Account {
            name: "nobody".to_owned(),
            uid: 65534,
            gid: 65534,
            groups: vec![65534],
            home: "/".into(),
            shell: "/bin/sh".into(),
        };
        // A thread of its own, so that the other tests keep theirs.
        let seen = std::thread::spawn(move || {
            let identity = || {
                (
                    geteuid().as_raw(),
                    getegid().as_raw(),
                    getgroups().expect("known").len(),
                )
            };
            let before = identity();
            let during = acting_as(&account, identity);
            assert_eq!(identity(), before);
            (before, during)
        });
        match seen.join().expect("no panic") {
            ((0, ..), during) => assert_eq!(during.expect("root may"), (65534, 65534, 1)),
            (_, during) => assert!(during.is_err()),
        }
    }
}
