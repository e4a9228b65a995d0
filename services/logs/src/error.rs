//! The errors that several operations answer.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::NoRoom;

/// Answers a fault of ours, which is logged here with its causes and not shown.
pub(crate) fn internal(error: impl std::error::Error + 'static) -> AwsError {
    let error = &error as &dyn std::error::Error;
    tracing::error!(error, "an operation failed inside");
    AwsError::internal("ServiceUnavailableException")
}

/// The events would take what the server keeps of its disk for itself.
pub(crate) fn no_room(error: NoRoom) -> AwsError {
    AwsError::unavailable("ServiceUnavailableException", error.to_string())
}

/// Refuses what the model cannot.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

/// Refuses a page token that the operation did not give.
pub(crate) fn invalid_token() -> AwsError {
    invalid_parameter("The specified nextToken is invalid.")
}

/// Says that a group is not there.
pub(crate) fn no_group() -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )
}

/// Says that a stream is not there.
pub(crate) fn no_stream() -> AwsError {
    AwsError::new(
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
}
