//! The connection to the server and its past: up, or being looked for.

use std::time::Duration;

use drawbridge_aws_client::CallError;
use drawbridge_protocol::Token;
use drawbridge_session::Random;
use futures_util::future::LocalBoxFuture;

use super::backoff::Outage;
use super::link::{Link, LinkEvent};
use super::{Patience, Remote};
use crate::api::ApiError;

/// Holds a connection, or an attempt to have one.
pub(crate) struct Line<'a, R: Remote> {
    remote: &'a R,
    random: &'a dyn Random,
    patience: Patience,
    state: State<'a, R::Socket>,
    outage: Outage,
    told: bool,
    lost: bool,
    ever_connected: bool,
}

enum State<'a, S> {
    Up {
        link: Link<S>,
        since: Duration,
        messages: usize,
    },
    Down(LocalBoxFuture<'a, Attempt<S>>),
}

/// What came of waiting for a [`Line`].
pub(crate) enum LineEvent<S> {
    /// The present connection has something to say.
    Link(LinkEvent),
    /// The attempt to connect has come to its end; another has to be begun, or none.
    Attempt(Attempt<S>),
}

/// What came of one attempt to connect.
pub(crate) enum Attempt<S> {
    /// There is a websocket, and a token to open the channel with.
    Connected(S, Token),
    /// The server says that the session is over.
    NothingToResume,
    /// There is no token to connect with.
    NotRenewed(ApiError),
    /// There is no websocket.
    NotOpened(CallError),
}

/// What the first message after a loss ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// A connection was lost.
    pub(crate) after_loss: bool,
    /// The person was told so.
    pub(crate) was_told: bool,
}

impl<'a, R: Remote> Line<'a, R> {
    /// Begins to connect with the first token.
    pub(crate) fn new(
        remote: &'a R,
        random: &'a dyn Random,
        patience: Patience,
        token: Token,
        now: Duration,
    ) -> Self {
        let mut outage = Outage::new(now);
        let first = attempt(remote, outage.next_delay(random), Some(token), patience.attempt);
        Self {
            remote,
            random,
            patience,
            state: State::Down(Box::pin(first)),
            outage,
            told: false,
            lost: false,
            ever_connected: false,
        }
    }

    /// Waits for something to come of the connection, or of the attempt to have one. Cancel-safe.
    ///
    /// After [`LineEvent::Attempt`] call [`Line::connected`] or [`Line::try_again`] before this.
    pub(crate) async fn next(&mut self, may_read: bool) -> LineEvent<R::Socket> {
        match &mut self.state {
            State::Up { link, .. } => LineEvent::Link(link.next(may_read).await),
            State::Down(attempt) => LineEvent::Attempt(attempt.await),
        }
    }

    /// Takes a new connection into use.
    pub(crate) fn connected(&mut self, socket: R::Socket, now: Duration) {
        self.ever_connected = true;
        self.state = State::Up {
            link: Link::new(socket),
            since: now,
            messages: 0,
        };
    }

    /// Notes that messages arrived.
    pub(crate) fn arrived(&mut self, count: usize) -> Recovery {
        if let State::Up { messages, .. } = &mut self.state {
            *messages += count;
        }
        Recovery {
            after_loss: std::mem::take(&mut self.lost),
            was_told: std::mem::take(&mut self.told),
        }
    }

    /// Gives the connection up and begins to look for another; false if there was none.
    pub(crate) fn lose(&mut self, now: Duration) -> bool {
        let State::Up { since, messages, .. } = self.state else {
            return false;
        };
        self.lost = true;
        // A server that accepts and hangs up is not met at full speed.
        if messages > FEW_MESSAGES || now >= since + LONG_ENOUGH {
            self.outage = Outage::new(now);
        } else if messages > 0 {
            self.outage.since = now;
        }
        self.try_again(None);
        true
    }

    /// Begins another attempt, after a while, with a token that was not used or with a new one.
    pub(crate) fn try_again(&mut self, token: Option<Token>) {
        let delay = self.outage.next_delay(self.random);
        let next = attempt(self.remote, delay, token, self.patience.attempt);
        self.state = State::Down(Box::pin(next));
    }

    /// Notes that the person was told of the loss.
    pub(crate) fn tell(&mut self) {
        self.told = true;
    }

    /// The present connection.
    pub(crate) fn link(&mut self) -> Option<&mut Link<R::Socket>> {
        match &mut self.state {
            State::Up { link, .. } => Some(link),
            State::Down(_) => None,
        }
    }

    /// Since when the present connection is up.
    pub(crate) fn up_since(&self) -> Option<Duration> {
        match self.state {
            State::Up { since, .. } => Some(since),
            State::Down(_) => None,
        }
    }

    /// How long there has been no connection that was good for anything.
    pub(crate) fn down_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.outage.since)
    }

    /// Whether there was a connection before.
    pub(crate) fn was_ever_up(&self) -> bool {
        self.ever_connected
    }

    /// When the person is to be told that there is no connection.
    pub(crate) fn notice_at(&self) -> Option<Duration> {
        let is_down = matches!(self.state, State::Down(_));
        (is_down && !self.told).then(|| self.outage.since + self.patience.notice)
    }

    /// When a server that has said nothing, not even to a ping, is given up.
    pub(crate) fn deaf_at(&self) -> Option<Duration> {
        match self.state {
            State::Up {
                since, messages: 0, ..
            } => Some(since + self.patience.attempt),
            State::Up { .. } | State::Down(_) => None,
        }
    }
}

/// Tries once to have an open data channel: asks for a token unless there is one, and dials.
async fn attempt<R: Remote>(
    remote: &R,
    delay: Duration,
    token: Option<Token>,
    patience: Duration,
) -> Attempt<R::Socket> {
    tokio::time::sleep(delay).await;
    let within = async {
        let token = match token {
            Some(token) => token,
            None => match remote.renew().await {
                Ok(Some(token)) => token,
                Ok(None) => return Attempt::NothingToResume,
                Err(error) => return Attempt::NotRenewed(error),
            },
        };
        match remote.dial().await {
            Ok(socket) => Attempt::Connected(socket, token),
            Err(error) => Attempt::NotOpened(error),
        }
    };
    tokio::time::timeout(patience, within)
        .await
        .unwrap_or(Attempt::NotOpened(CallError::Timeout(patience)))
}

/// A connection that carried more than a greeting, or lasted this long, was a good one.
const FEW_MESSAGES: usize = 2;
const LONG_ENOUGH: Duration = Duration::from_secs(2);
