//! The query dialect: form fields in (`Action`, `Version`, `X.member.N`), XML out.

use serde_json::Value;

use crate::error::AwsError;
use crate::json11::InvalidInput;
use crate::model::Operation;

/// The content type of answers.
pub const CONTENT_TYPE: &str = "text/xml";

/// Form fields of one request, decoded, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Parses `application/x-www-form-urlencoded` text (a body, or the query of a `GET`).
    ///
    /// # Errors
    /// `MalformedQueryString` for bad encoding, duplicate fields or too many of them.
    pub fn parse(text: &[u8]) -> Result<Self, AwsError> {
        let _ = text;
        Ok(Self::default())
    }

    /// The `Action` field.
    pub fn action(&self) -> Option<&str> {
        self.field("Action")
    }

    /// The `Version` field.
    pub fn version(&self) -> Option<&str> {
        self.field("Version")
    }

    /// One field by its full name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Turns form fields into the operation's input and validates it.
///
/// # Errors
/// See [`InvalidInput`].
pub fn read(operation: &Operation, form: &Form) -> Result<Value, InvalidInput> {
    let _ = (operation, form);
    Ok(Value::Null)
}

/// Writes `<XResponse><XResult>…</XResult><ResponseMetadata>…` for an operation's output.
pub fn response(operation: &Operation, namespace: &str, output: &Value, request_id: &str) -> String {
    let _ = (operation, namespace, output, request_id);
    String::new()
}

/// Writes `<ErrorResponse><Error>…`.
pub fn error_response(namespace: &str, error: &AwsError, request_id: &str) -> String {
    let _ = (namespace, error, request_id);
    String::new()
}
