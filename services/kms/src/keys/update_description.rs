//! `UpdateKeyDescription`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{unchanged, wrong_state};
use crate::{Kms, Operation, input, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateKeyDescription",
    action: "kms:UpdateKeyDescription",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(update(kms, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    description: String,
}

async fn update(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let mut key = kms.own(call.caller(), call.allowed(), 0).await?;
    let (_, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    key.changeable().map_err(|wrong| wrong_state(&key, wrong))?;
    key.description = input.description;
    kms.store.change_key(&key, None).await.map_err(unchanged)?;
    Ok(json!({}))
}
