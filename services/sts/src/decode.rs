//! `DecodeAuthorizationMessage`: opens what came with a denial.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Resource, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::read;
use crate::{Operation, Sts, authorization_message};

pub(crate) const OPERATION: Operation = Operation {
    name: "DecodeAuthorizationMessage",
    action: "sts:DecodeAuthorizationMessage",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ.hiding(&["DecodedMessage"]),
    handler: |sts, call| Box::pin(async move { decode(&sts, call) }),
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    encoded_message: String,
}

fn decode(sts: &Arc<Sts>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Asked { encoded_message } = read(input)?;
    match authorization_message::decode(&encoded_message, caller.principal.account(), &sts.root) {
        Some(message) => Ok(json!({"DecodedMessage": message})),
        None => Err(AwsError::new(
            "InvalidAuthorizationMessageException",
            "Message is not valid",
        )),
    }
}
