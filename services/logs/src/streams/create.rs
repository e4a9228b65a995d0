//! `CreateLogStream`: makes a stream in a group.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::CreateLogStreamError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, no_group};
use crate::name::on_stream;
use crate::{Logs, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateLogStream",
    action: "logs:CreateLogStream",
    signed_with: SignedWith::AccessKey,
    needs: on_stream,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(create(logs, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: String,
    log_stream_name: String,
}

async fn create(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let group = logs.group(&caller, &input.log_group_name).await?;
    let created = logs
        .store
        .create_log_stream(group.id, &input.log_stream_name, logs.clock.now())
        .await;
    match created {
        Ok(()) => Ok(json!({})),
        Err(CreateLogStreamError::Exists) => Err(AwsError::new(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        )),
        Err(CreateLogStreamError::NoGroup) => Err(no_group()),
        Err(CreateLogStreamError::Store(error)) => Err(internal(error)),
    }
}
