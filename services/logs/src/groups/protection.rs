//! `PutLogGroupDeletionProtection`: whether a group can be deleted.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::LogGroupChange;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, no_group};
use crate::name::on_group;
use crate::{Logs, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "PutLogGroupDeletionProtection",
    action: "logs:PutLogGroupDeletionProtection",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(put(logs, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_identifier: String,
    deletion_protection_enabled: bool,
}

async fn put(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let group = logs.group(&caller, &input.log_group_identifier).await?;
    let change = LogGroupChange::Protection(input.deletion_protection_enabled);
    match logs.store.change_log_group(group.id, change).await {
        Ok(true) => Ok(json!({})),
        Ok(false) => Err(no_group()),
        Err(error) => Err(internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn a_protected_group_keeps_itself_and_its_streams() {
        let house = House::with_stream("group", "stream").await;
        let protect =
            |is_on: bool| json!({"logGroupIdentifier": "group", "deletionProtectionEnabled": is_on});
        house.done("PutLogGroupDeletionProtection", protect(true)).await;
        let group = json!({"logGroupName": "group"});
        let stream = json!({"logGroupName": "group", "logStreamName": "stream"});
        for (operation, input) in [("DeleteLogGroup", &group), ("DeleteLogStream", &stream)] {
            let refused = [(input.clone(), "ValidationException")];
            house.refuses(operation, &refused).await;
        }
        house.done("PutLogGroupDeletionProtection", protect(false)).await;
        house.done("DeleteLogStream", stream).await;
        house.done("DeleteLogGroup", group).await;
        let gone = [(protect(true), "ResourceNotFoundException")];
        house.refuses("PutLogGroupDeletionProtection", &gone).await;
    }
}
