//! A pair of sockets in memory.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, Stream};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::{Message, SocketError};

/// One end of a websocket that never leaves the process.
///
/// Bounded like a TCP connection. Unlike a real one it answers no pings by itself: a test that plays a peer
/// decides whether it does.
#[derive(Debug)]
pub struct MemorySocket {
    outgoing: PollSender<Message>,
    incoming: mpsc::Receiver<Message>,
}

impl MemorySocket {
    /// Two ends that hold up to `messages` messages each way.
    pub fn pair(messages: usize) -> (MemorySocket, MemorySocket) {
        let (to_right, from_left) = mpsc::channel(messages);
        let (to_left, from_right) = mpsc::channel(messages);
        let end = |outgoing, incoming| MemorySocket {
            outgoing: PollSender::new(outgoing),
            incoming,
        };
        (end(to_right, from_right), end(to_left, from_left))
    }
}

impl Stream for MemorySocket {
    type Item = Result<Message, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let message = ready!(self.incoming.poll_recv(cx));
        Poll::Ready(message.map(Ok))
    }
}

impl Sink<Message> for MemorySocket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.outgoing
            .poll_reserve(cx)
            .map_err(|_| SocketError::new("the other end is gone"))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SocketError> {
        self.outgoing
            .send_item(message)
            .map_err(|_| SocketError::new("the other end is gone"))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.outgoing.close();
        Poll::Ready(Ok(()))
    }
}
