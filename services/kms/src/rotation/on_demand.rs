//! `RotateKeyOnDemand`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::MaterialCause;
use serde_json::{Value, json};

use crate::error::{answer, internal, unchanged, unusable};
use crate::{Kms, Operation, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "RotateKeyOnDemand",
    action: "kms:RotateKeyOnDemand",
    signed_with: SignedWith::AccessKey,
    needs: needs::just_key,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(rotate(kms, call)),
};

/// How often one key is rotated on demand (KMS's documented quota).
const MOST: usize = 25;

async fn rotate(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let key = kms.own(call.caller(), call.allowed(), 0).await?;
    key.usable().map_err(|wrong| answer(unusable(&key, wrong)))?;
    let materials = kms.store.key_materials(&key.id).await.map_err(internal)?;
    let on_demand = materials.iter().filter(|it| it.cause == MaterialCause::OnDemand);
    if on_demand.count() >= MOST {
        return Err(AwsError::new(
            "LimitExceededException",
            format!("A key is rotated on demand at most {MOST} times."),
        ));
    }
    let (id, arn) = (key.id.clone(), key.arn());
    let rotated = kms.rotate(key, MaterialCause::OnDemand).await;
    rotated.map_err(unchanged)?;
    tracing::info!(
        key.id = %id,
        principal.id = call.caller().principal.user_id(),
        "key rotated"
    );
    Ok(json!({ "KeyId": arn }))
}
