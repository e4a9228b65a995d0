//! `CreateAlias` and `UpdateAlias`: give a name to a key, and give it to another.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, Resource, SignedWith};
use drawbridge_store::{Alias, CreateAliasError, Key};
use serde_json::{Value, json};

use super::{alias, check_name, needs_both, not_found};
use crate::error::{internal, wrong_state};
use crate::{Kms, Operation, input, needs};

pub(crate) const CREATE: Operation = Operation {
    name: "CreateAlias",
    action: "kms:CreateAlias",
    signed_with: SignedWith::AccessKey,
    needs: needs_both,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(create(kms, call)),
};

pub(crate) const UPDATE: Operation = Operation {
    name: "UpdateAlias",
    action: "kms:UpdateAlias",
    signed_with: SignedWith::AccessKey,
    needs: needs_update,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(update(kms, call)),
};

/// The new key, the alias, and the key that has the alias so far.
fn needs_update(caller: &Caller, input: &Value) -> Needs {
    let name = input::text(input, "AliasName");
    let current = Resource::key(&caller.region, &caller.account, name);
    let new = needs::key_at(caller, input, "TargetKeyId");
    vec![new, alias(caller, input), Need::on(current)].into()
}

async fn create(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let alias = wanted(&kms, call).await?;
    match kms.store.create_alias(&alias).await {
        Ok(()) => Ok(json!({})),
        Err(CreateAliasError::Exists) => Err(AwsError::new(
            "AlreadyExistsException",
            format!("An alias with the name {} already exists", alias.arn()),
        )),
        Err(error) => Err(refused(error)),
    }
}

async fn update(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let caller = call.caller().clone();
    let alias = wanted(&kms, call).await?;
    match kms.store.point_alias(&alias).await.map_err(refused)? {
        true => Ok(json!({})),
        false => Err(not_found(&caller, &alias.name)),
    }
}

/// Reads which alias a key is to have.
async fn wanted(kms: &Kms, call: Call) -> Result<Alias, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    let name = check_name(input::text(&input, "AliasName"))?;
    if input::text(&input, "TargetKeyId").contains("alias/") {
        return Err(AwsError::validation(
            "Aliases must refer to keys, not to aliases.",
        ));
    }
    let key: Key = kms.own(&caller, &allowed, 0).await?;
    key.changeable().map_err(|wrong| wrong_state(&key, wrong))?;
    let now = kms.clock.now();
    Ok(Alias {
        account: caller.account.clone(),
        region: caller.region.clone(),
        name: name.to_owned(),
        key: key.id,
        created_at: now,
        updated_at: now,
    })
}

fn refused(error: CreateAliasError) -> AwsError {
    match error {
        CreateAliasError::TooMany => AwsError::new("LimitExceededException", error.to_string()),
        CreateAliasError::NoKey => AwsError::new("NotFoundException", error.to_string()),
        CreateAliasError::Exists | CreateAliasError::Store(_) => internal(error),
    }
}
