//! The errors that several operations answer.

use drawbridge_aws_dialects::error::AwsError;

/// Answers a fault of ours, which is logged here with its causes and not shown.
pub(crate) fn internal(error: impl std::error::Error + 'static) -> AwsError {
    let error = &error as &dyn std::error::Error;
    tracing::error!(error, "an operation failed inside");
    AwsError::internal("InternalServerError")
}

/// Refuses a question about what is not there.
pub(crate) fn absent(what: &str) -> AwsError {
    AwsError::new(
        "DoesNotExistException",
        format!("There is no {what} in this account."),
    )
}
