//! The wire protocols between a managed node, the server and a client, without any input or output.
//!
//! Nothing here opens a socket, reads a clock or draws a random number: state machines take messages, commands and the
//! present [`Time`], and give back messages to send, events and the moment they next want to be woken. That makes every
//! behaviour reproducible from a seed, and lets agent, relay and plugin share one implementation.
//!
//! | module | owns |
//! |---|---|
//! | [`wire`] | the binary frame that both channels carry |
//! | [`payload`] | the JSON documents inside frames, and the text frame that opens a channel |
//! | [`stream`] | sequence numbers, acknowledgement, resending and ordering of one direction |
//! | [`data_channel`] | one session: the client's end, the node's end and the relay between them |
//! | [`encryption`] | the data key of a session, and what it does to payloads |
//! | [`port_mux`] | many connections over the stream of a tunnel |
//! | [`control_channel`] | one managed node and the server |
//!
//! The word "peer" means whoever wrote the bytes at hand. Nothing a peer can send panics or makes a core hold more memory
//! than its configured bounds.

pub mod control_channel;
pub mod data_channel;
pub mod encryption;
pub mod payload;
pub mod port_mux;
pub mod stream;
pub mod wire;

mod capabilities;
mod connection;
mod keepalive;
mod message_ids;
mod misbehaviour;
mod time;
mod token;
mod transmit;

pub use capabilities::{
    Capabilities, CommandKind, DEFAULT_MAX_PAYLOAD, Hello, LARGEST_MAX_PAYLOAD, NodeExtension, Notice, Role,
};
pub use keepalive::Keepalive;
pub use message_ids::MessageIds;
pub use misbehaviour::PeerMisbehaved;
pub use time::{Time, iso8601};
pub use token::Token;
pub use transmit::Transmit;
