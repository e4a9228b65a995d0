//! What a core wants written to its socket.

use bytes::Bytes;

/// Names one websocket message to send, in the order the core gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// A text message: only ever the first message of a connection, towards a server.
    Text(String),
    /// A binary message that carries one frame.
    Binary(Bytes),
    /// A ping with this payload. Report the answer with the core's `handle_pong`.
    Ping(Bytes),
}
