//! One websocket, read and written without either waiting for the other.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use drawbridge_protocol::Transmit;
use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A websocket of any kind: over TLS, plain, or in memory.
pub trait DataSocket: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin {}

impl<S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin> DataSocket for S {}

/// An open websocket and the messages on their way into it.
#[derive(Debug)]
pub(crate) struct Link<S> {
    socket: S,
    outbox: VecDeque<Message>,
    outbox_bytes: usize,
    flushed: bool,
}

/// What came of waiting for a [`Link`].
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// Messages arrived, in this order; at least one.
    Arrived(Vec<Message>),
    /// A full outbox has room again.
    Room,
    /// The connection is gone, for this reason if it gave one.
    Lost(Option<Error>),
}

impl<S: DataSocket> Link<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            outbox: VecDeque::new(),
            outbox_bytes: 0,
            flushed: true,
        }
    }

    /// Queues a message. The caller keeps within [`Link::has_room`].
    pub(crate) fn push(&mut self, transmit: Transmit) {
        let message = match transmit {
            Transmit::Text(text) => Message::text(text),
            Transmit::Binary(bytes) => Message::binary(bytes),
            Transmit::Ping(payload) => Message::Ping(payload),
        };
        self.outbox_bytes += message.len();
        self.outbox.push_back(message);
    }

    /// Whether more should be queued.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox_bytes < OUTBOX_BYTES
    }

    /// Writes what is queued and waits for what arrives; `may_read` false leaves it to the peer to wait.
    ///
    /// Cancel-safe.
    pub(crate) async fn next(&mut self, may_read: bool) -> LinkEvent {
        let was_full = !self.has_room();
        poll_fn(|context| {
            let written = self.poll_write(context);
            if may_read && let Poll::Ready(event) = self.poll_read(context) {
                return Poll::Ready(event);
            }
            // Only now: a server that ends a session while much is on its way to it has said so before it hung up.
            if let Poll::Ready(Err(error)) = written {
                return Poll::Ready(LinkEvent::Lost(Some(error)));
            }
            if was_full && self.has_room() {
                return Poll::Ready(LinkEvent::Room);
            }
            Poll::Pending
        })
        .await
    }

    /// Writes what is queued, without reading.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_write(context)).await
    }

    /// Feeds everything that the socket takes, then flushes once.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.outbox.is_empty() {
            std::task::ready!(socket.as_mut().poll_ready(context))?;
            if let Some(message) = self.outbox.pop_front() {
                self.outbox_bytes -= message.len();
                self.flushed = false;
                socket.as_mut().start_send(message)?;
            }
        }
        if !self.flushed {
            std::task::ready!(socket.poll_flush(context))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what is there already in one go: a burst of frames costs one turn of the caller's loop.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<LinkEvent> {
        let mut arrived = Vec::new();
        while arrived.len() < BURST_MESSAGES {
            match Pin::new(&mut self.socket).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => arrived.push(message),
                // What arrived before the end counts; the end is found again at the next turn.
                Poll::Ready(_) | Poll::Pending if !arrived.is_empty() => break,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(LinkEvent::Lost(Some(error))),
                Poll::Ready(None) => return Poll::Ready(LinkEvent::Lost(None)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(LinkEvent::Arrived(arrived))
    }
}

/// Returns the frame in a message, if it carries one.
pub(crate) fn frame(message: Message) -> Option<Bytes> {
    match message {
        Message::Binary(bytes) => Some(bytes),
        // Text frames are never sent to clients; closing is seen as the end of the stream; pings answer themselves.
        Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
            None
        }
    }
}

/// Enough to keep a fast network busy between two turns of the loop.
const OUTBOX_BYTES: usize = 256 * 1024;

/// Bounds the time between two looks at the keyboard.
const BURST_MESSAGES: usize = 64;
