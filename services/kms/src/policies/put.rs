//! `PutKeyPolicy`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DEFAULT, check};
use crate::error::{unchanged, unsupported};
use crate::{Kms, Operation, input, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "PutKeyPolicy",
    action: "kms:PutKeyPolicy",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| needs::with_bypass(needs::key(caller, input), input).into(),
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(put(kms, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    policy_name: Option<String>,
    policy: String,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
}

async fn put(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    let input: Input = input::read(input)?;
    if let Some(name) = input.policy_name.as_deref().filter(|name| *name != DEFAULT) {
        return Err(unsupported(&format!("The policy name {name}")));
    }
    let mut key = kms.own(&caller, &allowed, 0).await?;
    let bypass = input.bypass_policy_lockout_safety_check;
    check::check(&kms, &caller, &key, &input.policy, bypass).await?;
    key.policy = input.policy;
    kms.store.change_key(&key, None).await.map_err(unchanged)?;
    tracing::info!(
        key.id = %key.id,
        principal.id = caller.principal.user_id(),
        "key policy changed"
    );
    Ok(json!({}))
}
