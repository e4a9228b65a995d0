//! The client's side: writing a form, and reading the XML that answers it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value};

use crate::constraint::MAX_DEPTH;
use crate::model::{Kind, Operation, Shape};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// It is not XML in UTF-8.
    #[error("it is not XML")]
    Xml(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is XML of something else.
    #[error("it has no `{0}`")]
    Missing(String),
    /// A value does not have the type of the model.
    #[error("`{text}` is not the value of `{element}`")]
    Value {
        /// The element.
        element: String,
        /// What stands in it.
        text: String,
    },
}

/// Writes the form of a call whose input has texts and numbers only.
pub fn call(operation: &Operation, fields: &[(&str, &str)]) -> String {
    let always = [
        ("Action", operation.name()),
        ("Version", operation.wire.api_version.as_str()),
    ];
    let encode = |text| utf8_percent_encode(text, RESERVED);
    let pairs = always.iter().chain(fields);
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// Reads the output out of an answer, as JSON would carry it; times stay texts in ISO 8601.
///
/// Elements that the model does not know are left out.
///
/// # Errors
/// See [`AnswerError`].
pub fn read_response(operation: &Operation, document: &[u8]) -> Result<Value, AnswerError> {
    let Some(shape) = operation.output() else {
        return Ok(Value::Object(Map::new()));
    };
    let text = std::str::from_utf8(document).map_err(|error| AnswerError::Xml(error.into()))?;
    // Without document types there are no entities that could grow.
    let options = ParsingOptions {
        allow_dtd: false,
        ..ParsingOptions::default()
    };
    let parsed =
        Document::parse_with_options(text, options).map_err(|error| AnswerError::Xml(error.into()))?;
    let root = parsed.root_element();
    let node = match operation.result_wrapper() {
        None => root,
        Some(wrapper) => child(root, wrapper).ok_or_else(|| AnswerError::Missing(wrapper.to_owned()))?,
    };
    value(operation, shape, node, MAX_DEPTH)
}

fn value(
    operation: &Operation,
    shape: &Shape,
    node: Node<'_, '_>,
    levels: usize,
) -> Result<Value, AnswerError> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(AnswerError::Missing("end of nesting".to_owned()));
    };
    let text = node.text().unwrap_or_default();
    let parsed = |value: Option<Value>| {
        value.ok_or_else(|| AnswerError::Value {
            element: node.tag_name().name().to_owned(),
            text: text.chars().take(100).collect(),
        })
    };
    match shape.kind() {
        Kind::Structure(members) => {
            let mut object = Map::new();
            for member in members {
                let inner = operation.shape(member.shape);
                let found = if let Kind::List {
                    element,
                    flattened: true,
                    ..
                } = inner.kind()
                {
                    let element = operation.shape(*element);
                    Some(list(operation, element, node, &member.xml_name, levels)?)
                } else {
                    child(node, &member.xml_name)
                        .map(|node| value(operation, inner, node, levels))
                        .transpose()?
                };
                if let Some(found) = found {
                    object.insert(member.name.clone(), found);
                }
            }
            Ok(Value::Object(object))
        }
        Kind::List {
            element,
            element_name,
            ..
        } => list(operation, operation.shape(*element), node, element_name, levels),
        Kind::Map { value: inner, .. } => {
            let mut object = Map::new();
            for entry in children(node, "entry") {
                let key = child(entry, "key").and_then(|key| key.text()).unwrap_or_default();
                if let Some(node) = child(entry, "value") {
                    let read = value(operation, operation.shape(*inner), node, levels)?;
                    object.insert(key.to_owned(), read);
                }
            }
            Ok(Value::Object(object))
        }
        Kind::Text | Kind::Blob | Kind::Timestamp => Ok(Value::String(text.to_owned())),
        Kind::Integer | Kind::Long => parsed(text.parse::<i64>().ok().map(Value::from)),
        Kind::Float => parsed(text.parse::<f64>().ok().map(Value::from)),
        Kind::Boolean => parsed(text.parse::<bool>().ok().map(Value::from)),
    }
}

fn list(
    operation: &Operation,
    element: &Shape,
    node: Node<'_, '_>,
    name: &str,
    levels: usize,
) -> Result<Value, AnswerError> {
    let values = children(node, name).map(|node| value(operation, element, node, levels));
    values.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(move |child| child.is_element() && child.tag_name().name() == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model;
    use crate::query::{Form, operation, read, response};

    #[test]
    fn what_is_called_is_what_the_server_reads() {
        let get = model::iam().operation("GetUserPolicy").expect("there");
        let fields = [("UserName", "a+b@x"), ("PolicyName", "p=,.")];
        let form = Form::parse(call(get, &fields).as_bytes()).expect("a form");
        assert_eq!(
            operation(model::iam(), &form).expect("known").name(),
            "GetUserPolicy"
        );
        assert_eq!(
            read(get, &form).expect("valid"),
            json!({"UserName": "a+b@x", "PolicyName": "p=,."})
        );
    }

    #[test]
    fn what_the_server_writes_is_what_is_read() {
        let simulate = model::iam().operation("SimulateCustomPolicy").expect("there");
        let output = json!({
            "EvaluationResults": [{
                "EvalActionName": "a:b",
                "EvalDecision": "allowed",
                "MatchedStatements": [{"SourcePolicyId": "<&>", "StartPosition": {"Line": 1, "Column": 2}}],
                "MissingContextValues": [],
                "OrganizationsDecisionDetail": {"AllowedByOrganizations": true},
                "EvalDecisionDetails": {"IAM Policy": "allowed"},
            }],
            "IsTruncated": false,
        });
        let document = response(simulate, &output, "id");
        assert_eq!(
            read_response(simulate, document.as_bytes()).expect("read"),
            output
        );
    }

    #[test]
    fn refuses_what_is_no_answer() {
        let list = model::iam().operation("ListUsers").expect("there");
        for document in [
            "",
            "{}",
            "<ListUsersResponse/>",
            "<!DOCTYPE a [<!ENTITY b \"b\">]><a>&b;</a>",
            "<ListUsersResponse><ListUsersResult><IsTruncated>perhaps</IsTruncated></ListUsersResult></ListUsersResponse>",
        ] {
            assert!(read_response(list, document.as_bytes()).is_err(), "{document}");
        }
    }
}
