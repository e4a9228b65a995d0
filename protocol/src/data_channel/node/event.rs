//! What a node's shell is told, and what it tells of a session.

use bytes::Bytes;

use crate::payload::Size;

/// Tells the node's shell what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client sent bytes, next in order.
    Input(Bytes),
    /// The client sent a message of [`Credited`](crate::port_mux::Credited), next in order.
    Multiplexed(Bytes),
    /// The client's terminal has this size.
    Size(Size),
    /// The client sent one of the numbers of [`flag`](crate::payload::flag).
    Flag(u32),
    /// The client has made a data key: have it unwrapped, and hand it over with
    /// [`handle_data_key`](super::NodeEnd::handle_data_key) within 30 s.
    DataKeyWrapped(Vec<u8>),
    /// The handshake went well; output may flow.
    HandshakeDone {
        /// Version of the plugin, as it says.
        client_version: String,
    },
    /// The handshake went wrong: end the session with these words.
    HandshakeFailed(String),
    /// The server has words for the person at the client, whose program cannot show them otherwise than as output.
    Notice(String),
    /// The server wants no output for now.
    Paused,
    /// The server wants output again.
    Resumed,
    /// The server ended the session.
    ChannelClosed,
    /// The connection is dead although nothing was closed: replace it.
    Unresponsive,
}

/// Names what the node tells the server about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The session's process is about to start; send once per session.
    Connected,
    /// The process ended by itself; goes out after all output.
    Terminating {
        /// How it exited, told only to our own server.
        exit_code: Option<i32>,
    },
}
