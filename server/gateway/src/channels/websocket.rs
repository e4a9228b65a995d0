//! The websocket library's stream as the relay's [`Socket`](drawbridge_relay::socket::Socket).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use drawbridge_protocol::wire::MAX_FRAME_BYTES;
use drawbridge_relay::socket::{Message, SocketError};
use futures_util::{Sink, Stream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message as Frame, Utf8Bytes};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::quota::Quota;
use crate::connection::BoxedIo;

/// How much memory a socket sets aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffers {
    /// A control channel: one per idle node, a message now and then.
    Control,
    /// A data channel.
    Data,
}

impl Buffers {
    fn config(self) -> WebSocketConfig {
        let (read, write, message) = match self {
            // AWS's agent sends up to 142 000 bytes.
            Buffers::Control => (2 * 1024, 0, 160 * 1024),
            Buffers::Data => (16 * 1024, 16 * 1024, MAX_FRAME_BYTES),
        };
        WebSocketConfig::default()
            .read_buffer_size(read)
            .write_buffer_size(write)
            // Twice the longest message and a turn of the relay's writer.
            .max_write_buffer_size(write + 2 * MAX_FRAME_BYTES + 128 * 1024)
            .max_message_size(Some(message))
            .max_frame_size(Some(message))
    }
}

/// One accepted websocket.
///
/// Boxed, because it is handed from task to task, each of which sets aside room for what it is handed.
pub(crate) struct WebSocket {
    inner: Box<WebSocketStream<Quota<BoxedIo>>>,
    /// When this is ready, the socket has ended.
    cut: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl WebSocket {
    /// Takes over an upgraded connection, of which `read_already` was read. Until its peer is admitted, it ends after
    /// `strangers` bytes.
    pub(crate) async fn new(
        io: BoxedIo,
        read_already: Bytes,
        buffers: Buffers,
        strangers: usize,
    ) -> WebSocket {
        let config = Some(buffers.config());
        let io = Quota::new(io, strangers);
        let inner =
            WebSocketStream::from_partially_read(io, read_already.to_vec(), Role::Server, config).await;
        let inner = Box::new(inner);
        WebSocket { inner, cut: None }
    }

    /// Lets the peer, whose token was accepted, send as much as it likes.
    pub(crate) fn admit(&mut self) {
        self.inner.get_mut().lift();
    }

    /// Ends the socket, as if its peer had left, when `cut` is cancelled.
    pub(crate) fn end_when(&mut self, cut: &CancellationToken) {
        self.cut = Some(Box::pin(cut.clone().cancelled_owned()));
    }

    /// Says why the connection ends, where RFC 6455 has a code for it. Nobody waits for it to arrive.
    fn accuse(&mut self, error: &Error, cx: &mut Context<'_>) {
        let code = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => CloseCode::Size,
            Error::Protocol(_) => CloseCode::Protocol,
            Error::Utf8(_) => CloseCode::Invalid,
            _ => return,
        };
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::default(),
        };
        if Pin::new(&mut *self.inner)
            .start_send(Frame::Close(Some(frame)))
            .is_ok()
        {
            let _not_waited_for = Pin::new(&mut *self.inner).poll_flush(cx);
        }
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(cut) = &mut self.cut
            && cut.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(Pin::new(&mut *self.inner).poll_next(cx)) else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(match frame {
            Ok(Frame::Binary(bytes)) => Ok(Message::Binary(bytes)),
            Ok(Frame::Text(text)) => Ok(Message::Text(text.as_str().to_owned())),
            Ok(Frame::Ping(payload)) => Ok(Message::Ping(payload)),
            Ok(Frame::Pong(payload)) => Ok(Message::Pong(payload)),
            // Raw frames are never read, only written.
            Ok(Frame::Close(_) | Frame::Frame(_)) => Ok(Message::Close),
            Err(error) => {
                self.accuse(&error, cx);
                Err(SocketError::new(error))
            }
        }))
    }
}

impl Sink<Message> for WebSocket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut *self.inner)
            .poll_ready(cx)
            .map_err(SocketError::new)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        let frame = match message {
            Message::Binary(bytes) => Frame::Binary(bytes),
            Message::Text(text) => Frame::text(text),
            Message::Ping(payload) => Frame::Ping(payload),
            Message::Pong(payload) => Frame::Pong(payload),
            Message::Close => Frame::Close(None),
        };
        Pin::new(&mut *self.inner)
            .start_send(frame)
            .map_err(SocketError::new)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut *self.inner)
            .poll_flush(cx)
            .map_err(SocketError::new)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut *self.inner)
            .poll_close(cx)
            .map_err(SocketError::new)
    }
}
