//! One session: the client's end, the node's end and the relay between them.

pub mod client;
pub mod node;
pub mod relay;
