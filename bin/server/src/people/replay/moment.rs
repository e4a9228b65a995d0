//! Times in a recording, as people write and read them.

use std::time::Duration;

/// Reads `SECONDS`, `MINUTES:SECONDS` or `HOURS:MINUTES:SECONDS`.
pub(crate) fn moment(text: &str) -> Result<Duration, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (seconds, larger) = parts.split_last().ok_or("expected a time")?;
    let seconds: f64 = number(seconds)?;
    let mut total = seconds;
    for (unit, part) in [60.0, 3600.0].into_iter().zip(larger.iter().rev()) {
        total += unit * number(part)?;
    }
    if larger.len() > 2 {
        return Err("expected SECONDS, MINUTES:SECONDS or HOURS:MINUTES:SECONDS".to_owned());
    }
    Duration::try_from_secs_f64(total).map_err(|_| "out of range".to_owned())
}

fn number(text: &str) -> Result<f64, String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let parsed = text.parse().ok().filter(|_| plain);
    parsed.ok_or_else(|| format!("`{text}` is not a number of seconds, minutes or hours"))
}

/// Writes a time as `M:SS` or `H:MM:SS`.
pub(super) fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_as_people_write_them() {
        for (text, seconds) in [
            ("0", 0.0),
            ("90", 90.0),
            ("1.5", 1.5),
            ("1:30", 90.0),
            ("1:00:01", 3601.0),
        ] {
            assert_eq!(moment(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for wrong in ["", ":", "x", "-1", "1:2:3:4", "1e9", "inf", "1:"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn writes_times_as_people_read_them() {
        assert_eq!(clock(0), "0:00");
        assert_eq!(clock(61_999), "1:01");
        assert_eq!(clock(3_661_000), "1:01:01");
    }
}
