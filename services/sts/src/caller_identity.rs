//! `GetCallerIdentity`: tells a caller who they are; it needs a signature and no permission.

use drawbridge_session::{Audit, Needs, SignedWith};
use serde_json::json;

use crate::Operation;

pub(crate) const OPERATION: Operation = Operation {
    name: "GetCallerIdentity",
    action: "sts:GetCallerIdentity",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Needs::Signature,
    audit: Audit::READ,
    handler: |_, call| {
        let principal = call.caller().principal.clone();
        Box::pin(async move {
            Ok(json!({
                "UserId": principal.user_id(),
                "Account": principal.account(),
                "Arn": principal.arn(),
            }))
        })
    },
};
