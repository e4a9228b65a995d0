//! The acknowledgement of stream data.

use std::fmt::Write;

use bytes::Bytes;
use serde::de::{Deserializer, Visitor};
use uuid::Uuid;

use crate::payload::PayloadError;
use crate::wire::MessageType;

/// Says that one stream frame arrived, or with `cumulative` that all up to it did.
///
/// Receivers match by sequence number alone (`protocol.md` 4.2), so a reader asks for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Acknowledge {
    /// Kind of the acknowledged frame.
    #[serde(
        rename = "AcknowledgedMessageType",
        default = "unnamed",
        deserialize_with = "lenient_message_type"
    )]
    pub message_type: MessageType,
    /// Id of the acknowledged frame; nil when the peer sent something else.
    #[serde(rename = "AcknowledgedMessageId", default, deserialize_with = "lenient_uuid")]
    pub message_id: Uuid,
    /// Sequence number of the acknowledged frame.
    #[serde(rename = "AcknowledgedMessageSequenceNumber")]
    pub sequence: i64,
    /// Always true; nobody reads it.
    #[serde(rename = "IsSequentialMessage", default)]
    pub is_sequential: bool,
    /// Whether everything before is acknowledged too; only between our own programs.
    #[serde(rename = "Cumulative", default)]
    pub cumulative: bool,
}

impl Acknowledge {
    /// Acknowledges one frame.
    pub fn new(message_type: MessageType, message_id: Uuid, sequence: i64) -> Acknowledge {
        Acknowledge {
            message_type,
            message_id,
            sequence,
            is_sequential: true,
            cumulative: false,
        }
    }

    /// Reads the payload.
    ///
    /// # Errors
    ///
    /// The payload is not JSON, or has no integer sequence number.
    pub fn parse(payload: &[u8]) -> Result<Acknowledge, PayloadError> {
        Ok(serde_json::from_slice(payload)?)
    }

    /// Writes the payload, keys in the order AWS's programs use.
    pub fn to_bytes(&self) -> Bytes {
        // Half of all frames are acknowledgements; nothing here needs escaping, so no serializer is asked.
        let mut json = String::with_capacity(MAX_JSON_BYTES);
        let (message_type, id) = (self.message_type.name().unwrap_or_default(), self.message_id);
        let written = write!(
            json,
            r#"{{"AcknowledgedMessageType":"{message_type}","AcknowledgedMessageId":"{id}","AcknowledgedMessageSequenceNumber":{},"IsSequentialMessage":{}"#,
            self.sequence, self.is_sequential
        );
        written.expect("writing to a string cannot fail");
        json.push_str(if self.cumulative {
            r#","Cumulative":true}"#
        } else {
            "}"
        });
        json.into_bytes().into()
    }
}

/// Length of the longest acknowledgement that [`Acknowledge::to_bytes`] writes, rounded up.
const MAX_JSON_BYTES: usize = 256;

/// Stands for a type that the peer left out: it is not read, so it is no reason to refuse.
fn unnamed() -> MessageType {
    MessageType::OutputStreamData
}

fn lenient_message_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageType, D::Error> {
    struct Name;
    impl Visitor<'_> for Name {
        type Value = MessageType;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the name of a message type")
        }
        fn visit_str<E>(self, name: &str) -> Result<MessageType, E> {
            Ok(MessageType::parse(name).unwrap_or_else(unnamed))
        }
    }
    deserializer.deserialize_str(Name)
}

fn lenient_uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    struct Id;
    impl Visitor<'_> for Id {
        type Value = Uuid;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a UUID")
        }
        fn visit_str<E>(self, id: &str) -> Result<Uuid, E> {
            Ok(Uuid::parse_str(id).unwrap_or_default())
        }
    }
    deserializer.deserialize_str(Id)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Acknowledge, MAX_JSON_BYTES};
    use crate::wire::MessageType;

    #[test]
    fn keys_come_in_the_public_order() {
        let ack = Acknowledge::new(MessageType::OutputStreamData, Uuid::from_u128(1), 42);
        let expected = r#"{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"00000000-0000-0000-0000-000000000001","AcknowledgedMessageSequenceNumber":42,"IsSequentialMessage":true}"#;
        assert_eq!(ack.to_bytes(), expected);
        assert_eq!(Acknowledge::parse(expected.as_bytes()), Ok(ack));
    }

    #[test]
    fn longest_fits_its_allocation() {
        let ack = Acknowledge {
            cumulative: true,
            is_sequential: false,
            ..Acknowledge::new(MessageType::OutputStreamData, Uuid::max(), i64::MIN)
        };
        assert!(ack.to_bytes().len() <= MAX_JSON_BYTES);
        assert_eq!(Acknowledge::parse(&ack.to_bytes()), Ok(ack));
    }

    #[test]
    fn only_the_sequence_number_is_required() {
        assert_eq!(
            Acknowledge::parse(br#"{"AcknowledgedMessageSequenceNumber":7}"#)
                .unwrap()
                .sequence,
            7
        );
        let odd = br#"{"AcknowledgedMessageType":"x\n","AcknowledgedMessageId":"?","AcknowledgedMessageSequenceNumber":7}"#;
        assert_eq!(Acknowledge::parse(odd).unwrap().message_id, Uuid::nil());
        for bad in ["", "{}", "[]", r#"{"AcknowledgedMessageSequenceNumber":1e400}"#] {
            assert!(Acknowledge::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
