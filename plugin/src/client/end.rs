//! How a session ends for its client.

use std::io;
use std::time::Duration;

use drawbridge_aws_client::CallError;
use drawbridge_protocol::port_mux::MuxError;

use super::{DataKeyError, SessionKind};
use crate::api::ApiError;
use crate::terminal::Signal;

/// An end that the client was told of or chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The server closed the channel.
    Closed {
        /// What the session was; `None` if it never began.
        kind: Option<SessionKind>,
        /// Why, in words; empty after a natural end.
        output: String,
        /// How the shell or command exited, where server and agent tell.
        exit_code: Option<i32>,
        /// Whether the session was refused or broke, as far as can be told.
        failed: bool,
    },
    /// The connection was lost and the session is over: there is nothing to resume.
    TimedOut,
    /// The person left with `~.`, or gave up before the session began.
    Left {
        /// Whether the server has confirmed that nothing is left running.
        terminated: bool,
    },
    /// The client left and the session runs on.
    Detached,
    /// The process was told to end.
    Signalled(Signal),
    /// Whoever used standard input and output as a connection needs it no more.
    Finished,
}

impl SessionEnd {
    /// The exit code of a program whose session ended so.
    ///
    /// | code | end |
    /// |---|---|
    /// | the command's | a command exited |
    /// | 0 | over, whatever the shell's own exit code; left; detached |
    /// | 1 | refused, failed, timed out; left but perhaps still running |
    /// | 128 + n | ended by signal n |
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed { failed, .. } => self.command_exit_code().unwrap_or(u8::from(*failed)),
            Self::TimedOut => 1,
            Self::Left { terminated } => u8::from(!terminated),
            Self::Detached | Self::Finished => 0,
            Self::Signalled(signal) => 128 + signal.number(),
        }
    }

    /// Whether it is the end that sessions come to when nothing goes wrong.
    pub(crate) fn is_natural(&self) -> bool {
        matches!(self, Self::Closed { output, .. } if output.is_empty())
    }

    /// The exit code of the remote command, if the session was one and the code is known; 255 if no program can have it.
    pub fn command_exit_code(&self) -> Option<u8> {
        match self {
            Self::Closed {
                kind: Some(kind),
                exit_code: Some(code),
                failed: false,
                ..
            } if kind.is_command() => Some(u8::try_from(*code).unwrap_or(u8::MAX)),
            Self::Closed { .. }
            | Self::TimedOut
            | Self::Left { .. }
            | Self::Detached
            | Self::Finished
            | Self::Signalled(_) => None,
        }
    }
}

/// Reads what a node says of a command's exit: `EXIT_CODE: n`.
pub(crate) fn exit_code(payload: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(payload).ok()?;
    text.trim().strip_prefix("EXIT_CODE:")?.trim_start().parse().ok()
}

/// Why a client could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The data channel could not be opened.
    #[error("cannot open the data channel of session `{session_id}`")]
    Open {
        /// The session.
        session_id: String,
        /// What the last attempt met.
        source: CallError,
    },
    /// The connection was lost and cannot be resumed.
    #[error("cannot resume session `{session_id}`")]
    Resume {
        /// The session.
        session_id: String,
        /// What the last attempt met.
        source: ApiError,
    },
    /// The connection was lost and did not come back.
    #[error("no connection for {} s; session `{session_id}` may still be running", lost_for.as_secs())]
    ConnectionLost {
        /// The session.
        session_id: String,
        /// How long it was tried.
        lost_for: Duration,
        /// What the last attempt met, if it was an attempt to connect.
        #[source]
        source: Option<CallError>,
    },
    /// The session is of a kind that this client cannot show.
    #[error("session type `{0}` is not supported by this client")]
    UnsupportedSessionType(String),
    /// The session was to be held open for commands only, and its node runs none.
    #[error("this session cannot be shared: the node's agent does not run commands beside a shell")]
    NotShared,
    /// The session was to be shared, and the node or the server cannot encrypt what would pass beside the shell.
    #[error(
        "this session cannot be shared: it is encrypted, and the node or the server is too old to encrypt commands beside a shell"
    )]
    EncryptedNotShared,
    /// The session is encrypted, and its data key cannot be had.
    #[error("cannot read session `{session_id}`, which is encrypted")]
    DataKey {
        /// The session.
        session_id: String,
        /// Why not.
        source: DataKeyError,
    },
    /// There is no listener for a tunnel.
    #[error("cannot listen for connections{}", place.as_deref().map(|place| format!(" on {place}")).unwrap_or_default())]
    Listen {
        /// Where.
        place: Option<String>,
        /// Why not.
        source: io::Error,
    },
    /// What the node sends makes no sense.
    #[error("the node's side of the tunnel cannot be understood")]
    Tunnel(#[source] MuxError),
    /// Standard output is closed.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The terminal cannot be set up.
    #[error("cannot set up the terminal")]
    Terminal(#[source] io::Error),
}

impl ClientError {
    /// What the person can do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Open {
                source: CallError::Tls { .. },
                ..
            } => Some("`AWS_CA_BUNDLE` names the file with the certificate authority of the server"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_exit_code_is_not_the_plugins() {
        let closed = |output: &str, failed| SessionEnd::Closed {
            kind: Some(SessionKind::Shell),
            output: output.into(),
            exit_code: Some(3),
            failed,
        };
        assert_eq!(closed("", false).exit_code(), 0);
        assert_eq!(closed("refused", true).exit_code(), 1);
        assert_eq!(SessionEnd::TimedOut.exit_code(), 1);
        assert_eq!(SessionEnd::Left { terminated: true }.exit_code(), 0);
        assert_eq!(SessionEnd::Signalled(Signal::Terminate).exit_code(), 143);
        assert_eq!(SessionEnd::Signalled(Signal::Hangup).exit_code(), 129);
    }

    #[test]
    fn the_code_of_a_command_is() {
        let closed = |kind, exit_code, failed| SessionEnd::Closed {
            kind: Some(kind),
            output: String::new(),
            exit_code,
            failed,
        };
        for kind in [SessionKind::Command, SessionKind::InteractiveCommand] {
            assert_eq!(closed(kind, Some(3), false).exit_code(), 3);
            assert_eq!(closed(kind, Some(0), false).exit_code(), 0);
            assert_eq!(closed(kind, None, false).exit_code(), 0);
            // An end from outside says nothing about the command.
            assert_eq!(closed(kind, Some(0), true).exit_code(), 1);
            // No success by wrapping around.
            assert_eq!(closed(kind, Some(256), false).exit_code(), 255);
            assert_eq!(closed(kind, Some(-1), false).exit_code(), 255);
        }
    }

    #[test]
    fn an_exit_code_is_read_from_its_text_and_from_nothing_else() {
        assert_eq!(exit_code(b"EXIT_CODE: 3"), Some(3));
        assert_eq!(exit_code(b"EXIT_CODE: -1\n"), Some(-1));
        for nonsense in [
            &b"EXIT_CODE: "[..],
            b"3",
            b"EXIT_CODE: 99999999999",
            b"EXIT_CODE: \xff",
        ] {
            assert_eq!(exit_code(nonsense), None);
        }
    }
}
