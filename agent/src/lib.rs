//! The managed node's side of Drawbridge: identity, the control channel, and one worker process per session.

pub mod account;
mod agent;
pub mod backoff;
pub mod gateway;
mod heartbeat;
pub mod identity;
mod line;
pub mod logs;
mod pam;
pub mod platform;
pub mod process;
pub mod pty;
pub mod sessions;
pub mod socket;
pub mod state;
pub mod worker;

pub use agent::{AgentSettings, run};
