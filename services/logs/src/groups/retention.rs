//! `PutRetentionPolicy` and `DeleteRetentionPolicy`: how many days a group keeps its events.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::LogGroupChange;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, invalid_parameter, no_group};
use crate::name::on_group;
use crate::{Logs, Operation, input};

pub(crate) const PUT: Operation = Operation {
    name: "PutRetentionPolicy",
    action: "logs:PutRetentionPolicy",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(put(logs, call)),
};

pub(crate) const DELETE: Operation = Operation {
    name: "DeleteRetentionPolicy",
    action: "logs:DeleteRetentionPolicy",
    signed_with: SignedWith::AccessKey,
    needs: on_group,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(put(logs, call)),
};

/// The numbers of days that AWS documents.
const DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: String,
    /// Not there when the policy is deleted: events are kept for ever then.
    retention_in_days: Option<i64>,
}

async fn put(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let days = input.retention_in_days.map(checked).transpose()?;
    let group = logs.group(&caller, &input.log_group_name).await?;
    let change = LogGroupChange::Retention(days);
    match logs.store.change_log_group(group.id, change).await {
        Ok(true) => Ok(json!({})),
        Ok(false) => Err(no_group()),
        Err(error) => Err(internal(error)),
    }
}

fn checked(days: i64) -> Result<u32, AwsError> {
    let found = DAYS.into_iter().find(|known| i64::from(*known) == days);
    found.ok_or_else(|| {
        let known = DAYS.map(|days| days.to_string()).join(", ");
        invalid_parameter(format!(
            "Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: \
             [{known}]"
        ))
    })
}
