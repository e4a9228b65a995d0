//! `CreateControlChannel`: `POST /v1/control-channel/<instance id>`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Needs, Operation, Resource, SignedWith};
use drawbridge_store::TokenBinding;
use serde_json::Value;

use crate::{SsmMessages, access_denied, calling_node};

pub(crate) const OPERATION: Operation<SsmMessages, AwsError> = Operation {
    name: "CreateControlChannel",
    action: "ssmmessages:CreateControlChannel",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::OFF,
    handler: |service, call| Box::pin(create(service, call)),
};

fn needs(caller: &Caller, input: &Value) -> Needs {
    let node = input["InstanceId"].as_str().unwrap_or_default();
    Resource::message_channel(&caller.region, &caller.account, node).into()
}

async fn create(service: Arc<SsmMessages>, call: Call) -> Result<Value, AwsError> {
    let node = calling_node(&call)?;
    let (_, _, input) = call.into_parts();
    // The decision compared them already; this line is what the token is bound by.
    if input["InstanceId"] != node.as_str() {
        return Err(access_denied(format!(
            "{node} may open its own control channel only"
        )));
    }
    service.grant(TokenBinding::ControlChannel { node }).await
}
