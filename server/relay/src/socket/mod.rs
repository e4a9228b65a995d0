//! One websocket, whatever carries it, and the task that moves messages between it and a session.
//!
//! Both directions of a socket live in one task and never wait for each other: a peer that stops reading is
//! still read from. Every queue is bounded. What a full one means:
//!
//! - towards the session: the socket is not read until there is room (back-pressure by TCP);
//! - towards the peer: the connection is closed. The relay's windows bound what a healthy peer is sent, so
//!   that a full queue is a peer that no longer reads; it comes back and resumes.

mod memory;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::relay::ConnectionId;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use memory::MemorySocket;

/// Messages that may wait to be written to one peer.
const OUTGOING_MESSAGES: usize = 16 * 1024;

/// Messages of one end that may wait for the session's task.
const INCOMING_MESSAGES: usize = 256;

/// Their bytes.
const INCOMING_BYTES: usize = 2 * 1024 * 1024;

/// Bytes written between two flushes, so that one session does not keep a worker thread to itself.
const TURN_BYTES: usize = 256 * 1024;

/// A peer that takes no byte for this long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// How long a peer that was told goodbye is still read from, so that its kernel does not answer what is in
/// flight with a reset, which would take the goodbye with it.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(5);

/// A websocket message as the relay sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message; only ever the first message of a connection, from the peer.
    Text(String),
    /// One frame.
    Binary(Bytes),
    /// Answered by whatever carries the socket, as soon as it is read.
    Ping(Bytes),
    /// The answer to a ping of ours.
    Pong(Bytes),
    /// The peer leaves.
    Close,
}

/// Why a socket ended.
#[derive(Debug, thiserror::Error)]
#[error("the websocket failed")]
pub struct SocketError(#[source] Box<dyn Error + Send + Sync>);

impl SocketError {
    /// Wraps the carrier's own error.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> SocketError {
        SocketError(source.into())
    }
}

/// Anything that carries websocket messages both ways.
pub trait Socket:
    Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Send + Unpin
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, SocketError>> + Sink<Message, Error = SocketError> + Send + Unpin
{
}

/// What a session asks to be written.
#[derive(Debug)]
pub(crate) enum Transmission {
    Message(Message),
    /// Say goodbye once everything before is written.
    Close,
}

/// A session's end of a connection's queue.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    queue: mpsc::Sender<Transmission>,
    cut: CancellationToken,
}

impl Outgoing {
    /// A queue, and what [`carry`] takes of it.
    pub(crate) fn channel() -> (Outgoing, OutgoingQueue) {
        let (queue, messages) = mpsc::channel(OUTGOING_MESSAGES);
        let cut = CancellationToken::new();
        (
            Outgoing {
                queue,
                cut: cut.clone(),
            },
            OutgoingQueue { messages, cut },
        )
    }

    pub(crate) fn send(&self, message: Message) {
        self.transmit(Transmission::Message(message));
    }

    pub(crate) fn close(&self) {
        self.transmit(Transmission::Close);
    }

    fn transmit(&self, transmission: Transmission) {
        match self.queue.try_send(transmission) {
            // A peer that is gone is reported by its reader.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => self.cut.cancel(),
        }
    }
}

/// The connection's end of its queue.
#[derive(Debug)]
pub(crate) struct OutgoingQueue {
    messages: mpsc::Receiver<Transmission>,
    cut: CancellationToken,
}

/// The way from connections to their session: bounded by bytes, because one message may be a megabyte.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    queue: mpsc::Sender<FromPeer>,
    room: Arc<Semaphore>,
}

impl Incoming {
    /// A queue for all connections of one end of a session.
    pub(crate) fn channel() -> (Incoming, mpsc::Receiver<FromPeer>) {
        let (queue, inbox) = mpsc::channel(INCOMING_MESSAGES);
        (
            Incoming {
                queue,
                room: Arc::new(Semaphore::new(INCOMING_BYTES)),
            },
            inbox,
        )
    }

    /// Waits for room; `false` when the session is over.
    async fn send(&self, conn: ConnectionId, event: PeerEvent) -> bool {
        let bytes = match &event {
            PeerEvent::Message(bytes) | PeerEvent::Pong(bytes) => bytes.len().min(INCOMING_BYTES),
            PeerEvent::Gone => 0,
        };
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(permits).await else {
            return false;
        };
        self.queue
            .send(FromPeer {
                conn,
                event,
                _room: room,
            })
            .await
            .is_ok()
    }
}

/// Something that happened on a connection.
#[derive(Debug)]
pub(crate) struct FromPeer {
    pub(crate) conn: ConnectionId,
    pub(crate) event: PeerEvent,
    /// Given back once the session has taken the event.
    _room: OwnedSemaphorePermit,
}

/// What it was.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    Message(Bytes),
    Pong(Bytes),
    Gone,
}

/// Moves messages between a socket and its session until either is done with the other, then reports the
/// connection gone.
///
/// `silence` is how long the peer may say nothing at all.
pub(crate) async fn carry<S: Socket>(
    conn: ConnectionId,
    socket: S,
    queue: OutgoingQueue,
    incoming: &Incoming,
    silence: Duration,
) {
    let (mut sink, mut stream) = socket.split();
    let OutgoingQueue { mut messages, cut } = queue;
    // Boxed, so that it can be dropped before what it borrows is used again.
    let mut reading = Box::pin(read(conn, &mut stream, incoming, silence));
    let written = tokio::select! {
        () = &mut reading => Written::Everything,
        written = write(&mut sink, &mut messages) => written,
        () = cut.cancelled() => {
            tracing::warn!(connection = conn.0, "closed a connection whose peer reads too slowly");
            Written::Everything
        }
    };
    if written == Written::NoMore {
        // A program that says its last word and ends takes nothing more, but the word is there.
        let _peer_is_silent = timeout(GOODBYE_PATIENCE, &mut reading).await;
    }
    drop(reading);
    // The session must not wait for the goodbye to be heard.
    let _session_is_over = incoming.send(conn, PeerEvent::Gone).await;
    if written == Written::Goodbye {
        let discard = async { while let Some(Ok(_)) = stream.next().await {} };
        let _unheard = timeout(GOODBYE_PATIENCE, discard).await;
    } else {
        // A peer that said goodbye first waits for ours, which the websocket has prepared and not sent.
        let _unheard = timeout(GOODBYE_PATIENCE, sink.flush()).await;
    }
}

