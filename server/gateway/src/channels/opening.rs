//! The first moments of a websocket: one text frame, or a goodbye.

use std::time::Duration;

use drawbridge_protocol::Time;
use drawbridge_protocol::payload::{self, ChannelClosed};
use drawbridge_protocol::wire::{Frame, MessageType};
use drawbridge_relay::socket::{Message, Socket};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;

use crate::http::Gateway;
use crate::limits::Limits;

/// How long a refused client may take to leave.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(5);

/// Waits for the first text frame, which pings may precede. `None` when something else comes, it is too long, or
/// nothing comes in time: then there is nobody to be told why.
pub(crate) async fn first_text(socket: &mut impl Socket, limits: &Limits) -> Option<String> {
    let first = async {
        loop {
            match socket.next().await?.ok()? {
                Message::Text(text) => return (text.len() <= limits.first_frame_bytes).then_some(text),
                // Answered by the websocket as the next message is awaited.
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Binary(_) | Message::Close => return None,
            }
        }
    };
    timeout(limits.first_frame_within, first).await.ok()?
}

/// Tells a client why it is turned away, in the one way that AWS's plugin understands, and waits for it to leave.
pub(crate) async fn refuse(gateway: &Gateway, mut socket: impl Socket, session: &str, why: &str) {
    let id = gateway.random.uuid();
    let now = Time::new(gateway.clock.monotonic(), gateway.clock.epoch_ms());
    let closed = ChannelClosed::new(id, "", session, why, now);
    let frame = Frame::control(MessageType::ChannelClosed, id, payload::to_bytes(&closed), now);
    let goodbye = async {
        if socket.send(Message::Binary(frame.encode())).await.is_err() || socket.close().await.is_err() {
            return;
        }
        // Read to the end: a reset would overtake the frame.
        while let Some(Ok(_)) = socket.next().await {}
    };
    let _unheard = timeout(GOODBYE_PATIENCE, goodbye).await;
}
