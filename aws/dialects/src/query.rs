//! The query dialect: form fields in (`Action`, `Version`, `X.member.N`), XML out.

mod answer;
mod form;

use serde_json::{Map, Value};

use crate::json11::{self, InvalidInput};
use crate::model::{Kind, Operation, Shape};

pub use answer::{error_response, response};
pub use form::{Form, MAX_FIELDS};

/// The content type of answers.
pub const CONTENT_TYPE: &str = "text/xml";

/// Nesting that no input of any model needs.
const MAX_DEPTH: usize = 16;

/// Turns form fields into the operation's input, as JSON would carry it, and validates it.
///
/// Unknown fields are ignored.
///
/// # Errors
/// See [`InvalidInput`]; a field that cannot be read as its type is refused as `Serialization`.
pub fn read(operation: &Operation, form: &Form) -> Result<Value, InvalidInput> {
    let input = match operation.input() {
        None => Value::Object(Map::new()),
        Some(shape) => value(operation, shape, form, "", 0)?.unwrap_or_else(|| Value::Object(Map::new())),
    };
    json11::validate(operation, &input)?;
    Ok(input)
}

/// Reads what the form says about `prefix`; `None` when it says nothing.
fn value(
    operation: &Operation,
    shape: &Shape,
    form: &Form,
    prefix: &str,
    depth: usize,
) -> Result<Option<Value>, InvalidInput> {
    if depth > MAX_DEPTH || !(prefix.is_empty() || form.mentions(prefix)) {
        return Ok(None);
    }
    match shape.kind() {
        Kind::Structure(members) => {
            let mut object = Map::new();
            for member in members {
                let name = join(prefix, member.location_name.as_deref().unwrap_or(&member.name));
                if let Some(value) = value(operation, operation.shape(member.shape), form, &name, depth + 1)?
                {
                    object.insert(member.name.clone(), value);
                }
            }
            Ok(Some(Value::Object(object)))
        }
        Kind::List {
            element,
            element_name,
            flattened,
        } => {
            // An empty value is how clients send an empty list.
            let parent = if *flattened {
                prefix.to_owned()
            } else {
                join(prefix, element_name)
            };
            let mut elements = Vec::new();
            for index in 1..=MAX_FIELDS {
                let name = format!("{parent}.{index}");
                match value(operation, operation.shape(*element), form, &name, depth + 1)? {
                    Some(value) => elements.push(value),
                    None => break,
                }
            }
            Ok(Some(Value::Array(elements)))
        }
        Kind::Map { key, value: element } => {
            let mut object = Map::new();
            for index in 1..=MAX_FIELDS {
                let entry = format!("{prefix}.entry.{index}");
                let name = value(
                    operation,
                    operation.shape(*key),
                    form,
                    &join(&entry, "key"),
                    depth + 1,
                )?;
                let Some(Value::String(name)) = name else { break };
                let content = value(
                    operation,
                    operation.shape(*element),
                    form,
                    &join(&entry, "value"),
                    depth + 1,
                )?;
                object.insert(name, content.unwrap_or(Value::Null));
            }
            Ok(Some(Value::Object(object)))
        }
        kind => form
            .field(prefix)
            .map(|text| scalar(kind, text, prefix))
            .transpose(),
    }
}

fn scalar(kind: &Kind, text: &str, name: &str) -> Result<Value, InvalidInput> {
    let parsed = match kind {
        Kind::Integer | Kind::Long => text.parse::<i64>().ok().map(Value::from),
        Kind::Float => text
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number),
        Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
        Kind::Timestamp => text
            .parse::<jiff::Timestamp>()
            .ok()
            .and_then(|at| serde_json::Number::from_f64(at.as_duration().as_secs_f64()).map(Value::Number)),
        _ => Some(Value::from(text)),
    };
    parsed.ok_or_else(|| InvalidInput::Serialization(format!("Value '{text}' of {name} is not of its type")))
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

#[cfg(test)]
mod tests;