/// Reads until the peer leaves, breaks a rule of the carrier, sends text, or is silent for too long.
async fn read<S>(conn: ConnectionId, stream: &mut S, incoming: &Incoming, silence: Duration)
where
    S: Stream<Item = Result<Message, SocketError>> + Unpin,
{
    while let Ok(Some(Ok(message))) = timeout(silence, stream.next()).await {
        let event = match message {
            Message::Binary(bytes) => PeerEvent::Message(bytes),
            Message::Pong(payload) => PeerEvent::Pong(payload),
            Message::Ping(_) => continue,
            Message::Text(_) => {
                tracing::debug!(
                    connection = conn.0,
                    "closed a connection that sent a second text message"
                );
                return;
            }
            Message::Close => return,
        };
        if !incoming.send(conn, event).await {
            // The session is over, and its last words may still wait to be written.
            return std::future::pending().await;
        }
    }
}

/// How writing to a peer came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// The session wants nothing more written.
    Everything,
    /// The peer was told goodbye.
    Goodbye,
    /// The peer takes no more.
    NoMore,
}

/// Writes until the session closes the connection or forgets it, or the peer takes no more.
async fn write<S>(sink: &mut S, messages: &mut mpsc::Receiver<Transmission>) -> Written
where
    S: Sink<Message, Error = SocketError> + Unpin,
{
    while let Some(first) = messages.recv().await {
        let mut next = Some(first);
        let mut bytes = 0;
        while let Some(transmission) = next {
            let Transmission::Message(message) = transmission else {
                return match timeout(GOODBYE_PATIENCE, sink.close()).await {
                    Ok(Ok(())) => Written::Goodbye,
                    Ok(Err(_)) | Err(_) => Written::Everything,
                };
            };
            bytes += length(&message);
            if !matches!(timeout(WRITE_PATIENCE, sink.feed(message)).await, Ok(Ok(()))) {
                return Written::NoMore;
            }
            next = if bytes < TURN_BYTES {
                messages.try_recv().ok()
            } else {
                None
            };
        }
        if !matches!(timeout(WRITE_PATIENCE, sink.flush()).await, Ok(Ok(()))) {
            return Written::NoMore;
        }
        if bytes >= TURN_BYTES {
            tokio::task::yield_now().await;
        }
    }
    Written::Everything
}

fn length(message: &Message) -> usize {
    match message {
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Text(text) => text.len(),
        Message::Close => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// A peer that has said its last words and is gone.
    struct Gone(Vec<Message>);

    impl Stream for Gone {
        type Item = Result<Message, SocketError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop().map(Ok))
        }
    }

    impl Sink<Message> for Gone {
        type Error = SocketError;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
            Poll::Ready(Err(SocketError::new("connection reset by peer")))
        }

        fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), SocketError> {
            Err(SocketError::new("connection reset by peer"))
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
            self.poll_ready(cx)
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
            self.poll_ready(cx)
        }
    }

    #[tokio::test]
    async fn the_last_words_of_a_peer_that_takes_no_more_are_heard() {
        // Which of the two directions is looked at first is drawn each time.
        for _ in 0..50 {
            let (outgoing, queue) = Outgoing::channel();
            let (incoming, mut inbox) = Incoming::channel();
            outgoing.send(Message::Binary(Bytes::from_static(b"an acknowledgement")));
            let last_words = Message::Binary(Bytes::from_static(b"I am leaving"));
            let (conn, silence) = (ConnectionId(1), Duration::from_secs(60));
            carry(conn, Gone(vec![last_words]), queue, &incoming, silence).await;
            let heard = inbox.recv().await.expect("something").event;
            assert!(
                matches!(&heard, PeerEvent::Message(bytes) if bytes == "I am leaving"),
                "{heard:?}"
            );
            let gone = inbox.recv().await.expect("something").event;
            assert!(matches!(gone, PeerEvent::Gone), "{gone:?}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_talks_on_hears_the_last_words_of_its_session() {
        let (socket, mut peer) = MemorySocket::pair(8);
        let (outgoing, queue) = Outgoing::channel();
        let (incoming, inbox) = Incoming::channel();
        drop(inbox);
        peer.send(Message::Binary(Bytes::from_static(b"more")))
            .await
            .expect("sent");
        let (conn, silence) = (ConnectionId(1), Duration::from_secs(60));
        let carried = carry(conn, socket, queue, &incoming, silence);
        let session = async {
            // Read first, then told: the order in which the words were lost.
            tokio::task::yield_now().await;
            outgoing.send(Message::Binary(Bytes::from_static(b"goodbye")));
            outgoing.close();
            drop(outgoing);
            let heard = peer.next().await;
            drop(peer);
            heard
        };
        let (heard, ()) = tokio::join!(session, carried);
        let heard = heard.map(|message| message.expect("a message"));
        assert_eq!(heard, Some(Message::Binary(Bytes::from_static(b"goodbye"))));
    }
}
