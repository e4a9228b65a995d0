//! Times as the JSON dialect has them: seconds since the epoch, with a fraction.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

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

/// Reads a moment from seconds, or from RFC 3339 text, which some clients send.
pub(crate) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Seconds(f64),
        Text(String),
    }
    let out_of_range = || serde::de::Error::custom("a time out of range");
    match Option::<Form>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Form::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
        Some(Form::Seconds(seconds)) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the cast saturates, and the range is checked next"
            )]
            let ms = (seconds * 1000.0).round() as i64;
            Timestamp::from_millisecond(ms)
                .map(Some)
                .map_err(|_| out_of_range())
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 stay exact in 53 bits for 285,000 years"
)]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Input {
        #[serde(default, deserialize_with = "moment")]
        at: Option<Timestamp>,
    }

    #[test]
    fn reads_seconds_and_text() {
        let read = |value| serde_json::from_value::<Input>(json!({ "at": value })).map(|input| input.at);
        let at = Timestamp::from_millisecond(1_767_323_045_250).expect("valid");
        assert_eq!(read(json!(1_767_323_045.25)).expect("seconds"), Some(at));
        assert_eq!(read(json!("2026-01-02T03:04:05.25Z")).expect("text"), Some(at));
        assert_eq!(read(json!(null)).expect("nothing"), None);
        assert!(read(json!(1e300)).is_err());
        assert!(read(json!("soon")).is_err());
        assert!(
            serde_json::from_value::<Input>(json!({}))
                .expect("empty")
                .at
                .is_none()
        );
    }
}
