//! The managed node's side of Drawbridge: identity, the control channel, and one worker process per session.

pub mod account;
pub mod identity;
pub mod process;
pub mod pty;
pub mod state;
