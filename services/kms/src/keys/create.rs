//! `CreateKey`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, KeyId, Need, Needs, Resource, SignedWith};
use drawbridge_store::{CreateKeyError, Key, KeyManager, KeyState, MaterialCause};
use serde::Deserialize;
use serde_json::{Value, json};

use super::describe::Metadata;
use crate::error::{internal, unsupported};
use crate::policies::check;
use crate::{Kms, Operation, input, material, needs, policies, tags};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateKey",
    action: "kms:CreateKey",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE,
    handler: |kms, call| Box::pin(create(kms, call)),
};

const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    policy: Option<String>,
    #[serde(default)]
    description: String,
    key_usage: Option<String>,
    customer_master_key_spec: Option<String>,
    key_spec: Option<String>,
    origin: Option<String>,
    custom_key_store_id: Option<String>,
    xks_key_id: Option<String>,
    #[serde(default)]
    multi_region: bool,
    #[serde(default)]
    bypass_policy_lockout_safety_check: bool,
}

fn needs(_: &Caller, input: &Value) -> Needs {
    let or = |member: &str, default: &str| match input::text(input, member) {
        "" => default.to_owned(),
        given => given.to_owned(),
    };
    let spec = or("KeySpec", &or("CustomerMasterKeySpec", SYMMETRIC));
    let tags = input::tags(input);
    let create = needs::with_bypass(Need::on(Resource::any()), input)
        .with("kms:KeySpec", spec)
        .with("kms:KeyUsage", or("KeyUsage", "ENCRYPT_DECRYPT"))
        .with("kms:KeyOrigin", or("Origin", "AWS_KMS"))
        .with("kms:MultiRegion", input::flag(input, "MultiRegion").to_string())
        .with_request_tags(&tags);
    if tags.is_empty() {
        return create.into();
    }
    let tag = Need::also("kms:TagResource", Resource::any()).with_request_tags(&tags);
    vec![create, tag].into()
}

async fn create(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let tags = input::tags(&input);
    let input: Input = input::read(input)?;
    check_kind(&input)?;
    tags::check(&tags)?;
    let (now, random) = (kms.clock.now(), kms.random.as_ref());
    let id = KeyId::generate(random);
    let material = material::draw(&id, MaterialCause::Creation, now, &kms.root, random);
    let mut key = Key {
        id,
        account: caller.account.clone(),
        region: caller.region.clone(),
        manager: KeyManager::Customer,
        state: KeyState::Enabled,
        description: input.description,
        policy: policies::default_policy(&caller.account),
        created_at: now,
        rotation: None,
        material: material.id,
        revision: 0,
    };
    if let Some(policy) = input.policy {
        let bypass = input.bypass_policy_lockout_safety_check;
        check::check(&kms, &caller, &key, &policy, bypass).await?;
        key.policy = policy;
    }
    match kms.store.create_key(&key, &material, &tags, None).await {
        Ok(()) => {}
        Err(error @ CreateKeyError::TooMany) => {
            return Err(AwsError::new("LimitExceededException", error.to_string()));
        }
        Err(error @ (CreateKeyError::AliasExists | CreateKeyError::Store(_))) => return Err(internal(error)),
    }
    tracing::info!(
        key.id = %key.id,
        principal.id = caller.principal.user_id(),
        "key created"
    );
    Ok(json!({"KeyMetadata": input::write(&Metadata::of(&key))?}))
}

/// There is one kind of keys here: symmetric ones, of material that is made here.
fn check_kind(input: &Input) -> Result<(), AwsError> {
    let spec = match (&input.key_spec, &input.customer_master_key_spec) {
        (Some(one), Some(other)) if one != other => {
            return Err(AwsError::validation(
                "KeySpec and CustomerMasterKeySpec are two names of one thing and must agree.",
            ));
        }
        (Some(spec), _) | (None, Some(spec)) => spec,
        (None, None) => SYMMETRIC,
    };
    if spec != SYMMETRIC {
        return Err(unsupported(&format!("The key spec {spec}")));
    }
    if let Some(usage) = input
        .key_usage
        .as_deref()
        .filter(|usage| *usage != "ENCRYPT_DECRYPT")
    {
        return Err(unsupported(&format!("The key usage {usage}")));
    }
    if let Some(origin) = input.origin.as_deref().filter(|origin| *origin != "AWS_KMS") {
        return Err(unsupported(&format!("Key material of the origin {origin}")));
    }
    if input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
        return Err(unsupported("A custom key store"));
    }
    if input.multi_region {
        return Err(unsupported("A multi-region key"));
    }
    Ok(())
}
