//! How a session ends for its client.

use std::io;
use std::time::Duration;

use drawbridge_aws_client::CallError;

use crate::api::ApiError;
use crate::terminal::Signal;

/// An end that the client was told of or chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The server closed the channel.
    Closed {
        /// Why, in words; empty after a natural end.
        output: String,
        /// How the shell exited, where server and agent tell.
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
}

impl SessionEnd {
    /// The exit code of a program whose session ended so.
    ///
    /// | code | end |
    /// |---|---|
    /// | 0 | over, whatever the shell's own exit code; left; detached |
    /// | 1 | refused, failed, timed out; left but perhaps still running |
    /// | 128 + n | ended by signal n |
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed { failed, .. } => u8::from(*failed),
            Self::TimedOut => 1,
            Self::Left { terminated } => u8::from(!terminated),
            Self::Detached => 0,
            Self::Signalled(signal) => 128 + signal.number(),
        }
    }
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
}
