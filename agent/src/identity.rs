//! Who this node is: its registration, its RSA key, and the role credentials it gets for them.
//!
//! ```text
//! register ── activation ──▶ Registration + key ──▶ Node ── RSA-signed, at half life ──▶ RoleCredentials
//! enrol ──── access key ───▶ Registration + access key ──▶ Node
//! ```
//!
//! The agent and every worker have a [`Node`] of their own on the same folder: a worker must be able to reconnect
//! while the agent is being replaced. Credentials are shared through the folder; only the agent changes the key.

mod credentials;
mod enrolment;
mod key;
mod node;
mod present;
mod registration;

pub use credentials::RoleCredentials;
pub use enrolment::{AccessKey, EnrolRequest, Enrolment, enrol};
pub use key::KeyError;
pub use node::{KeyRotation, Node, NodeError};
pub use present::PresentNode;
pub use registration::{RegisterError, RegisterRequest, Registration, register};

/// The version this agent reports: four numbers, high enough for every feature that AWS's plugin gates on it.
pub const AGENT_VERSION: &str = "3.3.1000.0";
/// The name this agent reports.
pub const AGENT_NAME: &str = "drawbridge-agent";

#[cfg(test)]
mod tests;
