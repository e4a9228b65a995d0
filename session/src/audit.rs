//! Audit events: what is remembered of each call, of what passed through tunnels and of what was recorded, in the shape of a CloudTrail record.
//!
//! The gateway makes an [`Intent`] of a request before the operation sees it, and the outcome turns it into an
//! [`AuditEvent`]. Both write themselves as one line of JSON. Secrets never enter: members that an operation hides,
//! and those that no operation may show, are replaced while the request is still in the caller's hands.

mod audited;
mod event;
mod flows;
mod identity;
mod line;
mod parameters;
mod recordings;
mod resource;
#[cfg(test)]
mod tests;

pub use audited::Audited;
pub use event::{AuditEvent, Intent};
pub use flows::{OtherFlows, TunnelFlow, TunnelFlows};
pub use recordings::{RecordingExpired, SessionRecorded};
pub use resource::Touched;
