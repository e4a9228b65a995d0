//! How long a session that has ended waits for the server to take the rest of its output.

use std::time::Duration;

/// When the server last took something, once everything has been said.
pub(super) struct Patience {
    capacity: usize,
    since: Duration,
}

impl Patience {
    /// Begins anew, with as much room for output as there is.
    pub(super) fn new(capacity: usize, now: Duration) -> Self {
        Self { capacity, since: now }
    }

    /// Notes how much room there is: the server takes something when that changes.
    pub(super) fn note(&mut self, capacity: usize, now: Duration) {
        if capacity != self.capacity {
            *self = Self::new(capacity, now);
        }
    }

    /// Notes progress of another kind.
    pub(super) fn restart(&mut self, now: Duration) {
        self.since = now;
    }

    /// Returns when it ends, with a server that is there and wants output, or without.
    pub(super) fn ends(&self, is_served: bool) -> Duration {
        self.since + if is_served { SILENCE } else { ABSENCE }
    }
}

/// How long a connected server may take no output before the rest of an ended session is given up.
const SILENCE: Duration = Duration::from_secs(60);

/// The same for a server that is away, or wants no output because nobody reads it.
const ABSENCE: Duration = Duration::from_secs(15 * 60);
