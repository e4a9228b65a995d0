//! How often a small write can be made durable here.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use drawbridge_session::{Clock as _, SystemClock};

/// Syncs per second of 4 KiB appends, one after the other.
pub(crate) fn syncs_per_second(folder: &std::path::Path, for_at_least: Duration) -> Result<f64> {
    let mut file = tempfile::tempfile_in(folder).context("cannot make a file")?;
    let clock = SystemClock::new();
    let before = clock.monotonic();
    let mut count = 0_u32;
    while clock.monotonic() - before < for_at_least {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / (clock.monotonic() - before).as_secs_f64())
}
