//! `EnableKeyRotation` and `DisableKeyRotation`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{Key, Rotation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{answer, unchanged, unusable};
use crate::{Kms, Operation, input, needs};

pub(crate) const ENABLE: Operation = Operation {
    name: "EnableKeyRotation",
    action: "kms:EnableKeyRotation",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let need = needs::key(caller, input);
        match input.get("RotationPeriodInDays").and_then(Value::as_u64) {
            Some(days) => need.with("kms:RotationPeriodInDays", days.to_string()).into(),
            None => need.into(),
        }
    },
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(enable(kms, call)),
};

pub(crate) const DISABLE: Operation = Operation {
    name: "DisableKeyRotation",
    action: "kms:DisableKeyRotation",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(disable(kms, call)),
};

/// Days from one rotation to the next where nobody has said.
const DEFAULT_DAYS: u16 = 365;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    rotation_period_in_days: Option<u16>,
}

async fn enable(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = enabled_key(&kms, &call).await?;
    let (_, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let before = key.rotation.map(|rotation| rotation.period_days);
    let days = input.rotation_period_in_days.or(before).unwrap_or(DEFAULT_DAYS);
    // Asked for once more without a change, the date stays.
    if before == Some(days) {
        return Ok(json!({}));
    }
    let rotation = Some(Rotation::after(kms.clock.now(), days));
    store(&kms, Key { rotation, ..key }).await
}

async fn disable(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = enabled_key(&kms, &call).await?;
    store(
        &kms,
        Key {
            rotation: None,
            ..key
        },
    )
    .await
}

async fn enabled_key(kms: &Kms, call: &Call) -> Result<Key, AwsError> {
    let key = kms.own(call.caller(), call.allowed(), 0).await?;
    key.usable().map_err(|wrong| answer(unusable(&key, wrong)))?;
    Ok(key)
}

async fn store(kms: &Kms, key: Key) -> Result<Value, AwsError> {
    kms.store.change_key(&key, None).await.map_err(unchanged)?;
    Ok(json!({}))
}
