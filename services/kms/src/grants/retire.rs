//! `RetireGrant`: ends a grant, for those whom it names for that.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, Resource, SignedWith};
use serde_json::{Value, json};

use super::{find, token};
use crate::error::{answer, dry_run, internal};
use crate::{Kms, Operation, input, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "RetireGrant",
    action: "kms:RetireGrant",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE.hiding(&["GrantToken"]),
    handler: |kms, call| Box::pin(retire(kms, call)),
};

/// Who names no grant gets to the handler, which finds none.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let (key, grant) = match input::text(input, "GrantToken") {
        "" if input::text(input, "KeyId").is_empty() => return Needs::Signature,
        "" => (
            needs::resource(caller, input, "KeyId"),
            input::text(input, "GrantId").to_owned(),
        ),
        text => match token::read(text) {
            Some(named) => (Resource::at(&named.key_arn), named.grant),
            None => return Needs::Signature,
        },
    };
    // Its own grant lets a principal retire that grant only.
    Need::on(key).with("drawbridge:Grant", grant).into()
}

async fn retire(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    let id = match (input::text(&input, "GrantToken"), input::text(&input, "GrantId")) {
        ("", "") => {
            return Err(AwsError::validation(
                "A grant token, or a key and a grant id, is required.",
            ));
        }
        ("", id) => id.to_owned(),
        (text, "") => token::check(&kms.root, text)?.grant,
        (_, _) => {
            return Err(AwsError::validation(
                "A grant token or a grant id is to be given, not both.",
            ));
        }
    };
    let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    let grant = find(&kms, &key, &id).await?;
    if input::flag(&input, "DryRun") {
        return Err(dry_run());
    }
    kms.store.remove_grant(&grant.id).await.map_err(internal)?;
    tracing::info!(
        key.id = %key.id,
        grant.id = grant.id,
        principal.id = caller.principal.user_id(),
        "grant retired"
    );
    Ok(json!({}))
}
