//! How long events are kept.

use drawbridge_store::LogGroup;
use jiff::Timestamp;

const MS_PER_DAY: i64 = 24 * 3600 * 1000;

/// Returns the time of the oldest events that a group shows: what is older has expired, whether or not it is gone.
pub(crate) fn oldest_kept(group: &LogGroup, now: Timestamp) -> i64 {
    match group.retention_days {
        Some(days) => days_before(now, days),
        None => 0,
    }
}

/// Returns the time, in milliseconds, that was so many days before.
pub(crate) fn days_before(now: Timestamp, days: u32) -> i64 {
    now.as_millisecond()
        .saturating_sub(i64::from(days).saturating_mul(MS_PER_DAY))
        .max(0)
}
