//! `EnableKey` and `DisableKey`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::Key;
use drawbridge_store::keyring::WrongState;
use serde_json::{Value, json};

use crate::{Kms, Operation, needs};

pub(crate) const ENABLE: Operation = Operation {
    name: "EnableKey",
    action: "kms:EnableKey",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(switch(kms, call, Key::enable)),
};

pub(crate) const DISABLE: Operation = Operation {
    name: "DisableKey",
    action: "kms:DisableKey",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(switch(kms, call, Key::disable)),
};

async fn switch(
    kms: Arc<Kms>,
    call: Call,
    rule: fn(&mut Key) -> Result<(), WrongState>,
) -> Result<Value, AwsError> {
    let (key, ()) = super::change(&kms, &call, rule).await?;
    tracing::info!(
        key.id = %key.id,
        key.state = key.state.as_str(),
        principal.id = call.caller().principal.user_id(),
        "key changed"
    );
    Ok(json!({}))
}
