//! `GetKeyPolicy` and `ListKeyPolicies`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde_json::{Value, json};

use super::DEFAULT;
use crate::{Kms, Operation, input, needs};

pub(crate) const GET: Operation = Operation {
    name: "GetKeyPolicy",
    action: "kms:GetKeyPolicy",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::READ,
    handler: |kms, call| Box::pin(get(kms, call)),
};

pub(crate) const LIST: Operation = Operation {
    name: "ListKeyPolicies",
    action: "kms:ListKeyPolicies",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::READ,
    handler: |kms, call| Box::pin(list(kms, call)),
};

async fn get(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms.own(call.caller(), call.allowed(), 0).await?;
    let (_, _, input) = call.into_parts();
    let name = input::text(&input, "PolicyName");
    if !name.is_empty() && name != DEFAULT {
        return Err(AwsError::new(
            "NotFoundException",
            format!("No policy {name} exists."),
        ));
    }
    Ok(json!({"Policy": key.policy, "PolicyName": DEFAULT}))
}

async fn list(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    kms.own(call.caller(), call.allowed(), 0).await?;
    Ok(json!({"PolicyNames": [DEFAULT], "Truncated": false}))
}
