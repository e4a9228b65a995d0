//! `ssm-user`, the account of sessions whose document names none.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FlockOperation, flock};

use super::choice::AccountError;
use super::{Account, grant_sudo};

/// The name that AWS's agent uses, so that a node keeps its account when it changes agents.
pub const SSM_USER: &str = "ssm-user";

const CREATORS: [&str; 2] = ["/usr/sbin/useradd", "/sbin/useradd"];
const PREFERRED_SHELL: &str = "/bin/bash";

/// Makes `ssm-user` when it is first needed, once, however many sessions need it at the same moment.
#[derive(Clone, Debug)]
pub struct PrivateUser {
    state: PathBuf,
    sudoers: PathBuf,
}

impl PrivateUser {
    /// Uses the machine's own account and sudo configuration; `state` holds the lock.
    pub fn of_system(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            sudoers: PathBuf::from("/etc/sudoers.d"),
        }
    }

    /// Returns the account, made if it did not exist.
    ///
    /// An account that exists is used as it is: an administrator who took its sudo rule away does not get it back.
    ///
    /// # Errors
    ///
    /// [`AccountError::Create`] when it cannot be made. A missing sudo rule is only logged, as AWS's agent does.
    pub fn ensure(&self) -> Result<Account, AccountError> {
        let unfinished = self.state.join("ssm-user.unfinished");
        if !unfinished.exists()
            && let Some(account) = find()?
        {
            return Ok(account);
        }
        let _lock = self.lock().map_err(AccountError::Create)?;
        // Whoever had the lock before may have done all of it.
        if unfinished.exists() || find()?.is_none() {
            // Tells the next session to go on here should this one be killed between the two steps.
            fs::write(&unfinished, b"").map_err(AccountError::Create)?;
            if find()?.is_none() {
                create().map_err(AccountError::Create)?;
            }
            if let Err(error) = grant_sudo(&self.sudoers) {
                tracing::warn!(%error, "ssm-user has no sudo rule");
            }
            fs::remove_file(&unfinished).map_err(AccountError::Create)?;
        }
        find()?.ok_or_else(|| {
            AccountError::Create(io::Error::other("useradd reported success without an account"))
        })
    }

    fn lock(&self) -> io::Result<File> {
        let path = self.state.join("ssm-user.lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }
}

fn find() -> Result<Option<Account>, AccountError> {
    Account::named(SSM_USER).map_err(AccountError::Database)
}

fn create() -> io::Result<()> {
    let program = CREATORS
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "this system has no useradd"))?;
    let mut command = Command::new(program);
    command.arg("-m");
    if Path::new(PREFERRED_SHELL).exists() {
        command.args(["-s", PREFERRED_SHELL]);
    }
    let output = command
        .arg(SSM_USER)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        tracing::info!("account ssm-user created");
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "useradd said: {}",
        said.trim().escape_debug()
    )))
}
