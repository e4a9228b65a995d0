//! Errors, in EC2's words.

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::NodeId;
use http::StatusCode;

/// Answers a fault of ours, which is logged here with its causes and not shown.
pub(crate) fn internal(error: impl std::error::Error + 'static) -> AwsError {
    let error = &error as &dyn std::error::Error;
    tracing::error!(error, "an operation failed inside");
    Family::Ec2.internal()
}

pub(crate) fn malformed_id(id: &str) -> AwsError {
    AwsError::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\""))
}

pub(crate) fn no_such_instances(ids: &[NodeId]) -> AwsError {
    let names: Vec<_> = ids.iter().map(NodeId::as_str).collect();
    let message = match names.as_slice() {
        [one] => format!("The instance ID '{one}' does not exist"),
        many => format!("The instance IDs '{}' do not exist", many.join(", ")),
    };
    AwsError::new("InvalidInstanceID.NotFound", message)
}

pub(crate) fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

/// Answers whoever only wanted to know whether they may, where they may.
pub(crate) fn check_dry_run(dry_run: Option<bool>) -> Result<(), AwsError> {
    if dry_run != Some(true) {
        return Ok(());
    }
    let message = "Request would have succeeded, but DryRun flag is set.";
    Err(AwsError::new("DryRunOperation", message).with_status(StatusCode::PRECONDITION_FAILED))
}
