//! `DeleteLogGroup`: removes a group with its streams and events.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::LogGroup;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, no_group};
use crate::name::on_group;
use crate::{Logs, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeleteLogGroup",
    action: "logs:DeleteLogGroup",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(delete(logs, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: String,
}

async fn delete(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { log_group_name } = input::read(input)?;
    let group = logs.group(&caller, &log_group_name).await?;
    refuse_protected(&group)?;
    let removed = logs.store.remove_log_group(group.at()).await;
    match removed.map_err(internal)? {
        true => Ok(json!({})),
        false => Err(no_group()),
    }
}

/// Refuses to delete a protected group, or what is in it.
pub(crate) fn refuse_protected(group: &LogGroup) -> Result<(), AwsError> {
    if group.is_protected {
        return Err(AwsError::validation(format!(
            "The log group {} cannot be deleted, nor can its streams: deletion protection is enabled.",
            group.name
        )));
    }
    Ok(())
}
