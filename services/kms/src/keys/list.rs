//! `ListKeys`: the keys of the caller's account and region.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, KeyId, Resource, SignedWith};
use serde_json::{Value, json};

use crate::error::internal;
use crate::page::Paging;
use crate::{Kms, Operation, input};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "kms:ListKeys",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |kms, call| Box::pin(list(kms, call)),
};

const NAME: &str = "ListKeys";

async fn list(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let page = input::read::<Paging>(input)?.page(NAME)?;
    let (account, region) = (&caller.account, &caller.region);
    let found = kms
        .store
        .key_ids(account, region, page.after(), page.wanted())
        .await;
    let arn = |id: &KeyId| format!("arn:aws:kms:{region}:{account}:key/{id}");
    Ok(page.answer(
        "Keys",
        found.map_err(internal)?,
        ToString::to_string,
        |id| json!({"KeyId": id, "KeyArn": arn(id)}),
    ))
}
