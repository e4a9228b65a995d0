//! How long to wait between two attempts to connect.

use std::time::Duration;

use drawbridge_session::Random;

/// The time without a connection, and the attempts made in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    /// When it began, on the monotonic clock.
    pub(crate) since: Duration,
    attempts: u32,
}

impl Outage {
    pub(crate) fn new(since: Duration) -> Self {
        Self { since, attempts: 0 }
    }

    /// The time to wait before the next attempt: none before the first, then doubling up to [`LONGEST_DELAY`].
    ///
    /// Half of it is chance: the clients of a server that restarts must not all return at the same moment.
    pub(crate) fn next_delay(&mut self, random: &dyn Random) -> Duration {
        let doublings = self.attempts.checked_sub(1);
        self.attempts = self.attempts.saturating_add(1);
        let Some(doublings) = doublings else {
            return Duration::ZERO;
        };
        let whole = FIRST_DELAY
            .saturating_mul(1 << doublings.min(16))
            .min(LONGEST_DELAY);
        let mut byte = [0];
        random.fill(&mut byte);
        whole / 2 + whole / 2 * u32::from(byte[0]) / 255
    }
}

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;

    use super::*;

    #[test]
    fn waits_longer_and_longer_but_never_long() {
        let random = SeededRandom::new(1);
        let mut outage = Outage::new(Duration::ZERO);
        let delays: Vec<Duration> = (0..40).map(|_| outage.next_delay(&random)).collect();
        assert_eq!(delays[0], Duration::ZERO);
        for (at, delay) in delays.iter().enumerate().skip(1) {
            let whole = FIRST_DELAY
                .saturating_mul(1 << (at - 1).min(16))
                .min(LONGEST_DELAY);
            assert!((whole / 2..=whole).contains(delay), "attempt {at}: {delay:?}");
        }
    }
}
