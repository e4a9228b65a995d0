//! How long to wait before the next attempt.

use std::time::Duration;

use drawbridge_session::{Random, RandomArray};

/// Growing, jittered delays between attempts to connect.
///
/// Half of each delay is chance, so that nodes which lost the same server do not return to it in step.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    immediate: Duration,
    initial: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// For a control channel: the first attempt within a quarter of a second, never more than 30 s between two.
    pub(crate) const CONTROL: Self = Self::new(
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(30),
    );

    /// For a session, where somebody is waiting: at once, then from 100 ms up to 5 s.
    pub(crate) const SESSION: Self =
        Self::new(Duration::ZERO, Duration::from_millis(100), Duration::from_secs(5));

    /// For logs, which nobody waits for: from half a second up to 15 s.
    pub(crate) const LOGS: Self = Self::new(
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(15),
    );

    pub(crate) const fn new(immediate: Duration, initial: Duration, longest: Duration) -> Self {
        Self {
            immediate,
            initial,
            longest,
            failures: 0,
        }
    }

    /// Returns how long to wait before the next attempt, and counts it.
    pub(crate) fn next(&mut self, random: &dyn Random) -> Duration {
        let full = match self.failures.checked_sub(1) {
            None => self.immediate,
            Some(doublings) => self
                .initial
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(self.longest),
        };
        self.failures = self.failures.saturating_add(1);
        let chance = f64::from(u16::from_be_bytes(random.array())) / f64::from(u16::MAX);
        full.mul_f64(0.5 + chance / 2.0)
    }

    /// Notes that a server is there, although it has said nothing yet: one that restarts often is not waited for long,
    /// and one that hangs up at once is not asked without a pause.
    pub(crate) fn connected(&mut self) {
        self.failures = self.failures.min(FAILURES_WITH_A_SERVER);
    }

    /// Starts over, after an attempt that turned out well.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// What a connection leaves of the failures before it: the next delay is 2 s at most.
const FAILURES_WITH_A_SERVER: u32 = 3;

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;

    use super::*;

    #[test]
    fn grows_to_its_limit_and_stays_there() {
        let random = SeededRandom::new(1);
        let mut backoff = Backoff::CONTROL;
        let delays: Vec<Duration> = (0..100).map(|_| backoff.next(&random)).collect();
        assert!(delays[0] <= Duration::from_millis(250));
        assert!(delays[1] >= Duration::from_millis(250) && delays[1] <= Duration::from_millis(500));
        assert!(
            delays[10..]
                .iter()
                .all(|delay| (15..=30).contains(&delay.as_secs()))
        );
        assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(30)));
    }

    #[test]
    fn a_server_that_restarts_often_is_not_waited_for_long() {
        let random = SeededRandom::new(1);
        let mut backoff = Backoff::CONTROL;
        for _ in 0..20 {
            backoff.next(&random);
        }
        for _ in 0..20 {
            backoff.connected();
            let delay = backoff.next(&random);
            assert!(
                delay >= Duration::from_secs(1) && delay <= Duration::from_secs(2),
                "{delay:?}"
            );
        }
    }

    #[test]
    fn tries_a_session_again_at_once() {
        let random = SeededRandom::new(1);
        let mut backoff = Backoff::SESSION;
        assert_eq!(backoff.next(&random), Duration::ZERO);
        assert!(backoff.next(&random) <= Duration::from_millis(100));
        backoff.reset();
        assert_eq!(backoff.next(&random), Duration::ZERO);
    }
}
