//! From validated JSON to typed inputs, and back.

use drawbridge_aws_dialects::error::AwsError;
use serde::Serialize;
use serde::de::DeserializeOwned;
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
