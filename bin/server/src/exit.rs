//! Exit codes of `drawbridge`, as `docs/reference/exit-codes.md` lists them.

use std::fmt;
use std::process::ExitCode;

/// An expected failure: one sentence, an optional hint, and its own exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    sentence: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure that ends the program with `code`.
    pub(crate) fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self {
            code,
            sentence: sentence.into(),
            hint: None,
        }
    }

    /// What the user can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The hint, if there is one.
    pub(crate) fn told_hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

/// Prints a failure once, with its causes and hint, and answers its exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let code = error
        .downcast_ref::<Failure>()
        .map_or(FAILED, |failure| failure.code);
    report_as(error, code)
}

/// The same, with one code for every failure.
pub(crate) fn report_as(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("error: {error:#}");
    let failure = error.downcast_ref::<Failure>();
    if let Some(hint) = failure.and_then(Failure::told_hint) {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}

/// Something failed that has no code of its own.
pub(crate) const FAILED: u8 = 1;
/// The configuration file or an argument is wrong (clap uses the same code for arguments).
pub(crate) const BAD_CONFIGURATION: u8 = 2;
/// The listening address is taken or not ours to take.
pub(crate) const ADDRESS_UNAVAILABLE: u8 = 3;
/// The data folder cannot be written.
pub(crate) const FOLDER_UNUSABLE: u8 = 4;
/// Another server works on the data folder.
pub(crate) const FOLDER_IN_USE: u8 = 5;
/// The managed node of `drawbridge dev` could not be started.
pub(crate) const NODE_FAILED: u8 = 6;
/// A session was refused, or ended by a failure.
pub(crate) const SESSION_FAILED: u8 = 7;
/// The server could not be reached, or refused the caller.
pub(crate) const SERVER_REFUSED: u8 = 8;
/// The audit log is not as it was recorded.
pub(crate) const AUDIT_LOG_BROKEN: u8 = 9;
/// The decision that was asked about is a denial.
pub(crate) const DENIED: u8 = 10;
/// Policies do not do what they look like.
pub(crate) const FINDINGS: u8 = 11;
/// A recording is not as it was made.
pub(crate) const RECORDING_BROKEN: u8 = 12;
/// A remote command could not be run, or nobody knows how it ended; every other code is the command's own.
pub(crate) const COMMAND_NOT_RUN: u8 = 255;
/// Whoever reads standard output has gone: 128 and the number of `SIGPIPE`, by which other programs end then.
pub(crate) const NOBODY_READS: u8 = 141;
