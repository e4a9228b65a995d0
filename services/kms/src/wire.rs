//! Times as the JSON dialect has them: seconds since the epoch, with a fraction.

use jiff::Timestamp;
use serde::Serializer;

/// Writes a moment as a number of seconds with milliseconds.
pub(crate) fn epoch<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(seconds(*at))
}

/// Writes a moment, or nothing.
#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(crate) fn epoch_if_any<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => epoch(at, serializer),
        None => serializer.serialize_none(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 stay exact in 53 bits for 285,000 years"
)]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
