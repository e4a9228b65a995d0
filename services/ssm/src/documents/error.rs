//! The errors that several operations on documents answer.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::{DocumentError, Provider};

pub(super) fn does_not_exist(name: &str) -> AwsError {
    AwsError::new(
        "InvalidDocument",
        format!("Document with name {name} does not exist."),
    )
}

pub(super) fn invalid_version() -> AwsError {
    AwsError::new(
        "InvalidDocumentVersion",
        "The document version is not valid or does not exist.",
    )
}

/// Refuses, with the error that an operation declares, to change what is in every account.
pub(super) fn check_changeable(name: &str, code: &'static str) -> Result<(), AwsError> {
    match Provider::of(name).map(Provider::as_str) {
        None => Ok(()),
        Some(owner) => Err(AwsError::new(
            code,
            format!("Document {name} belongs to {owner} and cannot be changed."),
        )),
    }
}

/// Refuses a text that is no session document.
pub(super) fn invalid_content(error: &DocumentError) -> AwsError {
    let code = match error {
        DocumentError::TooLong { .. } => "MaxDocumentSizeExceeded",
        DocumentError::SchemaVersion(_) => "InvalidDocumentSchemaVersion",
        DocumentError::Syntax(_) | DocumentError::Content { .. } => "InvalidDocumentContent",
    };
    AwsError::new(code, error.to_string())
}

/// Refuses kinds of permission other than sharing.
pub(super) fn check_permission_type(kind: &str) -> Result<(), AwsError> {
    if kind == "Share" {
        return Ok(());
    }
    Err(AwsError::new(
        "InvalidPermissionType",
        "The permission type is not supported. Share is the only supported permission type.",
    ))
}
