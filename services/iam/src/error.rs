//! Refusals and faults as the wire has them.

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::iam::IamError;
use drawbridge_store::ChangeError;

/// Answers what IAM's rules refuse; the model has the status of each code that it declares.
pub(crate) fn refused(error: &IamError) -> AwsError {
    match error {
        IamError::AccessDenied(reason) => Family::Query.access_denied(reason),
        other => AwsError::new(other.code(), other.to_string()),
    }
}

/// Answers a change that was not made.
pub(crate) fn unchanged(error: ChangeError) -> AwsError {
    match error {
        ChangeError::Refused(error) => refused(&error),
        fault @ (ChangeError::UnknownAccount(_) | ChangeError::Store(_)) => internal(fault),
    }
}

/// Answers a fault of ours, which is logged here with its causes and not shown.
pub(crate) fn internal(error: impl std::error::Error + 'static) -> AwsError {
    let error = &error as &dyn std::error::Error;
    tracing::error!(error, "an operation failed inside");
    Family::Query.internal()
}
