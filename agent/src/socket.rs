//! A websocket that is written and read at the same time by one task.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use drawbridge_protocol::Transmit;
use futures_util::{Sink, Stream};
use tokio_tungstenite::tungstenite;
use tungstenite::Message;

/// What a connection to the server is, real or in memory.
pub(crate) trait Transport:
    Stream<Item = Result<Message, tungstenite::Error>> + Sink<Message, Error = tungstenite::Error> + Unpin
{
}

impl<T> Transport for T where
    T: Stream<Item = Result<Message, tungstenite::Error>> + Sink<Message, Error = tungstenite::Error> + Unpin
{
}

/// A websocket with the messages that wait to be written.
///
/// Reading and writing go on together, or two ends that both wait for the other to read would wait for ever.
#[derive(Debug)]
pub(crate) struct Socket<T> {
    transport: T,
    queue: VecDeque<Message>,
    queued_bytes: usize,
    unflushed: bool,
    closing: bool,
}

/// What came over the socket.
#[derive(Debug)]
pub(crate) enum Received {
    /// A frame.
    Binary(Bytes),
    /// The answer to a ping.
    Pong,
    /// A text message, which only a peer that does not know the protocol sends.
    Text,
    /// Everything queued has been handed to the network.
    Flushed,
    /// The peer closed the connection in an orderly way, after it had read everything.
    Closed,
    /// The connection broke.
    Broken(Option<tungstenite::Error>),
}

impl<T: Transport> Socket<T> {
    /// Takes a websocket into use.
    pub(crate) fn new(transport: T) -> Self {
        Self {
            transport,
            queue: VecDeque::new(),
            queued_bytes: 0,
            unflushed: false,
            closing: false,
        }
    }

    /// Queues a message.
    pub(crate) fn push(&mut self, transmit: Transmit) {
        let message = match transmit {
            Transmit::Text(text) => Message::text(text),
            Transmit::Binary(frame) => Message::Binary(frame),
            Transmit::Ping(payload) => Message::Ping(payload),
        };
        self.queued_bytes += message.len();
        self.queue.push_back(message);
    }

    /// Queues the websocket's own goodbye; [`Received::Closed`] is then the proof that everything before it arrived.
    pub(crate) fn close(&mut self) {
        if !self.closing {
            self.closing = true;
            self.queue.push_back(Message::Close(None));
        }
    }

    /// Says whether goodbye has been said: a peer takes anything that follows for a broken connection.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Returns how many bytes wait because the network does not take them.
    pub(crate) fn backlog(&self) -> usize {
        self.queued_bytes
    }

    /// Writes what is queued and waits for the next thing to come.
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Received {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        match self.poll_write(context) {
            Poll::Ready(Ok(true)) => return Poll::Ready(Received::Flushed),
            Poll::Ready(Err(error)) => return Poll::Ready(broken(error)),
            Poll::Ready(Ok(false)) | Poll::Pending => {}
        }
        loop {
            let received = match ready!(Pin::new(&mut self.transport).poll_next(context)) {
                None => Received::Broken(None),
                Some(Err(error)) => broken(error),
                Some(Ok(Message::Binary(frame))) => Received::Binary(frame),
                Some(Ok(Message::Pong(_))) => Received::Pong,
                Some(Ok(Message::Text(_))) => Received::Text,
                Some(Ok(Message::Close(_))) => Received::Closed,
                // Answered by the websocket itself, with its next write.
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => continue,
            };
            return Poll::Ready(received);
        }
    }

    /// Says `true` once when the last queued byte has left.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, tungstenite::Error>> {
        let mut transport = Pin::new(&mut self.transport);
        while !self.queue.is_empty() {
            ready!(transport.as_mut().poll_ready(context))?;
            if let Some(message) = self.queue.pop_front() {
                self.queued_bytes -= if message.is_close() { 0 } else { message.len() };
                self.unflushed = true;
                transport.as_mut().start_send(message)?;
            }
        }
        if self.unflushed {
            ready!(transport.poll_flush(context))?;
            self.unflushed = false;
            return Poll::Ready(Ok(true));
        }
        Poll::Ready(Ok(false))
    }
}

fn broken(error: tungstenite::Error) -> Received {
    match error {
        tungstenite::Error::ConnectionClosed => Received::Closed,
        other => Received::Broken(Some(other)),
    }
}
