//! Joins the two ends of a session and journals what passes.
//!
//! | module | owns |
//! |---|---|
//! | [`journal`] | every output frame, durable before the node may forget it |
//! | [`socket`] | one websocket, whatever carries it, and its bounded queues |
//! | `live` | one task per live session around the protocol's `RelayCore` |
//! | `nodes`, `control` | which managed nodes are there; one task per control channel |
//! | `scribe` | the stages and ends of sessions, written to the store in order |
//! | `flows` | what passed through tunnels, written to the audit log |
//!
//! Tokens, signatures and HTTP are the gateway's; what a frame means is the protocol's. This crate is the shell between:
//! sockets, queues, files and the clock.

mod control;
mod ending;
mod flows;
pub mod journal;
mod live;
mod nodes;
mod particulars;
mod relay;
mod scribe;
pub mod socket;

pub use relay::{AcceptedClient, ClientRole, RecoveryError, SessionOver, SessionRelay};
