//! The text frame that opens a channel.

use serde::{Deserialize, Serialize};

use crate::payload::PayloadError;
use crate::{Capabilities, Token};

/// Length of the longest first text frame that is read: a few hundred bytes and a token.
pub const MAX_OPEN_BYTES: usize = 16 * 1024;

/// Opens a data channel, from either end (`protocol.md` 2.1 and 9.2).
///
/// Tell the ends apart by what their token is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel {
    /// Always `1.0`.
    #[serde(default)]
    pub message_schema_version: String,
    /// A UUID, fresh per connection.
    #[serde(default)]
    pub request_id: String,
    /// Proof that this end may open this session.
    pub token_value: Token,
    /// Node id; absent from clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_instance_id: Option<String>,
    /// A UUID that stays the same for the life of a client process; empty from nodes.
    #[serde(default)]
    pub client_id: String,
    /// Version of the plugin; absent from nodes and old plugins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// What the end can do; only from our own programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

impl OpenDataChannel {
    /// Reads the first text frame of a data channel.
    ///
    /// # Errors
    ///
    /// It is longer than 16 KiB, not JSON, or without a token.
    pub fn parse(text: &str) -> Result<OpenDataChannel, PayloadError> {
        parse(text)
    }
}

/// Opens a control channel (`protocol.md` 8.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenControlChannel {
    /// Always null.
    #[serde(skip_deserializing)]
    pub cookie: (),
    /// Always `1.0`.
    #[serde(default)]
    pub message_schema_version: String,
    /// A UUID, fresh per connection.
    #[serde(default)]
    pub request_id: String,
    /// Proof that this node may open its control channel.
    pub token_value: Token,
    /// Version of the agent, four numbers.
    #[serde(default)]
    pub agent_version: String,
    /// `linux`, `windows` or `macos`.
    #[serde(default)]
    pub platform_type: String,
    /// What the agent can do; only from our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

impl OpenControlChannel {
    /// Reads the first text frame of a control channel.
    ///
    /// # Errors
    ///
    /// It is longer than 16 KiB, not JSON, or without a token.
    pub fn parse(text: &str) -> Result<OpenControlChannel, PayloadError> {
        parse(text)
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, PayloadError> {
    if text.len() > MAX_OPEN_BYTES {
        return Err(PayloadError::Length {
            expected: MAX_OPEN_BYTES,
            actual: text.len(),
        });
    }
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::{MAX_OPEN_BYTES, OpenControlChannel, OpenDataChannel};
    use crate::payload::PayloadError;

    #[test]
    fn a_token_is_required_and_never_quoted() {
        assert!(matches!(
            OpenDataChannel::parse("{}"),
            Err(PayloadError::Shape { .. })
        ));
        let error = OpenControlChannel::parse(r#"{"TokenValue":1234567}"#).unwrap_err();
        assert!(!error.to_string().contains("1234567"));
    }

    #[test]
    fn an_endless_frame_is_refused() {
        let text = format!(r#"{{"TokenValue":"{}"}}"#, "a".repeat(MAX_OPEN_BYTES));
        assert!(matches!(
            OpenDataChannel::parse(&text),
            Err(PayloadError::Length { .. })
        ));
    }

    #[test]
    fn unknown_keys_and_any_cookie_are_ignored() {
        let open = OpenControlChannel::parse(r#"{"Cookie":{"a":1},"TokenValue":"t","Later":[]}"#).unwrap();
        assert_eq!(open.token_value.expose(), "t");
        assert_eq!(open.capabilities, None);
    }
}
