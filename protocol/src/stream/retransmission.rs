//! How long to wait for an acknowledgement.

use std::time::Duration;

/// Estimates the round trip and derives the time after which a frame is sent again (`protocol.md` 4.3).
///
/// The formula is that of AWS's programs, with two additions. Theirs look only every 100 ms, which is the floor here; and
/// a resend doubles the time until the next sample, so that a slow path is not flooded with copies.
#[derive(Clone, Debug)]
pub struct RetransmissionTimer {
    round_trip: Duration,
    variation: Duration,
    timeout: Duration,
}

impl RetransmissionTimer {
    /// Starts with no knowledge of the path: 200 ms.
    pub const fn new() -> RetransmissionTimer {
        RetransmissionTimer {
            round_trip: INITIAL_ROUND_TRIP,
            variation: Duration::ZERO,
            timeout: INITIAL_TIMEOUT,
        }
    }

    /// Returns the present timeout, between 100 ms and 1 s.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Learns that an acknowledgement took this long.
    pub fn sample(&mut self, round_trip: Duration) {
        // A path that was dead for a minute says nothing about its speed.
        let round_trip = round_trip.min(MAX_TIMEOUT);
        self.variation = self.variation * 3 / 4 + self.round_trip.abs_diff(round_trip) / 4;
        self.round_trip = self.round_trip * 7 / 8 + round_trip / 8;
        let timeout = self.round_trip + GRANULARITY.max(self.variation * 4);
        self.timeout = timeout.clamp(MIN_TIMEOUT, MAX_TIMEOUT);
    }

    /// Learns that the timeout passed without an acknowledgement.
    pub fn back_off(&mut self) {
        self.timeout = (self.timeout * 2).min(MAX_TIMEOUT);
    }
}

impl Default for RetransmissionTimer {
    fn default() -> RetransmissionTimer {
        RetransmissionTimer::new()
    }
}

// Values of `protocol.md` 4.1, the same in both of AWS's programs.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);
const INITIAL_TIMEOUT: Duration = Duration::from_millis(200);
const GRANULARITY: Duration = Duration::from_millis(10);
const MIN_TIMEOUT: Duration = Duration::from_millis(100);
const MAX_TIMEOUT: Duration = Duration::from_secs(1);
