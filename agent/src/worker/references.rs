//! Asking the server for the parameters that a document refers to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::identity::{Node, NodeError};

/// Why the values of references are not known. `Display` is shown to the person who asked for the session.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReferenceError {
    #[error("cannot get the parameters that the session document refers to")]
    Call(#[source] NodeError),
    #[error("parameter `{0}` does not exist")]
    Missing(String),
    #[error("parameter `{0}` is a SecureString, which session documents may not refer to")]
    Secure(String),
}

/// As many as one call takes.
const PER_CALL: usize = 10;

/// Gets the values of parameters of the server, named as `name` or `name:version`.
pub(super) async fn values_of(
    node: &Node,
    references: &[&str],
) -> Result<BTreeMap<String, String>, ReferenceError> {
    let mut values = BTreeMap::new();
    for names in references.chunks(PER_CALL) {
        let input = json!({"Names": names, "WithDecryption": false});
        let answer = node
            .call("GetParameters", &input)
            .await
            .map_err(ReferenceError::Call)?;
        for name in names {
            values.insert((*name).to_owned(), value_of(&answer, name)?);
        }
    }
    Ok(values)
}

/// Finds a parameter in the answer, which tells the version apart from the name.
fn value_of(answer: &Value, reference: &str) -> Result<String, ReferenceError> {
    let parameters = answer["Parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let is_meant = |parameter: &&Value| {
        let name = parameter["Name"].as_str().unwrap_or_default();
        let selector = parameter["Selector"].as_str().unwrap_or_default();
        format!("{name}{selector}") == reference
    };
    let missing = || ReferenceError::Missing(reference.to_owned());
    let parameter = parameters.iter().find(is_meant).ok_or_else(missing)?;
    if parameter["Type"] == "SecureString" {
        return Err(ReferenceError::Secure(reference.to_owned()));
    }
    parameter["Value"]
        .as_str()
        .map(ToOwned::to_owned)
        .ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_referred_to() {
        let answer = json!({"Parameters": [
            {"Name": "/a/b", "Type": "String", "Value": "newest"},
            {"Name": "/a/b", "Selector": ":3", "Type": "String", "Value": "third"},
            {"Name": "list", "Type": "StringList", "Value": "x,y"},
            {"Name": "key", "Type": "SecureString", "Value": "AQICAH"},
        ]});
        assert_eq!(value_of(&answer, "/a/b").expect("there"), "newest");
        assert_eq!(value_of(&answer, "/a/b:3").expect("there"), "third");
        assert_eq!(value_of(&answer, "list").expect("there"), "x,y");
        assert!(matches!(value_of(&answer, "key"), Err(ReferenceError::Secure(_))));
        assert!(matches!(
            value_of(&answer, "/a/b:4"),
            Err(ReferenceError::Missing(_))
        ));
    }

    #[test]
    fn an_answer_of_another_shape_has_no_values() {
        for answer in [
            json!(null),
            json!([]),
            json!({"Parameters": {}}),
            json!({"Parameters": [7, {"Name": "a"}, {"Name": "a", "Value": 7}]}),
        ] {
            assert!(
                matches!(value_of(&answer, "a"), Err(ReferenceError::Missing(_))),
                "{answer}"
            );
        }
    }
}
