//! `RevokeGrant`: ends a grant, for those who administer the key.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde_json::{Value, json};

use super::find;
use crate::error::{answer, dry_run, internal};
use crate::{Kms, Operation, input, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "RevokeGrant",
    action: "kms:RevokeGrant",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let need = needs::key(caller, input);
        need.with("kms:GrantIsForAWSResource", "false").into()
    },
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(revoke(kms, call)),
};

async fn revoke(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    let grant = find(&kms, &key, input::text(&input, "GrantId")).await?;
    if input::flag(&input, "DryRun") {
        return Err(dry_run());
    }
    kms.store.remove_grant(&grant.id).await.map_err(internal)?;
    tracing::info!(
        key.id = %key.id,
        grant.id = grant.id,
        principal.id = caller.principal.user_id(),
        "grant revoked"
    );
    Ok(json!({}))
}
