//! `DeleteLogStream`: removes a stream with its events.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, no_stream};
use crate::groups::delete::refuse_protected;
use crate::name::on_stream;
use crate::{Logs, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeleteLogStream",
    action: "logs:DeleteLogStream",
    signed_with: SignedWith::AccessKey,
    needs: on_stream,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(delete(logs, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: String,
    log_stream_name: String,
}

async fn delete(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let group = logs.group(&caller, &input.log_group_name).await?;
    refuse_protected(&group)?;
    let removed = logs
        .store
        .remove_log_stream(group.id, &input.log_stream_name)
        .await;
    match removed.map_err(internal)? {
        true => Ok(json!({})),
        false => Err(no_stream()),
    }
}
