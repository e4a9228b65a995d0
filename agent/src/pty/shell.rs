//! Starting a login shell on a terminal.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::wait::WaitStatus;
use nix::unistd::Group;
use rustix::fs::{Gid, Mode, Uid};
use rustix::process::Pid;

use super::child;
use super::terminal::Terminal;
use crate::account::Account;

/// The group that owns terminals, so that `write` and `wall` work and nobody else does.
const TERMINAL_GROUP: &str = "tty";
const TERMINAL_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::WGRP);

/// A login shell that leads its own session on a terminal of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shell {
    /// The process id of the shell, which is also the id of its session.
    pub pid: Pid,
}

/// Why a shell could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The system has no pseudo-terminal to give.
    #[error("cannot open a pseudo-terminal")]
    Terminal(#[source] io::Error),
    /// The terminal could not be given to its user.
    #[error("cannot give the terminal to `{user}`")]
    Ownership {
        /// The account the shell was to run as.
        user: String,
        /// What the system said.
        source: io::Error,
    },
    /// The shell could not be executed, or its identity could not be changed and proven.
    #[error("cannot start `{shell}` as `{user}`")]
    Start {
        /// The path of the shell.
        shell: String,
        /// The account the shell was to run as.
        user: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Shell {
    /// Starts the login shell of `account` on a new terminal of `columns` by `rows` with exactly the `environment`.
    ///
    /// The caller reaps the shell: it is an ordinary child of this process.
    ///
    /// # Errors
    ///
    /// See [`ShellError`]. Must be called within a tokio runtime.
    pub fn start(
        account: &Account,
        environment: &[(&'static str, OsString)],
        columns: u16,
        rows: u16,
    ) -> Result<(Self, Terminal), ShellError> {
        let (terminal, shell_end) = Terminal::open().map_err(ShellError::Terminal)?;
        terminal.resize(columns, rows).map_err(ShellError::Terminal)?;
        let change_identity = rustix::process::geteuid().is_root();
        if change_identity {
            hand_over(&shell_end, account).map_err(|source| ShellError::Ownership {
                user: account.name.clone(),
                source,
            })?;
        }
        let pid = execute(account, environment, shell_end, change_identity).map_err(|source| {
            ShellError::Start {
                shell: account.shell.display().to_string(),
                user: account.name.clone(),
                source,
            }
        })?;
        Ok((Self { pid }, terminal))
    }
}

fn hand_over(shell_end: &OwnedFd, account: &Account) -> io::Result<()> {
    let group = Group::from_name(TERMINAL_GROUP)
        .ok()
        .flatten()
        .map_or(account.gid, |group| group.gid.as_raw());
    rustix::fs::fchown(
        shell_end,
        Some(Uid::from_raw(account.uid)),
        Some(Gid::from_raw(group)),
    )?;
    rustix::fs::fchmod(shell_end, TERMINAL_MODE)?;
    Ok(())
}

fn execute(
    account: &Account,
    environment: &[(&'static str, OsString)],
    shell_end: OwnedFd,
    change_identity: bool,
) -> io::Result<Pid> {
    let mut login_name = OsString::from("-");
    login_name.push(account.shell.file_name().unwrap_or(account.shell.as_os_str()));

    let mut command = Command::new(&account.shell);
    command
        .arg0(login_name)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(shell_end.try_clone()?)
        .stdout(shell_end.try_clone()?)
        .stderr(shell_end);
    child::enter_terminal(&mut command, account, change_identity);
    let child = command.spawn()?;
    Ok(Pid::from_child(&child))
}

/// How a process ended, as a shell would report it in `$?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(pub i32);

impl ExitStatus {
    /// Reads the status of a process that has ended; `None` for one that was only stopped or continued.
    pub fn from_wait(status: WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self(code)),
            // The convention of every shell, so that a client cannot tell a killed shell from one that said so.
            WaitStatus::Signaled(_, signal, _) => Some(Self(128 + signal as i32)),
            _ => None,
        }
    }
}
