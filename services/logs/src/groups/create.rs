//! `CreateLogGroup`: makes a group.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, Resource, SignedWith};
use drawbridge_store::{CreateLogGroupError, LogGroupAt, LogGroupClass, NewLogGroup};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, invalid_parameter};
use crate::name::named;
use crate::tags::{self, TagMap};
use crate::{Logs, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateLogGroup",
    action: "logs:CreateLogGroup",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE,
    handler: |logs, call| Box::pin(create(logs, call)),
};

fn needs(caller: &Caller, input: &Value) -> Needs {
    let group = Resource::at(&format!("{}:log-stream:", named(caller, input)));
    let tags = tags::asked(input);
    let mut needs = vec![Need::on(group.clone()).with_request_tags(&tags)];
    // Whoever gives tags needs to be allowed to tag, as on AWS.
    if !tags.is_empty() {
        needs.push(Need::also("logs:TagResource", group).with_request_tags(&tags));
    }
    needs.into()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    log_group_name: String,
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: TagMap,
    log_group_class: Option<String>,
    #[serde(default)]
    deletion_protection_enabled: bool,
}

async fn create(logs: Arc<Logs>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    if input.log_group_name.starts_with("aws/") {
        return Err(invalid_parameter("Log groups starting with aws/ are reserved."));
    }
    let class = match &input.log_group_class {
        Some(word) => word.parse().map_err(internal)?,
        None => LogGroupClass::Standard,
    };
    let tags = tags::checked(&input.tags)?;
    let at = LogGroupAt {
        account: &caller.account,
        region: &caller.region,
        name: &input.log_group_name,
    };
    // Told before a key is used, and again by the store if another one was faster.
    if logs.store.log_group(at).await.map_err(internal)?.is_some() {
        return Err(exists());
    }
    let key = logs.draw_key(&caller, at, input.kms_key_id.as_deref()).await?;
    let new = NewLogGroup {
        at,
        class,
        created_at: logs.clock.now(),
        is_protected: input.deletion_protection_enabled,
        key: &key,
        tags: &tags,
    };
    match logs.store.create_log_group(new).await {
        Ok(()) => Ok(json!({})),
        Err(CreateLogGroupError::Exists) => Err(exists()),
        Err(CreateLogGroupError::TooMany) => Err(AwsError::new(
            "LimitExceededException",
            "Resource limit exceeded.",
        )),
        Err(CreateLogGroupError::Store(error)) => Err(internal(error)),
    }
}

fn exists() -> AwsError {
    AwsError::new(
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
}
