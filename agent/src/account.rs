//! The accounts shells run as: finding them, choosing one for a session, and making `ssm-user`.
//!
//! Names come from session documents and are therefore hostile until parsed. Nothing here goes through a shell.

mod acting;
mod choice;
mod private_user;
mod shadow;
mod sudoers;

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Uid, User, getgrouplist};

pub use acting::acting_as;
pub use choice::{AccountError, DefaultAccount, RunAs, choose};
pub use private_user::{PrivateUser, SSM_USER};
pub use sudoers::grant_sudo;

/// The shell of accounts whose entry names none (passwd(5)).
const DEFAULT_SHELL: &str = "/bin/sh";

/// An account of this machine with everything needed to become it, looked up before any `fork`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// All groups, the primary one included.
    pub groups: Vec<u32>,
    /// The home folder, as the account's entry has it; it may not exist.
    pub home: PathBuf,
    /// The login shell.
    pub shell: PathBuf,
}

impl Account {
    /// Looks an account up by name; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the system's user database cannot be read.
    pub fn named(name: &str) -> Result<Option<Self>, nix::Error> {
        User::from_name(name)?.map(Self::complete).transpose()
    }

    /// Looks up the account this program runs as. A uid without an entry, as containers have them, gets one made up.
    ///
    /// # Errors
    ///
    /// When the system's user database cannot be read.
    pub fn of_this_process() -> Result<Self, nix::Error> {
        let uid = Uid::effective();
        match User::from_uid(uid)? {
            Some(user) => Self::complete(user),
            None => Ok(Self {
                name: uid.to_string(),
                uid: uid.as_raw(),
                gid: nix::unistd::Gid::effective().as_raw(),
                groups: vec![nix::unistd::Gid::effective().as_raw()],
                home: PathBuf::from("/"),
                shell: PathBuf::from(DEFAULT_SHELL),
            }),
        }
    }

    fn complete(user: User) -> Result<Self, nix::Error> {
        let name = CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
        let groups = getgrouplist(&name, user.gid)?
            .into_iter()
            .map(nix::unistd::Gid::as_raw)
            .collect();
        let shell = if user.shell.as_os_str().is_empty() {
            PathBuf::from(DEFAULT_SHELL)
        } else {
            user.shell
        };
        Ok(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups,
            home: user.dir,
            shell,
        })
    }
}

/// Says whether this process may become other accounts.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}
