//! The errors that several operations answer.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::KeyError;
use drawbridge_store::keyring::WrongState;
use drawbridge_store::{ChangeKeyError, Key, KeyState};

/// Answers a fault of ours, which is logged here with its causes and not shown.
pub(crate) fn internal(error: impl std::error::Error + 'static) -> AwsError {
    let error = &error as &dyn std::error::Error;
    tracing::error!(error, "an operation failed inside");
    AwsError::internal("KMSInternalException")
}

/// Answers what stood in the way of a use of a key.
pub(crate) fn answer(error: KeyError) -> AwsError {
    let code = code(&error);
    match error {
        KeyError::Internal(cause) => {
            tracing::error!(
                error = cause.as_ref() as &dyn std::error::Error,
                "a key cannot be used"
            );
            AwsError::internal(code)
        }
        KeyError::NotFound(text)
        | KeyError::Disabled(text)
        | KeyError::InvalidState(text)
        | KeyError::Denied(text)
        | KeyError::InvalidCiphertext(text) => AwsError::new(code, text),
    }
}

/// Returns the code that clients branch on.
pub(crate) fn code(error: &KeyError) -> &'static str {
    match error {
        KeyError::NotFound(_) => "NotFoundException",
        KeyError::Disabled(_) => "DisabledException",
        KeyError::InvalidState(_) => "KMSInvalidStateException",
        KeyError::Denied(_) => "AccessDeniedException",
        KeyError::InvalidCiphertext(_) => "InvalidCiphertextException",
        KeyError::Internal(_) => "KMSInternalException",
    }
}

/// Wraps a fault of ours.
pub(crate) fn fault(error: impl std::error::Error + Send + Sync + 'static) -> KeyError {
    KeyError::Internal(Box::new(error))
}

/// Refuses to change a key in its state.
pub(crate) fn wrong_state(key: &Key, WrongState(state): WrongState) -> AwsError {
    let arn = key.arn();
    AwsError::new(
        "KMSInvalidStateException",
        match state {
            KeyState::PendingDeletion { .. } => format!("{arn} is pending deletion."),
            KeyState::Enabled | KeyState::Disabled => format!("{arn} is not pending deletion."),
        },
    )
}

/// Refuses to use a key in its state.
pub(crate) fn unusable(key: &Key, WrongState(state): WrongState) -> KeyError {
    let arn = key.arn();
    match state {
        KeyState::PendingDeletion { .. } => KeyError::InvalidState(format!("{arn} is pending deletion.")),
        KeyState::Enabled | KeyState::Disabled => KeyError::Disabled(format!("{arn} is disabled.")),
    }
}

/// Answers that a change met another one.
pub(crate) fn unchanged(error: ChangeKeyError) -> AwsError {
    match error {
        ChangeKeyError::Changed => AwsError::new(
            "KMSInvalidStateException",
            "The key was changed by another request at the same moment. Try again.",
        ),
        ChangeKeyError::Store(error) => internal(error),
    }
}

/// Says that a request that only tries would have succeeded.
pub(crate) fn dry_run() -> AwsError {
    AwsError::new(
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )
}

/// Refuses what is not on offer here.
pub(crate) fn unsupported(what: &str) -> AwsError {
    AwsError::new(
        "UnsupportedOperationException",
        format!("{what} is not supported by this server."),
    )
}
