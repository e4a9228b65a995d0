//! One session for many commands, as OpenSSH's `ControlMaster` is one connection for many.
//!
//! ```text
//!  drawbridge exec ──▶ ┌────────────┐                          ┌────────┐
//!  drawbridge exec ──▶ │  Exchange  │ ══ the data channel ═══▶ │ worker │──▶ a process for each
//!  drawbridge exec ──▶ └────────────┘   of a shell's session   └────────┘
//!            a socket    in `drawbridge connect --persist`
//! ```
//!
//! Both ends of a command are `drawbridge exec` and the node's worker: credit, order and ends are between these two, in messages of
//! [`Credited`](drawbridge_protocol::port_mux::Credited). The `Exchange` in the middle only gives each its own number in the
//! session, and passes on.

mod caller;
mod exchange;
mod frames;
mod place;
#[cfg(test)]
mod tests;

pub use caller::{Call, CallEnd};
pub use drawbridge_protocol::port_mux::{Opening, Refusal, RefusalCode};
pub(crate) use exchange::Exchange;
pub use place::{Occupied, Place, PlaceError, Sharing};
