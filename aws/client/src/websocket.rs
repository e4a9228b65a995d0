//! Websockets with small buffers.

use tokio_tungstenite::WebSocketStream;

use crate::stream::Stream;

/// A websocket over TCP or TLS.
pub type WebSocket = WebSocketStream<Stream>;

/// The largest message accepted from a server, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 2 * 1024 * 1024;
