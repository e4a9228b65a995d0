//! Exit codes of `drawbridge-agent`, as `docs/reference/exit-codes.md` lists them.

use std::fmt;
use std::process::ExitCode;

use drawbridge_agent::identity::{NodeError, RegisterError};
use drawbridge_agent::state::StateError;
use drawbridge_aws_client::CallError;

/// Something failed that has no code of its own.
const FAILED: u8 = 1;
/// An argument is wrong (clap uses the same code).
pub(crate) const USAGE: u8 = 2;
/// The node is not registered.
const NOT_REGISTERED: u8 = 3;
/// The node is registered already.
const ALREADY_REGISTERED: u8 = 4;
/// The state folder cannot be used.
const FOLDER_UNUSABLE: u8 = 5;
/// Another agent works on the state folder.
pub(crate) const FOLDER_IN_USE: u8 = 6;
/// The server cannot be reached.
const SERVER_UNREACHABLE: u8 = 7;
/// The server refused.
const SERVER_REFUSED: u8 = 8;

/// An expected failure of the program itself: a sentence, what the user can do, and its code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) sentence: &'static str,
    pub(crate) hint: &'static str,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.sentence)
    }
}

impl std::error::Error for Failure {}

/// Prints a failure once, with its causes and a hint, and answers its exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    let (code, hint) = judge(error);
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}

fn judge(error: &anyhow::Error) -> (u8, Option<&'static str>) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return (failure.code, Some(failure.hint));
    }
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<RegisterError>() {
            match error {
                RegisterError::AlreadyRegistered(_) => {
                    return (
                        ALREADY_REGISTERED,
                        Some("`--force` gives the present registration up"),
                    );
                }
                RegisterError::Endpoint(_) => {
                    return (
                        USAGE,
                        Some("`--endpoint` takes a URL like https://drawbridge.example.org:8443"),
                    );
                }
                RegisterError::KeyRefused {
                    source: CallError::Aws { .. },
                    ..
                } => {
                    return (
                        SERVER_REFUSED,
                        Some(
                            "`drawbridge nodes enrol --rotate` gives the node another key; its role must allow \
                             `ssm:UpdateInstanceInformation`, as AmazonSSMManagedInstanceCore does",
                        ),
                    );
                }
                // What lies below says more.
                RegisterError::Call { .. }
                | RegisterError::KeyRefused { .. }
                | RegisterError::Answer(_)
                | RegisterError::Key(_)
                | RegisterError::State(_) => {}
            }
        }
        if let Some(NodeError::NotRegistered) = cause.downcast_ref::<NodeError>() {
            return (
                NOT_REGISTERED,
                Some("`drawbridge-agent register` or `enrol` makes this machine a managed node"),
            );
        }
        if cause.is::<StateError>() {
            return (
                FOLDER_UNUSABLE,
                Some("`--state-dir` names another folder; it must belong to the user of the agent"),
            );
        }
        if let Some(error) = cause.downcast_ref::<CallError>() {
            return judge_call(error);
        }
    }
    (FAILED, None)
}

fn judge_call(error: &CallError) -> (u8, Option<&'static str>) {
    match error {
        CallError::Aws { .. } => (
            SERVER_REFUSED,
            Some("an activation works until it expires and for as many machines as it was made for"),
        ),
        CallError::Tls { .. } => (
            SERVER_UNREACHABLE,
            Some("`--ca` names the certificate authority of a server that made its own"),
        ),
        _ => (
            SERVER_UNREACHABLE,
            Some("check the endpoint, and HTTPS_PROXY if the way there leads through a proxy"),
        ),
    }
}
