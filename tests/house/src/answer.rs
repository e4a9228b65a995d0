//! What a model promises of answers and errors.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model::{Kind, Operation, Shape};
use serde_json::{Value, json};

/// Every member of an answer is one that clients know, and has the type that they expect.
pub(crate) fn check_output(operation: &Operation, output: &Value) {
    match operation.output() {
        None => assert!(
            output.is_null() || *output == json!({}),
            "{}: {output}",
            operation.name()
        ),
        Some(shape) => check(operation, shape, output),
    }
}

/// Every error is one that the operation's model declares, or that any operation may have.
pub(crate) fn check_error(operation: &Operation, error: &AwsError) {
    const ANY: &[&str] = &[
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "ValidationError",
        "ValidationException",
        "SerializationException",
        "InvalidParameterValue",
        "MissingParameter",
    ];
    // What operations answer and their models leave out.
    const UNDECLARED: &[(&str, &str)] = &[
        ("StartSession", "InvalidParameters"),
        ("StartSession", "BadRequest"),
        ("StartSession", "ServiceQuotaExceededException"),
        ("GetUser", "InvalidInput"),
        ("CreateRole", "NoSuchEntity"),
    ];
    let declared = operation.errors().any(|(code, _)| code == error.code());
    let known = ANY.contains(&error.code()) || UNDECLARED.contains(&(operation.name(), error.code()));
    // EC2's models declare no errors at all.
    let none = operation.errors().next().is_none();
    assert!(
        declared || known || none,
        "{} does not declare {error}",
        operation.name()
    );
}

fn check(operation: &Operation, shape: &Shape, value: &Value) {
    let wrong = format!("{}: {value} is no {}", operation.name(), shape.name());
    match shape.kind() {
        Kind::Structure(members) => {
            for (name, value) in value.as_object().expect(&wrong) {
                let member = members.iter().find(|member| member.name == *name);
                let member = member.unwrap_or_else(|| {
                    panic!("{}: {} has no member {name}", operation.name(), shape.name());
                });
                check(operation, operation.shape(member.shape), value);
            }
        }
        Kind::List { element, .. } => {
            for value in value.as_array().expect(&wrong) {
                check(operation, operation.shape(*element), value);
            }
        }
        Kind::Map { value: inner, .. } => {
            for value in value.as_object().expect(&wrong).values() {
                check(operation, operation.shape(*inner), value);
            }
        }
        Kind::Text | Kind::Blob => assert!(value.is_string(), "{wrong}"),
        Kind::Integer | Kind::Long => assert!(value.is_i64() || value.is_u64(), "{wrong}"),
        Kind::Float | Kind::Timestamp => assert!(value.is_number(), "{wrong}"),
        Kind::Boolean => assert!(value.is_boolean(), "{wrong}"),
    }
}
