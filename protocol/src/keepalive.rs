//! Deciding when to ping and when a connection is dead.

use std::time::Duration;

/// Times the pings of one connection and notices when they go unanswered.
///
/// A peer that has never answered a ping is not held to it: some shells and proxies swallow pongs, and they must not be
/// cut off for it. From its first pong on, silence for longer than `patience` means that the path is gone.
#[derive(Clone, Debug)]
pub struct Keepalive {
    interval: Duration,
    patience: Duration,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// No connection.
    Down,
    /// Connected; the peer has not answered a ping yet.
    Unproven { next_ping: Duration },
    /// Connected to a peer that answers.
    Proven {
        next_ping: Duration,
        last_heard: Duration,
    },
    /// The verdict was given; waits for the connection to be replaced.
    Dead,
}

/// Is what an elapsed deadline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Send a ping.
    Ping,
    /// Give the connection up.
    Unresponsive,
}

impl Keepalive {
    /// Payload of every ping, the one that AWS's programs use.
    pub const PAYLOAD: &[u8] = b"keepalive";

    /// The timing of AWS's agent on an idle control channel (`protocol.md` 8.3).
    pub const NODE: Keepalive = Keepalive::new(Duration::from_secs(54), Duration::from_secs(64));

    /// The timing of a session, where somebody is waiting in front of a dead screen.
    pub const SESSION: Keepalive = Keepalive::new(Duration::from_secs(5), Duration::from_secs(14));

    /// Pings every `interval`; a proven peer that is silent for `patience` is dead.
    pub const fn new(interval: Duration, patience: Duration) -> Keepalive {
        Keepalive {
            interval,
            patience,
            state: State::Down,
        }
    }

    pub(crate) fn connected(&mut self, now: Duration) {
        self.state = State::Unproven {
            next_ping: now + self.interval,
        };
    }

    pub(crate) fn disconnected(&mut self) {
        self.state = State::Down;
    }

    /// Notes that anything at all came from the peer.
    pub(crate) fn heard(&mut self, now: Duration) {
        if let State::Proven { last_heard, .. } = &mut self.state {
            *last_heard = now;
        }
    }

    pub(crate) fn pong(&mut self, now: Duration) {
        if let State::Unproven { next_ping } | State::Proven { next_ping, .. } = self.state {
            self.state = State::Proven {
                next_ping,
                last_heard: now,
            };
        }
    }

    /// Returns what `now` makes due, and plans the next ping.
    pub(crate) fn elapse(&mut self, now: Duration) -> Option<Due> {
        match &mut self.state {
            State::Down | State::Dead => None,
            State::Proven { last_heard, .. } if now >= *last_heard + self.patience => {
                self.state = State::Dead;
                Some(Due::Unresponsive)
            }
            State::Unproven { next_ping } | State::Proven { next_ping, .. } => {
                if now < *next_ping {
                    return None;
                }
                *next_ping = now + self.interval;
                Some(Due::Ping)
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Down | State::Dead => None,
            State::Unproven { next_ping } => Some(next_ping),
            State::Proven {
                next_ping,
                last_heard,
            } => Some(next_ping.min(last_heard + self.patience)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Due, Keepalive};

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn pings_at_every_interval() {
        let mut keepalive = Keepalive::new(10 * S, 15 * S);
        keepalive.connected(S);
        assert_eq!(keepalive.deadline(), Some(11 * S));
        assert_eq!(keepalive.elapse(10 * S), None);
        assert_eq!(keepalive.elapse(11 * S), Some(Due::Ping));
        assert_eq!(keepalive.deadline(), Some(21 * S));
    }

    #[test]
    fn a_peer_that_never_answered_is_kept() {
        let mut keepalive = Keepalive::new(10 * S, 15 * S);
        keepalive.connected(S);
        assert!((1..100).all(|n| keepalive.elapse(n * 10 * S) != Some(Due::Unresponsive)));
    }

    #[test]
    fn a_proven_peer_that_falls_silent_is_dead_once() {
        let mut keepalive = Keepalive::new(10 * S, 15 * S);
        keepalive.connected(S);
        keepalive.pong(12 * S);
        keepalive.heard(13 * S);
        assert_eq!(keepalive.elapse(27 * S), Some(Due::Ping));
        assert_eq!(keepalive.elapse(28 * S), Some(Due::Unresponsive));
        assert_eq!(keepalive.elapse(99 * S), None);
        assert_eq!(keepalive.deadline(), None);
    }
}
