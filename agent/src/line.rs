//! A connection to the server that comes back by itself.
//!
//! ```text
//!              dialled                    closed, broken, given up
//!   Dialling ───────────▶ Up ─────────────────────────────────────▶ Dialling
//!      │
//!      └── the server says that there is nothing to connect to ──▶ Down
//! ```

#[cfg(test)]
pub(crate) mod memory;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use drawbridge_protocol::{Token, Transmit};
use drawbridge_session::Random;

use crate::backoff::Backoff;
use crate::gateway::GatewayError;
use crate::sessions::chain;
use crate::socket::{Received, Socket, Transport};

/// An attempt to connect.
pub(crate) type Dialled<T> = Pin<Box<dyn Future<Output = Result<(Token, T), GatewayError>>>>;

/// Makes connections of one kind.
pub(crate) trait Dial {
    /// What a connection is.
    type Transport: Transport + 'static;

    /// Starts one attempt.
    fn dial(&self) -> Dialled<Self::Transport>;
}

/// A connection that is replaced whenever it is lost.
pub(crate) struct Line<D: Dial> {
    dial: D,
    backoff: Backoff,
    random: Arc<dyn Random>,
    state: State<D::Transport>,
    complaint: String,
}

enum State<T> {
    Dialling(Dialled<T>),
    Up(Socket<T>),
    Down,
}

/// What happened to, or came over, a line.
#[derive(Debug)]
pub(crate) enum LineEvent {
    /// A fresh connection is there; its first message must carry the token.
    Up(Token),
    /// A frame came.
    Frame(Bytes),
    /// A ping was answered.
    Pong,
    /// Everything queued has been handed to the network.
    Flushed,
    /// The connection is gone and is being replaced.
    Lost {
        /// Whether the server closed it knowingly, having read everything.
        orderly: bool,
    },
    /// The server knows the session no more; nothing is being tried any longer.
    SessionEnded,
}

impl<D: Dial> Line<D> {
    /// Starts the first attempt, without delay.
    pub(crate) fn new(dial: D, backoff: Backoff, random: Arc<dyn Random>) -> Self {
        let state = State::Dialling(dial.dial());
        Self {
            dial,
            backoff,
            random,
            state,
            complaint: String::new(),
        }
    }

    /// Waits for the next thing to happen, connecting and writing meanwhile.
    ///
    /// Cancel safe. Once the line is down it never returns.
    pub(crate) async fn next(&mut self) -> LineEvent {
        loop {
            match &mut self.state {
                State::Dialling(attempt) => match attempt.await {
                    Ok((token, transport)) => {
                        self.state = State::Up(Socket::new(transport));
                        self.backoff.connected();
                        return LineEvent::Up(token);
                    }
                    Err(GatewayError::SessionEnded) => {
                        self.state = State::Down;
                        return LineEvent::SessionEnded;
                    }
                    Err(error) => {
                        self.complain(chain(&error));
                        self.redial();
                    }
                },
                State::Up(socket) => {
                    let event = match socket.next().await {
                        Received::Binary(frame) => LineEvent::Frame(frame),
                        Received::Pong => LineEvent::Pong,
                        Received::Flushed => return LineEvent::Flushed,
                        // The protocol has none in this direction.
                        Received::Text => continue,
                        Received::Closed => {
                            self.redial();
                            return LineEvent::Lost { orderly: true };
                        }
                        Received::Broken(error) => {
                            if let Some(error) = error {
                                tracing::debug!(%error, "connection lost");
                            }
                            self.redial();
                            return LineEvent::Lost { orderly: false };
                        }
                    };
                    // Only a server that says something is one that works; one that hangs up at once is not.
                    self.backoff.reset();
                    self.complaint.clear();
                    return event;
                }
                State::Down => std::future::pending().await,
            }
        }
    }

    /// Gives a connection up that is only there in name.
    pub(crate) fn replace(&mut self) {
        if matches!(self.state, State::Up(_)) {
            self.redial();
        }
    }

    /// Says whether there is a connection.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Queues messages from `source` until it has none or the network is `limit` bytes behind; says whether it had
    /// none. Without a connection, and after goodbye, nothing is taken.
    pub(crate) fn fill(&mut self, limit: usize, mut source: impl FnMut() -> Option<Transmit>) -> bool {
        let State::Up(socket) = &mut self.state else {
            return false;
        };
        while !socket.is_closing() && socket.backlog() < limit {
            match source() {
                Some(transmit) => socket.push(transmit),
                None => return true,
            }
        }
        false
    }

    /// Returns how many bytes wait because the network does not take them.
    pub(crate) fn backlog(&self) -> usize {
        match &self.state {
            State::Up(socket) => socket.backlog(),
            State::Dialling(_) | State::Down => 0,
        }
    }

    /// Says goodbye; an orderly loss is the proof that the server has read everything before it.
    pub(crate) fn close(&mut self) {
        if let State::Up(socket) = &mut self.state {
            socket.close();
        }
    }

    /// Says once what is wrong, and again only when something else is: a server may be away for days.
    fn complain(&mut self, complaint: String) {
        if complaint == self.complaint {
            tracing::debug!(error = complaint, "still cannot connect");
        } else {
            tracing::warn!(error = complaint, "cannot connect");
            self.complaint = complaint;
        }
    }

    fn redial(&mut self) {
        let delay = self.backoff.next(self.random.as_ref());
        let attempt = self.dial.dial();
        self.state = State::Dialling(Box::pin(async move {
            tokio::time::sleep(delay).await;
            attempt.await
        }));
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn nothing_follows_a_goodbye() {
        let (dial, mut listener) = memory::memory();
        let mut line = Line::new(dial, Backoff::SESSION, Arc::new(SeededRandom::new(1)));
        assert!(matches!(line.next().await, LineEvent::Up(_)));
        let mut far = listener.connections.recv().await.expect("connected");
        line.close();
        let took_all = line.fill(1024, || panic!("asked for more"));
        assert!(!took_all);
        let (lost, _) = tokio::join!(line.next_but_flushed(), async {
            while far.next().await.is_some() {}
        });
        assert!(matches!(lost, LineEvent::Lost { orderly: true }));
    }

    impl<D: Dial> Line<D> {
        async fn next_but_flushed(&mut self) -> LineEvent {
            loop {
                match self.next().await {
                    LineEvent::Flushed => {}
                    other => return other,
                }
            }
        }
    }
}
