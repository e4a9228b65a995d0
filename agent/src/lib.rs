//! The managed node's side of Drawbridge: identity, the control channel, and one worker process per session.

pub mod account;
mod agent;
mod backoff;
mod gateway;
mod heartbeat;
pub mod identity;
mod line;
mod logs;
mod pam;
mod platform;
pub mod process;
mod pty;
pub mod sessions;
mod socket;
pub mod state;
pub mod worker;

pub use agent::{AgentSettings, run};
