//! One direction of a data channel: numbered frames, acknowledged, resent, delivered in order exactly once.
//!
//! ```text
//!             push                poll                acknowledge
//!  producer ───────▶ [ queued ] ───────▶ [ in flight ] ───────▶ released          Outbound
//!                                  ▲           │
//!                                  └───────────┘ reconnected, or the retransmission timer fired
//!
//!  peer ──▶ sequence = expected ──▶ delivered, acknowledged                        Inbound
//!       ──▶ sequence > expected ──▶ kept in bounds, acknowledged
//!       ──▶ sequence < expected ──▶ acknowledged again, not delivered
//! ```
//!
//! Both of AWS's programs work this way, with different bugs at the edges (`protocol.md` 4). Three differences are ours and
//! invisible to them: a frame is stored before it is sent, so that its acknowledgement always finds it; duplicates are
//! acknowledged again at both ends; and after a reconnect everything unacknowledged goes out at once, not one frame per
//! 100 ms.

mod acknowledgements;
mod inbound;
mod outbound;
mod retransmission;

pub use inbound::{Arrival, Inbound, InboundLimits, SequenceError};
pub use outbound::{Outbound, Window};
pub use retransmission::RetransmissionTimer;

#[cfg(test)]
mod tests;
