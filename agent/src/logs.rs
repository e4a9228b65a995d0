//! The log of a session as AWS's agent writes it: the transcript in a bucket, and events in a log group.
//!
//! ```text
//!             record                 every tenth of a second           every second
//!  session ───────────▶ Tap ═══════▶ Capture ═════════▶ file ════════▶ Stream ═════▶ log group
//!                      (memory)     (writes it down)      │
//!                                                         └─ after the end: Transcript ═▶ bucket, or log group
//! ```
//!
//! The terminal never waits for any of it, except for a disk that is slower than the output (`Tap::is_behind`). What
//! cannot be shipped is said in the agent's log and never keeps a worker alive for ever. The evidence that does not depend on
//! the node is the server's own journal; this is for those who read AWS's formats.

mod attempts;
mod bucket;
mod capture;
mod check;
mod destinations;
mod event;
mod group;
mod lines;
mod session_log;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod transcript;

pub(crate) use attempts::Pace;
pub(crate) use check::{CheckError, check};
pub(crate) use destinations::Destinations;
pub(crate) use session_log::{Particulars, SessionLog};
