//! How often requests without a signature may fail: each leaves an event on the disk, whoever sent it.
//!
//! One that succeeds had something better than a signature, such as an activation's code, which bounds it already.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One address. The burst is what a fleet behind one NAT may have under way: agents do not all ask again when throttled.
/// What follows is slow, because 90 days of it stay on the disk.
const PER_ADDRESS: Rate = Rate {
    burst: 100,
    every: Duration::from_secs(3),
};

/// All addresses together, for whoever has many. An event is about 10 KB at most, which makes 1.7 GB a day.
const ALL: Rate = Rate {
    burst: 500,
    every: Duration::from_millis(500),
};

/// From one line in the log to the next.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Counts the requests that nobody signed.
///
/// Addresses are kept as long as they have something to make up for. No more than `ALL` lets in while one of them does
/// so can be in the map, about 1,100.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    all: Bucket,
    addresses: HashMap<IpAddr, Bucket>,
    turned_away: u64,
    reported_at: Option<Duration>,
}

/// A burst, and how long one more takes after it.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u32,
    every: Duration,
}

/// Tokens, kept as the moment when the bucket is full again.
#[derive(Debug, Default, Clone, Copy)]
struct Bucket {
    full_at: Duration,
}

/// A request is one too many. Once a minute it says how many there were.
#[derive(Debug, PartialEq, Eq)]
struct TooMany {
    report: Option<u64>,
}

impl Strangers {
    /// Returns whether a request from `address` is heard, at a monotonic `now`.
    pub(crate) fn admit(&self, address: IpAddr, now: Duration) -> bool {
        let admitted = self.lock().admit(address, now);
        if let Err(TooMany { report: Some(count) }) = admitted {
            tracing::warn!(count, %address, "turned away requests without a signature; the last was from this address");
        }
        admitted.is_ok()
    }

    /// Forgets one request from `address` that was heard and succeeded.
    pub(crate) fn succeeded(&self, address: IpAddr) {
        self.lock().give_back(address);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(&mut self, address: IpAddr, now: Duration) -> Result<(), TooMany> {
        match self.take(network(address), now) {
            Some(()) => Ok(()),
            None => Err(self.turn_away(now)),
        }
    }

    /// Takes from both buckets or from none: one address that is turned away costs the others nothing.
    fn take(&mut self, network: IpAddr, now: Duration) -> Option<()> {
        let all = self.all.take(ALL, now)?;
        let known = self.addresses.get(&network).copied();
        let address = known.unwrap_or_default().take(PER_ADDRESS, now)?;
        if known.is_none() {
            self.addresses.retain(|_, bucket| bucket.full_at > now);
        }
        self.addresses.insert(network, address);
        self.all = all;
        Some(())
    }

    fn give_back(&mut self, address: IpAddr) {
        self.all = self.all.give_back(ALL);
        if let Some(bucket) = self.addresses.get_mut(&network(address)) {
            *bucket = bucket.give_back(PER_ADDRESS);
        }
    }

    fn turn_away(&mut self, now: Duration) -> TooMany {
        self.turned_away += 1;
        let quiet = self.reported_at.is_some_and(|at| now < at + REPORT_EVERY);
        let report = (!quiet).then(|| {
            self.reported_at = Some(now);
            std::mem::take(&mut self.turned_away)
        });
        TooMany { report }
    }
}

impl Bucket {
    /// Returns the bucket with one token less; `None` when it is empty.
    fn take(self, rate: Rate, now: Duration) -> Option<Bucket> {
        let full_at = self.full_at.max(now) + rate.every;
        (full_at - now <= rate.every * rate.burst).then_some(Bucket { full_at })
    }

    /// Returns the bucket with one token more. It stays full if it was: the next `take` starts from then.
    fn give_back(self, rate: Rate) -> Bucket {
        let full_at = self.full_at.saturating_sub(rate.every);
        Bucket { full_at }
    }
}

/// What one stranger has to himself: an IPv4 address, or the /64 that an IPv6 host draws its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(3600);

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// How many of a thousand requests at once are heard.
    fn heard(state: &mut State, address: &str, now: Duration) -> usize {
        (0..1000)
            .filter(|_| state.admit(ip(address), now).is_ok())
            .count()
    }

    #[test]
    fn hears_a_burst_of_one_address_and_then_one_every_three_seconds() {
        let mut state = State::default();
        assert_eq!(heard(&mut state, "192.0.2.1", START), 100);
        assert_eq!(
            heard(&mut state, "192.0.2.1", START + Duration::from_millis(2999)),
            0
        );
        assert_eq!(heard(&mut state, "192.0.2.1", START + Duration::from_secs(3)), 1);
        assert_eq!(heard(&mut state, "192.0.2.1", START + Duration::from_secs(9)), 2);
        assert_eq!(
            heard(&mut state, "192.0.2.1", START * 2),
            100,
            "no more than full"
        );
    }

    #[test]
    fn an_address_that_is_turned_away_costs_the_others_nothing() {
        let mut state = State::default();
        heard(&mut state, "192.0.2.1", START);
        assert_eq!(heard(&mut state, "192.0.2.2", START), 100);
    }

    #[test]
    fn what_succeeds_is_not_counted() {
        let mut state = State::default();
        for _ in 0..1000 {
            state.admit(ip("192.0.2.1"), START).expect("heard");
            state.give_back(ip("192.0.2.1"));
        }
        assert_eq!(heard(&mut state, "192.0.2.1", START), 100, "no more than full");
    }

    #[test]
    fn all_addresses_share_a_bound() {
        let mut state = State::default();
        let all: usize = (0..20)
            .map(|host| heard(&mut state, &format!("192.0.2.{host}"), START))
            .sum();
        assert_eq!(all, 500);
        assert_eq!(
            heard(&mut state, "198.51.100.1", START + Duration::from_secs(5)),
            10
        );
    }

    #[test]
    fn addresses_of_one_host_count_as_one() {
        let mut state = State::default();
        assert_eq!(heard(&mut state, "2001:db8:0:1::1", START), 100);
        assert_eq!(heard(&mut state, "2001:db8:0:1:ffff::2", START), 0);
        assert_eq!(heard(&mut state, "2001:db8:0:2::1", START), 100);
        assert_eq!(heard(&mut state, "192.0.2.1", START), 100);
        assert_eq!(heard(&mut state, "::ffff:192.0.2.1", START), 0);
    }

    #[test]
    fn keeps_no_more_addresses_than_have_something_to_make_up_for() {
        let mut state = State::default();
        for number in 0..20_000_u32 {
            let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            let _ = state.admit(address, START + Duration::from_millis(100) * number);
            assert!(state.addresses.len() <= 1100, "{number}");
        }
        state.admit(ip("192.0.2.1"), START * 2).expect("heard");
        assert_eq!(state.addresses.len(), 1);
    }

    #[test]
    fn says_once_a_minute_how_many_were_turned_away() {
        let mut state = State::default();
        assert_eq!(heard(&mut state, "192.0.2.1", START), 100);
        assert_eq!(state.reported_at, Some(START), "the first at once");
        let full = |state: &mut State, now| {
            while state.take(ip("192.0.2.1"), now).is_some() {}
            state.admit(ip("192.0.2.1"), now)
        };
        let quiet = Err(TooMany { report: None });
        assert_eq!(full(&mut state, START + Duration::from_secs(59)), quiet);
        let said = Err(TooMany { report: Some(901) });
        assert_eq!(full(&mut state, START + Duration::from_secs(60)), said);
        assert_eq!(full(&mut state, START + Duration::from_secs(61)), quiet);
    }
}
