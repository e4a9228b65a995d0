//! `ScheduleKeyDeletion` and `CancelKeyDeletion`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::Key;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{unchanged, wrong_state};
use crate::{Kms, Operation, input, needs, wire};

pub(crate) const SCHEDULE: Operation = Operation {
    name: "ScheduleKeyDeletion",
    action: "kms:ScheduleKeyDeletion",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let need = needs::key(caller, input);
        let days = window(input).to_string();
        need.with("kms:ScheduleKeyDeletionPendingWindowInDays", days)
            .into()
    },
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(schedule(kms, call)),
};

pub(crate) const CANCEL: Operation = Operation {
    name: "CancelKeyDeletion",
    action: "kms:CancelKeyDeletion",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(cancel(kms, call)),
};

/// Days that a key waits where a request does not say.
const DEFAULT_DAYS: u32 = 30;

/// Days that a key may wait.
const DAYS: std::ops::RangeInclusive<u32> = 7..=30;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    key_id: String,
    #[serde(serialize_with = "wire::epoch")]
    deletion_date: Timestamp,
    key_state: &'static str,
    pending_window_in_days: u32,
}

fn window(input: &Value) -> u32 {
    let days = input.get("PendingWindowInDays").and_then(Value::as_u64);
    days.map_or(DEFAULT_DAYS, |days| u32::try_from(days).unwrap_or(u32::MAX))
}

async fn schedule(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let now = kms.clock.now();
    let (caller, allowed, input) = call.into_parts();
    let days = window(&input);
    if !DAYS.contains(&days) {
        return Err(AwsError::validation(format!(
            "PendingWindowInDays is {days}; it must be from 7 to 30."
        )));
    }
    let mut key = kms.own(&caller, &allowed, 0).await?;
    let at = key
        .schedule_deletion(now, days)
        .map_err(|wrong| wrong_state(&key, wrong))?;
    let stored = kms.store.change_key(&key, None).await;
    stored.map_err(unchanged)?;
    tracing::info!(
        key.id = %key.id,
        key.deletion_date = %at,
        principal.id = caller.principal.user_id(),
        "deletion of a key scheduled"
    );
    input::write(&Output {
        key_id: key.arn(),
        deletion_date: at,
        key_state: key.state.as_str(),
        pending_window_in_days: days,
    })
}

async fn cancel(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (key, ()) = super::change(&kms, &call, Key::cancel_deletion).await?;
    tracing::info!(
        key.id = %key.id,
        principal.id = call.caller().principal.user_id(),
        "deletion of a key canceled"
    );
    Ok(json!({"KeyId": key.arn()}))
}
