//! The JSON 1.1 dialect: `POST /` with an `X-Amz-Target` header and a JSON body.

mod constraint;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::error::AwsError;
use crate::model::{Kind, Operation, Shape, ShapeId};

/// The content type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Nesting that no input of any model needs; deeper input is refused.
const MAX_DEPTH: usize = 32;

/// How deep a value is searched for something that must not be shown; deeper ones are not shown at all.
const MAX_SEARCHED: usize = 4;

/// Broken constraints listed in one answer; AWS's are as many as there are, ours are bounded.
const MAX_LISTED: usize = 50;

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
    /// One or more constraints broken, in AWS's words: `ValidationException`.
    #[error("{0}")]
    Validation(String),
}

impl From<InvalidInput> for AwsError {
    fn from(error: InvalidInput) -> Self {
        match error {
            InvalidInput::Serialization(message) => Self::new("SerializationException", message),
            InvalidInput::Validation(message) => Self::validation(message),
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
    let Some(shape) = operation.input.map(|id| operation.shape(id)) else {
        return Ok(());
    };
    let mut walk = Walk {
        operation,
        failures: Vec::new(),
        count: 0,
    };
    walk.value(shape, input, &Place::root(), 0)?;
    match walk.count {
        0 => Ok(()),
        1 => Err(InvalidInput::Validation(format!(
            "1 validation error detected: {}",
            walk.failures.join("; ")
        ))),
        count => Err(InvalidInput::Validation(format!(
            "{count} validation errors detected: {}",
            walk.failures.join("; ")
        ))),
    }
}

/// Writes an error body: `{"__type": code, "message": message}`. Send `x-amzn-ErrorType: code` with it.
pub fn error_body(code: &str, message: &str) -> Bytes {
    Bytes::from(json!({ "__type": code, "message": message }).to_string())
}

/// Where in the input a value stands, as AWS writes it: `filters.1.member.key`.
struct Place {
    path: String,
}

impl Place {
    fn root() -> Self {
        Self { path: String::new() }
    }

    /// A member of a structure; AWS shows names with their first letter in lower case.
    fn member(&self, name: &str) -> Self {
        let mut letters = name.chars();
        let first = letters
            .next()
            .map(|letter| letter.to_ascii_lowercase())
            .unwrap_or_default();
        self.then(&format!("{first}{}", letters.as_str()))
    }

    fn element(&self, index: usize) -> Self {
        self.then(&format!("{}.member", index + 1))
    }

    fn entry(&self, key: &str) -> Self {
        self.then(&format!("{}.member", constraint::shorten(key)))
    }

    fn then(&self, step: &str) -> Self {
        if self.path.is_empty() {
            Self {
                path: step.to_owned(),
            }
        } else {
            Self {
                path: format!("{}.{step}", self.path),
            }
        }
    }
}

/// One pass over an input.
struct Walk<'a> {
    operation: &'a Operation,
    failures: Vec<String>,
    /// All broken constraints, also those beyond what is listed.
    count: usize,
}

impl Walk<'_> {
    fn value(
        &mut self,
        shape: &Shape,
        value: &Value,
        place: &Place,
        depth: usize,
    ) -> Result<(), InvalidInput> {
        if depth > MAX_DEPTH {
            return Err(InvalidInput::Serialization(
                "Input is nested too deeply".to_owned(),
            ));
        }
        match &shape.kind {
            Kind::Structure(members) => {
                let object = value
                    .as_object()
                    .ok_or_else(|| wrong_type(value, "a structure"))?;
                for member in members {
                    let place = place.member(&member.name);
                    match object.get(&member.name) {
                        None | Some(Value::Null) if member.required => {
                            self.fail(None, &place, "Member must not be null");
                        }
                        None | Some(Value::Null) => {}
                        Some(value) => {
                            self.value(self.operation.shape(member.shape), value, &place, depth + 1)?;
                        }
                    }
                }
                Ok(())
            }
            Kind::List { element, .. } => self.list(shape, *element, value, place, depth),
            Kind::Map { key, value: element } => self.map(shape, [*key, *element], value, place, depth),
            _ => {
                constraint::check_type(&shape.kind, value)?;
                self.constraints(shape, value, place);
                Ok(())
            }
        }
    }

