//! `DeleteAlias`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Need, Resource, SignedWith};
use drawbridge_store::provided;
use serde_json::{Value, json};

use super::{alias, check_form, not_found};
use crate::error::internal;
use crate::{Kms, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeleteAlias",
    action: "kms:DeleteAlias",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let name = input::text(input, "AliasName");
        let key = Resource::key(&caller.region, &caller.account, name);
        vec![Need::on(key), alias(caller, input)].into()
    },
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(delete(kms, call)),
};

async fn delete(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let name = input::text(&input, "AliasName");
    check_form(name)?;
    // The server's own would be made again with another key at their next use.
    if name.starts_with(provided::PREFIX) {
        return Err(not_found(&caller, name));
    }
    let removed = kms
        .store
        .remove_alias(&caller.account, &caller.region, name)
        .await;
    match removed.map_err(internal)? {
        true => Ok(json!({})),
        false => Err(not_found(&caller, name)),
    }
}
