//! What the session floor refuses: documents when they are written, sessions when they start or are joined.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::Content;
use drawbridge_session::{BelowFloor, Caller, Floor, SessionStart};
use drawbridge_store::floor_over;

use crate::Ssm;
use crate::error::internal;

/// Finds what the sessions of the caller's account must have; one that cannot be read refuses everything.
pub(crate) async fn of(ssm: &Ssm, caller: &Caller) -> Result<Floor, AwsError> {
    floor_over(ssm.store.as_ref(), &caller.account)
        .await
        .map_err(internal)
}

/// Refuses, with the error that an operation declares, a document that no session could run.
pub(crate) async fn check_written(
    ssm: &Ssm,
    caller: &Caller,
    name: &str,
    content: &Content,
    code: &'static str,
) -> Result<(), AwsError> {
    let checked = of(ssm, caller).await?.check_written(content);
    checked.map_err(|below| AwsError::new(code, sentence(name, &below)))
}

/// Refuses a session that is below the floor of its account.
pub(crate) async fn check_session(
    ssm: &Ssm,
    caller: &Caller,
    start: &SessionStart,
    reason: Option<&str>,
) -> Result<(), AwsError> {
    let checked = of(ssm, caller).await?.check(&start.document, reason);
    checked.map_err(|below| AwsError::new("AccessDeniedException", sentence(&start.document_name, &below)))
}

fn sentence(name: &str, below: &BelowFloor) -> String {
    format!("Document {name} is {below}.")
}

#[cfg(test)]
mod tests;
