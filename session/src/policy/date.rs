//! The dates of conditions: the forms of ISO 8601 that W3C's note lists, and seconds since the epoch.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Parses `2026`, `2026-11`, `2026-11-20`, `2026-11-20T22:00Z`, `2026-11-20T22:00:00.5+01:00` or `1795212000`.
pub(super) fn parse_date(text: &str) -> Option<Timestamp> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.len() != 4 && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Timestamp::from_second(text.parse().ok()?).ok();
    }
    match text.len() {
        4 => midnight(text, "1", "1"),
        7 => midnight(text.get(..4)?, text.get(4..)?.strip_prefix('-')?, "1"),
        10 => midnight(
            text.get(..4)?,
            text.get(4..7)?.strip_prefix('-')?,
            text.get(7..)?.strip_prefix('-')?,
        ),
        // The time zone is not optional, and no form here carries a time zone's name.
        _ if text.contains('T') && !text.contains('[') => text.parse().ok(),
        _ => None,
    }
}

fn midnight(year: &str, month: &str, day: &str) -> Option<Timestamp> {
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if ![year, month, day].into_iter().all(plain) {
        return None;
    }
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let zoned = date.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        for (text, second) in [
            ("2026", 1_767_225_600),
            ("2026-11", 1_793_491_200),
            ("2026-11-20", 1_795_132_800),
            ("2026-11-20T22:00Z", 1_795_212_000),
            ("2026-11-20T22:00:00Z", 1_795_212_000),
            ("2026-11-20T23:00:00+01:00", 1_795_212_000),
            ("2026-11-20T22:00:00.500Z", 1_795_212_000),
            ("1795212000", 1_795_212_000),
        ] {
            assert_eq!(parse_date(text).map(Timestamp::as_second), Some(second), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "today",
            "2026-13",
            "2026-02-30",
            "2026-11-20T22:00:00",
            "20é6",
            "2026-11-2é",
            "+026",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
