//! XML answers of the query dialects.

use http::StatusCode;
use serde_json::{Number, Value};

use crate::error::{AwsError, Family};
use crate::model::{Kind, Operation, Service, Shape};
use crate::xml::Writer;

/// Writes an operation's output, which is what JSON would carry, in its service's namespace.
///
/// Members that are null or that the model does not know are left out. *Shape:*
/// `<XResponse><XResult>…</XResult><ResponseMetadata>…`, or of EC2 `<XResponse><requestId/>…`, with
/// `<return>true</return>` if the operation has no output.
pub fn response(operation: &Operation, output: &Value, request_id: &str) -> String {
    let mut xml = Writer::new();
    xml.open_in(
        &format!("{}Response", operation.name()),
        &operation.wire.xml_namespace,
    );
    let is_ec2 = operation.family() == Family::Ec2;
    if is_ec2 {
        xml.element("requestId", request_id);
    }
    match operation.output() {
        Some(shape) => {
            let wrapper = operation.result_wrapper();
            if let Some(wrapper) = wrapper {
                xml.open(wrapper);
            }
            content(operation, shape, output, &mut xml);
            if wrapper.is_some() {
                xml.close();
            }
        }
        None if is_ec2 => {
            xml.element("return", "true");
        }
        None => {}
    }
    if !is_ec2 {
        xml.open("ResponseMetadata").element("RequestId", request_id);
    }
    xml.finish()
}

/// Writes an error of one of the service's operations, or of the request as such, with the status it travels with.
///
/// A code that the service's model declares has the model's status, any other the error's own. *Shape:*
/// `<ErrorResponse><Error>…`, or of EC2 `<Response><Errors><Error>…`.
pub fn error_response(service: &Service, error: &AwsError, request_id: &str) -> (StatusCode, String) {
    let status = service.error_status(error.code()).unwrap_or(error.status());
    let mut xml = Writer::new();
    if service.family() == Family::Ec2 {
        xml.open("Response")
            .open("Errors")
            .open("Error")
            .element("Code", error.code())
            .element("Message", error.message())
            .close()
            .close()
            .element("RequestID", request_id);
    } else {
        let fault = if status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        xml.open_in("ErrorResponse", &service.wire.xml_namespace)
            .open("Error")
            .element("Type", fault)
            .element("Code", error.code())
            .element("Message", error.message())
            .close()
            .element("RequestId", request_id);
    }
    (status, xml.finish())
}

/// Writes what stands inside a value's element.
fn content(operation: &Operation, shape: &Shape, value: &Value, xml: &mut Writer) {
    match (shape.kind(), value) {
        (Kind::Structure(members), Value::Object(object)) => {
            for member in members {
                let Some(value) = object.get(&member.name).filter(|value| !value.is_null()) else {
                    continue;
                };
                element(
                    operation,
                    operation.shape(member.shape),
                    &member.xml_name,
                    value,
                    xml,
                );
            }
        }
        (
            Kind::List {
                element: inner,
                element_name,
                ..
            },
            Value::Array(values),
        ) => {
            for value in values {
                element(operation, operation.shape(*inner), element_name, value, xml);
            }
        }
        (Kind::Map { key, value: inner }, Value::Object(entries)) => {
            for (name, value) in entries {
                let name = Value::from(name.as_str());
                xml.open("entry");
                element(operation, operation.shape(*key), "key", &name, xml);
                element(operation, operation.shape(*inner), "value", value, xml);
                xml.close();
            }
        }
        (Kind::Timestamp, Value::Number(seconds)) => {
            if let Some(text) = time(operation.family(), seconds) {
                xml.text(&text);
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

/// Epoch seconds as these services write them: whole ones, in UTC.
fn time(family: Family, seconds: &Number) -> Option<String> {
    let since = jiff::SignedDuration::try_from_secs_f64(seconds.as_f64()?).ok()?;
    let at = jiff::Timestamp::from_duration(since).ok()?;
    let form = match family {
        Family::Ec2 => "%Y-%m-%dT%H:%M:%S.000Z",
        Family::Json | Family::Query | Family::Rest | Family::S3 => "%Y-%m-%dT%H:%M:%SZ",
    };
    Some(at.strftime(form).to_string())
}
