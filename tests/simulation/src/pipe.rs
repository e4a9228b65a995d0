//! One direction of a connection.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::chance::Chance;

/// Is one websocket message.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Text,
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
}

/// Says how a direction delays what passes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) latency_ms: u64,
    pub(crate) jitter_ms: u64,
    pub(crate) bytes_per_second: Option<u64>,
    /// Whether stream frames and acknowledgements may be copied and overtake one another, which TCP never does.
    pub(crate) unruly: bool,
}

/// Carries messages with a delay; in order, unless the path is unruly.
#[derive(Debug)]
pub(crate) struct Pipe {
    path: Path,
    chance: Chance,
    queue: VecDeque<(Duration, Message)>,
    last: Duration,
    /// When the last message arrives that nothing may overtake.
    barrier: Duration,
}

impl Pipe {
    pub(crate) fn new(path: Path, chance: Chance) -> Pipe {
        Pipe {
            path,
            chance,
            queue: VecDeque::new(),
            last: Duration::ZERO,
            barrier: Duration::ZERO,
        }
    }

    pub(crate) fn send(&mut self, message: Message, now: Duration) {
        if self.path.unruly && may_be_reordered(&message) {
            let copies = 1 + u64::from(self.chance.percent(10));
            for _ in 0..copies {
                let at = now + self.delay() + self.chance.millis(0..40);
                self.insert(at.max(self.barrier), message.clone());
            }
            return;
        }
        let transmission = match (self.path.bytes_per_second, &message) {
            (Some(rate), Message::Binary(bytes)) => {
                Duration::from_micros(bytes.len() as u64 * 1_000_000 / rate)
            }
            _ => Duration::ZERO,
        };
        let at = (now + self.delay()).max(self.last) + transmission;
        self.barrier = at;
        self.insert(at, message);
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.queue.front().map(|(at, _)| *at)
    }

    /// Returns when the last message under way arrives.
    pub(crate) fn last_at(&self) -> Option<Duration> {
        self.queue.back().map(|(at, _)| *at)
    }

    pub(crate) fn receive(&mut self, now: Duration) -> Option<Message> {
        self.queue
            .pop_front_if(|(at, _)| *at <= now)
            .map(|(_, message)| message)
    }

    /// Loses everything under way.
    pub(crate) fn cut(&mut self) {
        self.queue.clear();
    }

    fn delay(&mut self) -> Duration {
        let jitter = self.chance.millis(0..self.path.jitter_ms + 1);
        Duration::from_millis(self.path.latency_ms) + jitter
    }

    fn insert(&mut self, at: Duration, message: Message) {
        self.last = self.last.max(at);
        let place = self.queue.partition_point(|(other, _)| *other <= at);
        self.queue.insert(place, (at, message));
    }
}

/// Says whether a message carries its own place or stands for itself; all others mean something by their order.
fn may_be_reordered(message: &Message) -> bool {
    let Message::Binary(bytes) = message else {
        return false;
    };
    [&b"input_stream_data"[..], b"output_stream_data", b"acknowledge "]
        .iter()
        .any(|name| bytes.get(4..).is_some_and(|rest| rest.starts_with(name)))
}
