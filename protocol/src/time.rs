//! Time as the cores see it.

use std::time::Duration;

/// States when something happens, as told by the caller.
///
/// Deadlines are computed from `monotonic` alone, so that a step of the wall clock never fires or delays one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Time since an arbitrary origin that never goes back.
    pub monotonic: Duration,
    /// Milliseconds since the Unix epoch, as written into frames.
    pub epoch_ms: u64,
}

impl Time {
    /// Joins a monotonic reading and a wall clock reading.
    pub const fn new(monotonic: Duration, epoch_ms: u64) -> Time {
        Time { monotonic, epoch_ms }
    }
}

/// Writes an epoch in milliseconds as `2024-01-01T00:00:00.000Z`.
pub fn iso8601(epoch_ms: u64) -> String {
    let (days, ms) = (epoch_ms / MS_PER_DAY, epoch_ms % MS_PER_DAY);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Turns days since 1970-01-01 into a Gregorian date.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Counting from 0000-03-01 puts the leap day at the end of the year, which makes every month's offset a formula.
    let days = days + 719_468;
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

const MS_PER_DAY: u64 = 86_400_000;

/// Days in the 400 years after which the Gregorian calendar repeats.
const DAYS_PER_ERA: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::iso8601;

    #[test]
    fn writes_known_dates() {
        assert_eq!(iso8601(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(1_704_067_200_000), "2024-01-01T00:00:00.000Z");
        assert_eq!(iso8601(1_709_208_000_001), "2024-02-29T12:00:00.001Z");
        assert_eq!(iso8601(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(iso8601(4_102_444_799_000), "2099-12-31T23:59:59.000Z");
    }

    #[test]
    fn survives_the_largest_epoch() {
        assert!(iso8601(u64::MAX).ends_with('Z'));
    }
}
