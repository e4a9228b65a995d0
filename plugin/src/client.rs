//! One session from the user's side.
//!
//! [`run_session`] holds the loop between a [`Terminal`](crate::terminal::Terminal) and a data channel. It is the shell around
//! [`ClientEnd`](drawbridge_protocol::data_channel::client::ClientEnd), which holds every decision of the protocol;
//! decided here is what a person sees: when the terminal is raw, what `~.` does, how long a lost connection is tried
//! again, and what is said meanwhile. [`run`] is the same with the real terminal and network.
//!
//! ```text
//!             attempt succeeds                  server or person ends it
//!   Down ───────────────────────▶ Up ─────────────────────────────────────▶ over
//!    ▲  └─ nothing to resume, refused, or tried for too long ───────────────▲
//!    └──── socket lost or silent ─┘
//! ```
//!
//! Before the session is established the terminal stays as it was, so that Ctrl-C ends the program; from then on every
//! key but the escapes belongs to the far end.

mod backlog;
mod backoff;
mod conversation;
mod data_key;
mod end;
mod kind;
mod line;
mod link;
mod remote;
mod run;
mod tunnel;
mod typing;

#[cfg(test)]
mod tests;

use std::time::Duration;

use drawbridge_protocol::Capabilities;

use crate::terminal::Channel;

pub use data_key::{DataKeyError, MadeKey};
pub use end::{ClientError, SessionEnd};
pub use kind::SessionKind;
pub use link::DataSocket;
pub use remote::{GatewayRemote, Remote, speaks_to_aws};
pub use run::{forward, run, run_on, run_session, share};
pub use tunnel::{Connection, Forwarding, TunnelNews, TunnelView};

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Started by the AWS CLI: says what scripts expect on standard output.
    Plugin,
    /// Started by a person; `~d` leaves the session running.
    Connect,
    /// Started by a person to hold a session open for others; shows nothing of it.
    Hold,
    /// Started by a person for a tunnel.
    Forward,
    /// Started by a person or script for one command; says nothing of its own while all goes well.
    Exec,
    /// As that, for a command that is this program's own other end and has nothing to tidy up when it is told to end.
    Copy,
    /// Takes a running session over; leaves it running when it is told to end.
    Attach,
    /// Only looks.
    Watch,
}

impl Mode {
    /// Whether a session is ended when its client is told to end without the person having said `~.`.
    fn owns_session(self) -> bool {
        matches!(
            self,
            Self::Plugin | Self::Connect | Self::Hold | Self::Forward | Self::Exec | Self::Copy
        )
    }

    /// Whether what tells this program to end is for the session's command first.
    fn passes_signals(self) -> bool {
        matches!(self, Self::Plugin | Self::Connect | Self::Exec | Self::Attach)
    }

    /// Whether somebody else says how the session ended.
    fn is_part_of_program(self) -> bool {
        matches!(self, Self::Exec | Self::Copy)
    }

    fn may_detach(self) -> bool {
        matches!(self, Self::Connect | Self::Attach)
    }

    /// Whether it says that a session of this kind begins; of an unknown kind if it never did.
    fn announces(self, kind: Option<SessionKind>) -> bool {
        self == Self::Plugin && kind != Some(SessionKind::Command)
    }

    /// Where words for the person go: on standard output, where scripts look for them, unless that is a command's.
    fn channel_of_words(self, kind: Option<SessionKind>) -> Channel {
        match self {
            Self::Plugin if kind != Some(SessionKind::Command) => Channel::Output,
            Self::Plugin
            | Self::Connect
            | Self::Hold
            | Self::Forward
            | Self::Exec
            | Self::Copy
            | Self::Attach
            | Self::Watch => Channel::Notice,
        }
    }
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What the client is for.
    pub mode: Mode,
    /// What to name to the server; `None` towards AWS's own service.
    pub capabilities: Option<Capabilities>,
    /// How long it waits for what.
    pub patience: Patience,
}

impl ClientOptions {
    /// Behaves as `mode` asks, with every wait at its default, towards our own server.
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            capabilities: Some(Capabilities::OURS),
            patience: Patience::default(),
        }
    }
}

/// How long a client waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the first connection; the token is short-lived.
    pub first_connection: Duration,
    /// For a lost connection to come back.
    pub reconnection: Duration,
    /// For one attempt at either.
    pub attempt: Duration,
    /// Before a person is told that the connection is lost.
    pub notice: Duration,
    /// Before a person is told that the session has still not begun.
    pub start_notice: Duration,
    /// For the server to confirm the end of a session that the client ends.
    pub goodbye: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_connection: Duration::from_secs(30),
            reconnection: Duration::from_secs(600),
            attempt: Duration::from_secs(20),
            notice: Duration::from_secs(2),
            start_notice: Duration::from_secs(10),
            goodbye: Duration::from_secs(5),
        }
    }
}
