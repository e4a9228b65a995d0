//! The errors that several operations answer.

use drawbridge_aws_dialects::error::AwsError;

/// Answers a fault of ours, which is logged here with its causes and not shown.
pub(crate) fn internal(error: impl std::error::Error + 'static) -> AwsError {
    let error = &error as &dyn std::error::Error;
    tracing::error!(error, "an operation failed inside");
    AwsError::internal("InternalServerError")
}

/// Refuses a page token that this operation did not give.
pub(crate) fn invalid_next_token() -> AwsError {
    AwsError::new("InvalidNextToken", "The specified token is not valid.")
}

/// Refuses the id of a node that is not there.
pub(crate) fn invalid_instance_id(id: &str) -> AwsError {
    AwsError::new(
        "InvalidInstanceId",
        format!("Managed node {id} does not exist in this account and region."),
    )
}
