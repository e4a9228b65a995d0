//! The JSON 1.1 dialect: `POST /` with an `X-Amz-Target` header and a JSON body.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::constraint::{self, Refusal};
use crate::error::AwsError;
use crate::model::Operation;

/// The content type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Splits an `X-Amz-Target` value at its last dot into service prefix and operation.
pub fn target(header: &str) -> Option<(&str, &str)> {
    header
        .rsplit_once('.')
        .filter(|(service, operation)| !service.is_empty() && !operation.is_empty())
}

/// Why an input was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// Not JSON, or a value of the wrong JSON type: `SerializationException`.
    #[error("{0}")]
    Serialization(String),
    /// One or more constraints broken, in AWS's words and with the code of the service.
    #[error("{text}")]
    Validation {
        /// `ValidationException`, in most services.
        code: &'static str,
        /// What is wrong with what.
        text: String,
    },
}

impl From<InvalidInput> for AwsError {
    fn from(error: InvalidInput) -> Self {
        match error {
            InvalidInput::Serialization(message) => Self::new("SerializationException", message),
            InvalidInput::Validation { code, text } => Self::new(code, text),
        }
    }
}

/// Parses a request body and validates it against the operation's input.
///
/// An empty body is `{}`; unknown members are ignored (and left in).
///
/// # Errors
/// See [`InvalidInput`].
pub fn read(operation: &Operation, body: &[u8]) -> Result<Value, InvalidInput> {
    let value = if body.trim_ascii().is_empty() {
        Value::Object(Map::new())
    } else {
        serde_json::from_slice(body)
            .map_err(|error| InvalidInput::Serialization(format!("Request body is not JSON: {error}")))?
    };
    validate(operation, &value)?;
    Ok(value)
}

/// Checks a value against the operation's input shape, collecting every broken constraint.
///
/// # Errors
/// A value of the wrong JSON type first, as [`InvalidInput::Serialization`]; then all broken constraints at once.
pub fn validate(operation: &Operation, input: &Value) -> Result<(), InvalidInput> {
    constraint::check(operation, input).map_err(|refusal| match refusal {
        Refusal::WrongType(text) => InvalidInput::Serialization(text),
        Refusal::Broken(broken) => InvalidInput::Validation {
            code: operation.wire.broken_constraint(),
            text: broken.to_string(),
        },
    })
}

/// Writes an error body: `{"__type": code, "message": message}`. Send `x-amzn-ErrorType: code` with it.
pub fn error_body(code: &str, message: &str) -> Bytes {
    Bytes::from(json!({ "__type": code, "message": message }).to_string())
}

#[cfg(test)]
mod tests;
