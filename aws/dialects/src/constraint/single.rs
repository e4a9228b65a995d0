//! The constraints of single values, in AWS's words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Refusal;
use crate::model::{Kind, Shape};

/// The longest value repeated in an error, in characters.
const MAX_SHOWN: usize = 1024;

/// Whether values of this kind have no parts of their own.
pub(super) fn is_scalar(kind: &Kind) -> bool {
    !matches!(kind, Kind::Structure(_) | Kind::List { .. } | Kind::Map { .. })
}

/// Refuses a value of the wrong JSON type.
pub(super) fn check_type(kind: &Kind, value: &Value) -> Result<(), Refusal> {
    let (fits, wanted) = match kind {
        Kind::Text => (value.is_string(), "a String"),
        Kind::Blob => (
            value.as_str().is_some_and(|text| STANDARD.decode(text).is_ok()),
            "a Blob",
        ),
        Kind::Boolean => (value.is_boolean(), "a Boolean"),
        Kind::Integer => (
            whole(value).is_some_and(|number| i32::try_from(number).is_ok()),
            "an Integer",
        ),
        Kind::Long => (whole(value).is_some(), "a Long"),
        Kind::Float => (value.is_number(), "a Double"),
        Kind::Timestamp => (value.is_number(), "milliseconds since epoch"),
        Kind::Structure(_) | Kind::List { .. } | Kind::Map { .. } => return Ok(()),
    };
    if fits {
        return Ok(());
    }
    Err(Refusal::WrongType(format!(
        "{} can not be converted to {wanted}",
        json_type(value)
    )))
}

/// The constraints of `shape` that `value` breaks.
pub(super) fn broken(shape: &Shape, value: &Value) -> Vec<String> {
    let limits = &shape.limits;
    let measure = match value {
        Value::String(text) if matches!(shape.kind, Kind::Blob) => STANDARD
            .decode(text)
            .map(|bytes| bytes.len())
            .ok()
            .and_then(|length| i64::try_from(length).ok()),
        // Java counts UTF-16 units.
        Value::String(text) => i64::try_from(text.encode_utf16().count()).ok(),
        Value::Array(elements) => i64::try_from(elements.len()).ok(),
        Value::Object(entries) => i64::try_from(entries.len()).ok(),
        Value::Number(_) => whole(value),
        Value::Null | Value::Bool(_) => None,
    };
    let mut broken = Vec::new();
    if let (Some(max), Some(measure)) = (limits.max, measure)
        && measure > max
    {
        broken.push(at_most(&shape.kind, max));
    }
    if let (Some(min), Some(measure)) = (limits.min, measure)
        && measure < min
    {
        broken.push(at_least(&shape.kind, min));
    }
    if let Value::String(text) = value {
        if let Some(pattern) = &limits.pattern
            && !pattern.matches(text)
        {
            broken.push(matching(pattern.source()));
        }
        if !limits.values.is_empty() && !limits.values.contains(text) {
            broken.push(one_of(&limits.values));
        }
    }
    broken
}

/// All constraints of a shape, as AWS lists them for elements of lists and maps.
pub(super) fn all(shape: &Shape) -> Vec<String> {
    let limits = &shape.limits;
    let mut all = Vec::new();
    all.extend(limits.max.map(|max| at_most(&shape.kind, max)));
    all.extend(limits.min.map(|min| at_least(&shape.kind, min)));
    all.extend(limits.pattern.as_ref().map(|pattern| matching(pattern.source())));
    if !limits.values.is_empty() {
        all.push(one_of(&limits.values));
    }
    all
}

/// A value as AWS's server would print it: `[a, b]`, `{k=v}`.
pub(super) fn show(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    if out.len() > MAX_SHOWN * 4 {
        return;
    }
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => out.push_str(text),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write(element, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, entry)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                out.push_str(key);
                out.push('=');
                write(entry, out);
            }
            out.push('}');
        }
    }
}

/// Cuts what is too long to repeat.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The name AWS's parser has for a JSON value.
pub(super) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "Start of list",
        Value::Object(_) => "Start of structure or map",
    }
}

fn whole(value: &Value) -> Option<i64> {
    value.as_i64()
}

fn at_most(kind: &Kind, max: i64) -> String {
    let subject = if is_number(kind) { "value" } else { "length" };
    format!("Member must have {subject} less than or equal to {max}")
}

fn at_least(kind: &Kind, min: i64) -> String {
    let subject = if is_number(kind) { "value" } else { "length" };
    format!("Member must have {subject} greater than or equal to {min}")
}

fn is_number(kind: &Kind) -> bool {
    matches!(kind, Kind::Integer | Kind::Long | Kind::Float)
}

fn matching(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn one_of(values: &[String]) -> String {
    format!("Member must satisfy enum value set: [{}]", values.join(", "))
}
