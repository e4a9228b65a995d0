//! `GetSessionToken`: temporary credentials of a user or root, for whatever should not hold the lasting ones.
//!
//! It needs no permission, as on AWS: it is there to prove a second factor. What its credentials are good for is said
//! by the policy `session-token.json` of the policy engine.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Needs, Principal, SessionGrant, SignedWith};
use drawbridge_store::Holder;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{denied, no_second_factor, read};
use crate::{Operation, Sts};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetSessionToken",
    action: "sts:GetSessionToken",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Needs::Signature,
    audit: Audit::READ
        .with_answer()
        .hiding(&["SecretAccessKey", "SessionToken"]),
    handler: |sts, call| Box::pin(async move { give(&sts, call) }),
};

/// How long a user's credentials last where the request does not say.
const DEFAULT_S: u32 = 43_200;

/// The longest that a root's credentials last; a request for more is cut.
const ROOT_MAX_S: u32 = 3600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    duration_seconds: Option<u32>,
    serial_number: Option<String>,
    token_code: Option<String>,
}

fn give(sts: &Arc<Sts>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let asked: Asked = read(input)?;
    let of_session = || denied("Cannot call GetSessionToken with session credentials");
    if caller.grant.is_some() {
        return Err(of_session());
    }
    let seconds = asked.duration_seconds.unwrap_or(DEFAULT_S);
    let (holder, seconds) = match caller.principal {
        Principal::User { account, user } => (Holder::User { account, id: user.id }, seconds),
        Principal::Root { account } => (Holder::Root { account }, seconds.min(ROOT_MAX_S)),
        Principal::AssumedRole { .. }
        | Principal::Node { .. }
        | Principal::Service { .. }
        | Principal::Anonymous { .. } => {
            return Err(of_session());
        }
    };
    if asked.serial_number.is_some() || asked.token_code.is_some() {
        return Err(no_second_factor());
    }
    let now = sts.clock.now();
    Ok(json!({"Credentials": sts.credentials(holder, SessionGrant::plain(now), now, seconds)}))
}
