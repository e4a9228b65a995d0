//! XML answers of the query dialect.

use serde_json::Value;

use crate::error::AwsError;
use crate::model::{Kind, Operation, Shape};
use crate::xml::Writer;

/// Writes `<XResponse><XResult>…</XResult><ResponseMetadata>…` for an operation's output.
///
/// `output` is what JSON would carry; members that the model does not know are left out.
pub fn response(operation: &Operation, namespace: &str, output: &Value, request_id: &str) -> String {
    let mut xml = Writer::new();
    xml.open_in(&format!("{}Response", operation.name()), namespace);
    if let Some(shape) = operation.output() {
        let wrapper = operation.result_wrapper();
        if let Some(wrapper) = wrapper {
            xml.open(wrapper);
        }
        content(operation, shape, output, &mut xml);
        if wrapper.is_some() {
            xml.close();
        }
    }
    xml.open("ResponseMetadata")
        .element("RequestId", request_id)
        .close();
    xml.finish()
}

/// Writes `<ErrorResponse><Error>…`.
pub fn error_response(namespace: &str, error: &AwsError, request_id: &str) -> String {
    let mut xml = Writer::new();
    xml.open_in("ErrorResponse", namespace)
        .open("Error")
        .element(
            "Type",
            if error.is_client_fault() {
                "Sender"
            } else {
                "Receiver"
            },
        )
        .element("Code", error.code())
        .element("Message", error.message())
        .close()
        .element("RequestId", request_id);
    xml.finish()
}

/// Writes what stands inside a value's element.
fn content(operation: &Operation, shape: &Shape, value: &Value, xml: &mut Writer) {
    match (shape.kind(), value) {
        (Kind::Structure(members), Value::Object(object)) => {
            for member in members {
                let Some(value) = object.get(&member.name).filter(|value| !value.is_null()) else {
                    continue;
                };
                let name = member.location_name.as_deref().unwrap_or(&member.name);
                element(operation, operation.shape(member.shape), name, value, xml);
            }
        }
        (
            Kind::List {
                element: inner,
                element_name,
                flattened: false,
            },
            Value::Array(values),
        ) => {
            for value in values {
                element(operation, operation.shape(*inner), element_name, value, xml);
            }
        }
        (Kind::Map { key, value: inner }, Value::Object(entries)) => {
            for (name, value) in entries {
                xml.open("entry");
                element(
                    operation,
                    operation.shape(*key),
                    "key",
                    &Value::from(name.as_str()),
                    xml,
                );
                element(operation, operation.shape(*inner), "value", value, xml);
                xml.close();
            }
        }
        (Kind::Timestamp, Value::Number(seconds)) => {
            let at = seconds
                .as_f64()
                .and_then(|seconds| jiff::SignedDuration::try_from_secs_f64(seconds).ok());
            let at = at.and_then(|since| jiff::Timestamp::from_duration(since).ok());
            if let Some(at) = at {
                xml.text(&at.to_string());
            }
        }
        (_, Value::String(text)) => {
            xml.text(text);
        }
        (_, Value::Bool(_) | Value::Number(_)) => {
            xml.text(&value.to_string());
        }
        _ => {}
    }
}

fn element(operation: &Operation, shape: &Shape, name: &str, value: &Value, xml: &mut Writer) {
    if let (
        Kind::List {
            element: inner,
            flattened: true,
            ..
        },
        Value::Array(values),
    ) = (shape.kind(), value)
    {
        for value in values {
            element(operation, operation.shape(*inner), name, value, xml);
        }
        return;
    }
    xml.open(name);
    content(operation, shape, value, xml);
    xml.close();
}
