//! The errors that several operations answer.

use std::error::Error;

use drawbridge_aws_dialects::error::{AwsError, Family};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an input; the model was checked before, so a failure means that model and type disagree.
pub(crate) fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| internal(&error))
}

/// Answers a fault of ours, which is logged here and not shown.
pub(crate) fn internal(error: &(dyn Error + 'static)) -> AwsError {
    tracing::error!(error, "an operation failed inside");
    Family::Query.internal()
}

/// Refuses for a reason that policies have no say in.
pub(crate) fn denied(why: &str) -> AwsError {
    Family::Query.access_denied(why)
}

/// Refuses a value that breaks a rule of its own.
pub(crate) fn invalid(why: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", why)
}

/// Refuses a value that does not go with another.
pub(crate) fn unsuitable(why: &str) -> AwsError {
    AwsError::new("InvalidParameterValue", why)
}

/// Refuses a list or text that is longer than the model says.
pub(crate) fn too_long(field: &str, longest: usize) -> AwsError {
    invalid(format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length less \
         than or equal to {longest}"
    ))
}

/// Refuses the code of a second factor: nobody has one.
pub(crate) fn no_second_factor() -> AwsError {
    denied(
        "MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA serial number is valid \
         and associated with this user.",
    )
}