    fn list(
        &mut self,
        shape: &Shape,
        element: ShapeId,
        value: &Value,
        place: &Place,
        depth: usize,
    ) -> Result<(), InvalidInput> {
        let elements = value.as_array().ok_or_else(|| wrong_type(value, "a list"))?;
        self.constraints(shape, value, place);
        let element = self.operation.shape(element);
        let mut element_fails = false;
        for (index, value) in elements.iter().enumerate() {
            if value.is_null() {
                self.fail(None, &place.element(index), "Member must not be null");
            } else if constraint::is_scalar(&element.kind) {
                constraint::check_type(&element.kind, value)?;
                element_fails |= !constraint::broken(element, value).is_empty();
            } else {
                self.value(element, value, &place.element(index), depth + 1)?;
            }
        }
        if element_fails {
            // Elements without members of their own are reported once, for the whole list.
            let rules = constraint::all(element).join(", ");
            self.fail(
                Some((shape, value)),
                place,
                &format!("Member must satisfy constraint: [{rules}]"),
            );
        }
        Ok(())
    }

    fn map(
        &mut self,
        shape: &Shape,
        [key, element]: [ShapeId; 2],
        value: &Value,
        place: &Place,
        depth: usize,
    ) -> Result<(), InvalidInput> {
        let entries = value.as_object().ok_or_else(|| wrong_type(value, "a map"))?;
        self.constraints(shape, value, place);
        let (key, element) = (self.operation.shape(key), self.operation.shape(element));
        let (mut key_fails, mut element_fails) = (false, false);
        for (name, value) in entries {
            key_fails |= !constraint::broken(key, &Value::from(name.as_str())).is_empty();
            if value.is_null() {
                self.fail(None, &place.entry(name), "Member must not be null");
            } else if constraint::is_scalar(&element.kind) {
                constraint::check_type(&element.kind, value)?;
                element_fails |= !constraint::broken(element, value).is_empty();
            } else {
                self.value(element, value, &place.entry(name), depth + 1)?;
            }
        }
        for (fails, which, part) in [
            (key_fails, "Map keys", key),
            (element_fails, "Map value", element),
        ] {
            if fails {
                let rules = constraint::all(part).join(", ");
                self.fail(
                    Some((shape, value)),
                    place,
                    &format!("{which} must satisfy constraint: [{rules}]"),
                );
            }
        }
        Ok(())
    }

    fn constraints(&mut self, shape: &Shape, value: &Value, place: &Place) {
        for rule in constraint::broken(shape, value) {
            self.fail(Some((shape, value)), place, &rule);
        }
    }

    /// Notes a broken constraint; `None` is a missing value, and a sensitive one is not repeated.
    fn fail(&mut self, value: Option<(&Shape, &Value)>, place: &Place, rule: &str) {
        self.count += 1;
        if self.failures.len() >= MAX_LISTED {
            return;
        }
        let shown = match value {
            None => " null".to_owned(),
            Some((shape, _)) if self.hides(shape, 0) => String::new(),
            Some((_, value)) => format!(" '{}'", constraint::shorten(&constraint::show(value))),
        };
        self.failures.push(format!(
            "Value{shown} at '{}' failed to satisfy constraint: {rule}",
            place.path
        ));
    }

    /// Whether a value of this shape, or anything inside it, must not be shown.
    fn hides(&self, shape: &Shape, depth: usize) -> bool {
        let inner = |id: ShapeId| self.hides(self.operation.shape(id), depth + 1);
        shape.sensitive
            || depth > MAX_SEARCHED
            || match &shape.kind {
                Kind::Structure(members) => members.iter().any(|member| inner(member.shape)),
                Kind::List { element, .. } => inner(*element),
                Kind::Map { key, value } => inner(*key) || inner(*value),
                _ => false,
            }
    }
}

fn wrong_type(value: &Value, wanted: &str) -> InvalidInput {
    InvalidInput::Serialization(format!(
        "{} can not be converted to {wanted}",
        constraint::json_type(value)
    ))
}

#[cfg(test)]
mod tests;
