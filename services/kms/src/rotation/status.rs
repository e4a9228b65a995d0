//! `GetKeyRotationStatus`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::KeyState;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::error::answer;
use crate::{Kms, Operation, input, needs, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetKeyRotationStatus",
    action: "kms:GetKeyRotationStatus",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::READ,
    handler: |kms, call| Box::pin(status(kms, call)),
};

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    key_id: String,
    key_rotation_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_period_in_days: Option<u16>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "wire::epoch_if_any"
    )]
    next_rotation_date: Option<Timestamp>,
}

async fn status(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms
        .decided(call.caller(), call.allowed(), 0)
        .await
        .map_err(answer)?;
    let arn = key.arn();
    // A key that is about to go is not rotated any more.
    let rotation = match key.state {
        KeyState::Enabled | KeyState::Disabled => key.rotation,
        KeyState::PendingDeletion { .. } => None,
    };
    input::write(&Output {
        key_id: arn,
        key_rotation_enabled: rotation.is_some(),
        rotation_period_in_days: rotation.map(|it| it.period_days),
        next_rotation_date: rotation.map(|it| it.next_at),
    })
}
