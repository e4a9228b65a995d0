//! Starting a program as an account, on a terminal or on pipes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::wait::WaitStatus;
use nix::unistd::Group;
use rustix::fs::{Gid, Mode, Uid};
use rustix::process::Pid;

use super::child::{self, Entry};
use super::environment::{account_environment, is_identity};
use super::pipes::{Pipes, Plumbing};
use super::terminal::Terminal;
use crate::account::Account;

/// The group that owns terminals, so that `write` and `wall` work and nobody else does.
const TERMINAL_GROUP: &str = "tty";
const TERMINAL_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::WGRP);
/// What a program on a terminal is told about it.
const TERMINAL_TYPE: (&str, &str) = ("TERM", "xterm-256color");
/// The shell of command lines whose account uses another language in its own.
const COMMON_SHELL: &str = "/bin/sh";
/// Shells for people whose language is not the one that documents are written in.
const FOREIGN_SHELLS: [&str; 8] = ["csh", "tcsh", "fish", "nu", "elvish", "xonsh", "pwsh", "ion"];
/// The others that run any command. Restricted ones have other names.
const OPEN_SHELLS: [&str; 9] = ["sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "yash", "zsh"];

const OWN_EXECUTABLE: &str = "/proc/self/exe";
const OWN_NAME: &str = "drawbridge-agent";

/// A program with everything that decides how it starts, but for what it reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    path: OsString,
    /// What it finds as its own name; the path when there is none.
    name: Option<OsString>,
    arguments: Vec<OsString>,
    account: Account,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The system has no pseudo-terminal to give.
    #[error("cannot open a pseudo-terminal")]
    Terminal(#[source] io::Error),
    /// The system has no pipes to give.
    #[error("cannot make pipes")]
    Pipes(#[source] io::Error),
    /// The terminal could not be given to its user.
    #[error("cannot give the terminal to `{user}`")]
    Ownership {
        /// The account the program was to run as.
        user: String,
        /// What the system said.
        source: io::Error,
    },
    /// The account may not enter the working directory, or there is none of that name.
    #[error("cannot enter the working directory `{}` as `{user}`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The account the program was to run as.
        user: String,
        /// What the system said.
        source: io::Error,
    },
    /// The program could not be executed, or its identity could not be changed and proven.
    #[error("cannot start `{program}` as `{user}`")]
    Execute {
        /// The program, escaped.
        program: String,
        /// The account the program was to run as.
        user: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Program {
    /// The login shell of an account. `locale` is the machine's `LANG`, if it has one.
    pub(crate) fn login_shell(account: Account, locale: Option<&str>) -> Self {
        let path = account.shell.clone();
        let mut name = OsString::from("-");
        name.push(path.file_name().unwrap_or(path.as_os_str()));
        Self {
            path: path.into(),
            name: Some(name),
            arguments: Vec::new(),
            environment: account_environment(&account, locale),
            account,
            folder: None,
        }
    }

    /// A command line, read by the account's shell as sshd(8) would have it read: `<shell> -c <line>`.
    ///
    /// Accounts with a shell of another language get `sh`. One that is no shell at all, as of accounts nobody may log
    /// in to, is executed all the same, so that it refuses.
    pub(crate) fn command_line(account: Account, locale: Option<&str>, line: &str) -> Self {
        let own = account.shell.file_name().and_then(OsStr::to_str);
        let is_foreign = own.is_some_and(|name| FOREIGN_SHELLS.contains(&name));
        let path = if is_foreign {
            OsString::from(COMMON_SHELL)
        } else {
            account.shell.clone().into()
        };
        Self {
            path,
            name: None,
            arguments: vec!["-c".into(), line.into()],
            environment: account_environment(&account, locale),
            account,
            folder: None,
        }
    }

    /// A program with its arguments and without a shell; found along the `PATH` of a fresh login.
    pub(crate) fn words(account: Account, locale: Option<&str>, program: &str, arguments: &[String]) -> Self {
        Self {
            path: program.into(),
            name: None,
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: account_environment(&account, locale),
            account,
            folder: None,
        }
    }

    /// This program itself, even if its file has been replaced since, with other arguments.
    ///
    /// `/proc/self/exe` leads there in the child too, whatever folders its account may look into.
    pub(crate) fn itself(account: Account, locale: Option<&str>, arguments: &[&str]) -> Self {
        Self {
            path: OWN_EXECUTABLE.into(),
            name: Some(OWN_NAME.into()),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: account_environment(&account, locale),
            account,
            folder: None,
        }
    }

    /// Starts it in this folder, which its account must be able to enter. Without one it starts in the account's home,
    /// or in the root folder where that is missing.
    #[must_use]
    pub(crate) fn in_folder(self, folder: Option<PathBuf>) -> Self {
        Self { folder, ..self }
    }

    /// Adds variables of the machine's own for this account. They do not change who it is or where it lives.
    #[must_use]
    pub(crate) fn with_environment(mut self, variables: Vec<(OsString, OsString)>) -> Self {
        let variables = variables.into_iter().filter(|(name, _)| !is_identity(name));
        for (name, value) in variables {
            self.environment.retain(|(present, _)| *present != name);
            self.environment.push((name, value));
        }
        self
    }

    /// Starts it on a new terminal of `columns` by `rows`. It leads a session of its own, and its process id is the
    /// session's.
    ///
    /// The caller reaps it: it is an ordinary child of this process.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. Must be called within a tokio runtime.
    pub(crate) fn start_on_terminal(&self, columns: u16, rows: u16) -> Result<(Pid, Terminal), StartError> {
        let (terminal, program_end) = Terminal::open().map_err(StartError::Terminal)?;
        terminal.resize(columns, rows).map_err(StartError::Terminal)?;
        if changes_identity() {
            hand_over(&program_end, &self.account).map_err(|source| StartError::Ownership {
                user: self.account.name.clone(),
                source,
            })?;
        }
        let copy = || program_end.try_clone().map_err(StartError::Terminal);
        let mut command = self.command();
        command.env(TERMINAL_TYPE.0, TERMINAL_TYPE.1);
        command.stdin(copy()?).stdout(copy()?).stderr(copy()?);
        // Closed with the command: while it is open, the terminal does not end with its program.
        drop(program_end);
        Ok((self.execute(command, true)?, terminal))
    }

    /// Starts it on pipes, without a terminal. It leads a session of its own, and its process id is the session's.
    ///
    /// The caller reaps it: it is an ordinary child of this process.
    ///
    /// # Errors
    ///
    /// See [`StartError`]. Must be called within a tokio runtime.
    pub(crate) fn start_on_pipes(&self, plumbing: Plumbing) -> Result<(Pid, Pipes), StartError> {
        let (pipes, ends) = plumbing.lay().map_err(StartError::Pipes)?;
        let mut command = self.command();
        command.stdin(ends.input).stdout(ends.output).stderr(ends.errors);
        Ok((self.execute(command, false)?, pipes))
    }

    /// Says whether its account's login shell runs whatever it is told, so that a command without it is nothing more than with
    /// it. A menu, or `nologin`, does not.
    pub(crate) fn has_open_shell(&self) -> bool {
        let name = self.account.shell.file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| OPEN_SHELLS.contains(&name) || FOREIGN_SHELLS.contains(&name))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(name) = &self.name {
            command.arg0(name);
        }
        command
    }

    fn execute(&self, mut command: Command, on_terminal: bool) -> Result<Pid, StartError> {
        let entry = Entry {
            account: &self.account,
            change_identity: changes_identity(),
            folder: self.folder.as_deref(),
            on_terminal,
        };
        child::enter(&mut command, &entry);
        let child = command.spawn().map_err(|error| self.refusal(error))?;
        Ok(Pid::from_child(&child))
    }

    fn refusal(&self, error: io::Error) -> StartError {
        let user = self.account.name.clone();
        match (&self.folder, child::folder_refusal(&error)) {
            (Some(folder), Some(source)) => StartError::Folder {
                folder: folder.clone(),
                user,
                source,
            },
            _ => StartError::Execute {
                program: self.path.display().to_string().escape_debug().to_string(),
                user,
                source: error,
            },
        }
    }
}

fn changes_identity() -> bool {
    rustix::process::geteuid().is_root()
}

fn hand_over(program_end: &OwnedFd, account: &Account) -> io::Result<()> {
    let group = Group::from_name(TERMINAL_GROUP)
        .ok()
        .flatten()
        .map_or(account.gid, |group| group.gid.as_raw());
    rustix::fs::fchown(
        program_end,
        Some(Uid::from_raw(account.uid)),
        Some(Gid::from_raw(group)),
    )?;
    rustix::fs::fchmod(program_end, TERMINAL_MODE)?;
    Ok(())
}

/// How a process ended, as a shell would report it in `$?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitStatus(pub i32);

impl ExitStatus {
    /// Reads the status of a process that has ended; `None` for one that was only stopped or continued.
    pub(crate) fn from_wait(status: WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self(code)),
            // The convention of every shell, so that a client cannot tell a killed shell from one that said so.
            WaitStatus::Signaled(_, signal, _) => Some(Self(128 + signal as i32)),
            _ => None,
        }
    }
}
