//! The user's end of a session.
//!
//! | module | owns |
//! |---|---|
//! | [`terminal`] | the local terminal: raw mode, keys, signals, output |
//! | [`client`] | one session: its connection, reconnecting, and the loop between terminal and data channel |
//! | [`api`] | the signed calls around it |
//! | [`invocation`] | the command line on which the AWS CLI starts a plugin |
//! | [`sharing`] | one session for many commands |
//! | [`texts`] | the texts that scripts read |
//!
//! The protocol itself is [`drawbridge_protocol`]'s. Two programs use this crate: `session-manager-plugin` and the
//! commands of `drawbridge` that open a session. The usual entry point is [`client::run`].

pub mod api;
pub mod client;
pub mod invocation;
pub mod sharing;
pub mod terminal;
pub mod texts;

mod ticket;

pub use ticket::{JoinedKey, SessionTicket};
