//! One managed node and the server.
//!
//! The node connects, opens with one text frame and then waits for orders; it reports the end of every session it was
//! told to start (`protocol.md` 8). Neither end numbers its messages: an order has no acknowledgement but the session's
//! data channel, a report is repeated until it is acknowledged.

pub mod node;
pub mod server;

pub use node::NodeControl;
pub use server::ServerControl;
