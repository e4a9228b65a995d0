//! From validated JSON to typed inputs, and back.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{EncryptionContext, Tag};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Reads an input; the model was checked before, so a failure means that model and type disagree.
pub(crate) fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

/// Writes an output.
pub(crate) fn write<T: Serialize>(output: &T) -> Result<Value, AwsError> {
    serde_json::to_value(output).map_err(crate::error::internal)
}

/// Returns a text member of an input that was not read yet, or nothing: for naming the resources of a request.
pub(crate) fn text<'a>(input: &'a Value, member: &str) -> &'a str {
    input.get(member).and_then(Value::as_str).unwrap_or("")
}

/// Returns a flag of an input that was not read yet.
pub(crate) fn flag(input: &Value, member: &str) -> bool {
    input.get(member).and_then(Value::as_bool).unwrap_or(false)
}

/// Returns the texts of a list of an input that was not read yet.
pub(crate) fn texts<'a>(input: &'a Value, member: &str) -> impl Iterator<Item = &'a str> {
    let list = input.get(member).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str)
}

/// Returns the tags of an input that was not read yet: for the facts of a request.
pub(crate) fn tags(input: &Value) -> Vec<Tag> {
    let tags = input.get("Tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| {
        Some(Tag::new(
            tag.get("TagKey")?.as_str()?,
            tag.get("TagValue")?.as_str()?,
        ))
    })
    .collect()
}

/// Returns the encryption context of an input that was not read yet.
pub(crate) fn context(input: &Value, member: &str) -> EncryptionContext {
    let pairs = input.get(member).and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Returns the bytes of a blob of an input that was not read yet; none where there is none.
pub(crate) fn blob(input: &Value, member: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text(input, member)).unwrap_or_default()
}

/// Reads a blob.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD.decode(text).map_err(serde::de::Error::custom)
}

/// Writes a blob.
pub(crate) fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}
