//! How the two query families word a refused input.

use crate::constraint::{Broken, Failure, Place, Refusal, Shown, shorten};
use crate::error::{AwsError, Family};

/// A field that cannot be read as what the model says it is; `text` is what it holds, unless that is secret.
pub(super) fn malformed(family: Family, place: &Place, text: Option<&str>, why: &str) -> AwsError {
    let text = text.map(shorten);
    match (family, text) {
        (Family::Ec2, Some(text)) => invalid_parameter_value(&text, place, why),
        (Family::Ec2, None) => AwsError::new(
            "InvalidParameterValue",
            format!("The value for parameter {place} is invalid: {why}"),
        ),
        (_, Some(text)) => AwsError::new(
            "MalformedInput",
            format!("Value '{text}' at '{place}' is malformed: {why}"),
        ),
        (_, None) => AwsError::new(
            "MalformedInput",
            format!("Value at '{place}' is malformed: {why}"),
        ),
    }
}

/// Broken constraints: all of them for `ValidationError`, the first one for EC2.
pub(super) fn refused(family: Family, refusal: Refusal) -> AwsError {
    match (family, refusal) {
        (_, Refusal::WrongType(text)) => AwsError::new("MalformedInput", text),
        (Family::Ec2, Refusal::Broken(broken)) => first(&broken),
        (_, Refusal::Broken(broken)) => AwsError::new("ValidationError", broken.to_string()),
    }
}

fn first(broken: &Broken) -> AwsError {
    match broken.first() {
        Some(Failure {
            place,
            value: Shown::Missing,
            ..
        }) => AwsError::new(
            "MissingParameter",
            format!("The request must contain the parameter {place}"),
        ),
        Some(Failure {
            place,
            value: Shown::Text(text),
            rule,
        }) => invalid_parameter_value(text, place, rule),
        Some(Failure { place, rule, .. }) => AwsError::new(
            "InvalidParameterValue",
            format!("The value for parameter {place} is invalid: {rule}"),
        ),
        None => AwsError::new("InvalidParameterValue", "The request is invalid"),
    }
}

fn invalid_parameter_value(text: &str, place: &Place, why: &str) -> AwsError {
    AwsError::new(
        "InvalidParameterValue",
        format!("Value ( {text} ) for parameter {place} is invalid: {why}"),
    )
}
