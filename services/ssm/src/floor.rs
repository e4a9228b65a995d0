//! What the session floor refuses: documents when they are written, sessions when they start or are joined.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::{Content, SessionType};
use drawbridge_session::floor::Requirement;
use drawbridge_session::{BelowFloor, Caller, Floor, SessionStart};
use drawbridge_store::{LogGroupAt, floor_over};

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
    check(&of(ssm, caller).await?, start, reason)
}

/// Refuses to start a session that is below the floor of its account, or whose log would have nowhere to go although
/// the floor requires one.
pub(crate) async fn check_start(
    ssm: &Ssm,
    caller: &Caller,
    start: &SessionStart,
    reason: Option<&str>,
) -> Result<(), AwsError> {
    let floor = of(ssm, caller).await?;
    check(&floor, start, reason)?;
    let document = &start.document;
    if document.session_type == SessionType::Port {
        return Ok(());
    }
    let refused = |rule: Requirement, why: String| {
        let (rule, name) = (rule.as_str(), &start.document_name);
        let text =
            format!("Document {name} cannot be used: the session floor has the rule `{rule}`, and {why}.");
        AwsError::new("AccessDeniedException", text)
    };
    let bucket = &document.inputs.s3_bucket_name;
    if floor.requires.contains(&Requirement::Bucket)
        && ssm.store.bucket(bucket).await.map_err(internal)?.is_none()
    {
        return Err(refused(
            Requirement::Bucket,
            format!("there is no bucket {bucket}"),
        ));
    }
    if floor.requires.contains(&Requirement::LogGroup) {
        let at = LogGroupAt {
            account: &caller.account,
            region: &caller.region,
            name: &document.inputs.cloud_watch_log_group_name,
        };
        let group = ssm.store.log_group(at).await.map_err(internal)?;
        let wrong = match group {
            None => Some("there is no log group"),
            Some(group) if document.inputs.cloud_watch_encryption_enabled && group.key.kms_key.is_none() => {
                Some("no key is associated with log group")
            }
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            return Err(refused(Requirement::LogGroup, format!("{wrong} {}", at.name)));
        }
    }
    Ok(())
}

fn check(floor: &Floor, start: &SessionStart, reason: Option<&str>) -> Result<(), AwsError> {
    let checked = floor.check(&start.document, reason);
    checked.map_err(|below| AwsError::new("AccessDeniedException", sentence(&start.document_name, &below)))
}

fn sentence(name: &str, below: &BelowFloor) -> String {
    format!("Document {name} is {below}.")
}

#[cfg(test)]
mod tests;
