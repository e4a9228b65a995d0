//! The time as an argument.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time.
///
/// Deadlines inside the process use [`Clock::monotonic`]; what is stored or shown uses [`Clock::now`].
pub trait Clock: Send + Sync {
    /// Returns the wall-clock time.
    fn now(&self) -> Timestamp;

    /// Returns the time since an arbitrary origin, which never goes backwards.
    fn monotonic(&self) -> Duration;

    /// Returns the wall-clock time in milliseconds since the epoch, 0 before it.
    fn epoch_ms(&self) -> u64 {
        u64::try_from(self.now().as_millisecond()).unwrap_or(0)
    }
}

/// Tells the machine's time.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Creates a clock whose monotonic origin is this moment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's clock is read"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Stands still until it is moved: for tests.
#[derive(Debug)]
pub struct FixedClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl FixedClock {
    /// Creates a clock that shows `now`, with a monotonic time of one hour.
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: Mutex::new((now, Duration::from_secs(3600))),
        }
    }

    /// Moves both times forward.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.0 = state
            .0
            .checked_add(by)
            .expect("a test stays within the years that a timestamp has");
        state.1 += by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for FixedClock {
    /// Starts at 2026-01-02T03:04:05Z.
    fn default() -> Self {
        Self::new(Timestamp::from_second(1_767_323_045).expect("a valid moment"))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told() {
        let clock = FixedClock::default();
        let before = (clock.now(), clock.monotonic());
        assert_eq!((clock.now(), clock.monotonic()), before);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now().duration_since(before.0).as_millis(), 1500);
        assert_eq!(clock.monotonic() - before.1, Duration::from_millis(1500));
        assert_eq!(clock.epoch_ms(), 1_767_323_046_500);
    }

    #[test]
    fn the_machines_clock_does_not_go_backwards() {
        let clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.now().as_second() > 1_700_000_000);
    }
}
