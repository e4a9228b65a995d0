//! `AssumeRole`: temporary credentials of a role, for whom its trust policy names.
//!
//! ```text
//! sts:AssumeRole         always                                      the trust policy, or it and an identity policy
//! sts:TagSession         for tags, given or handed on                the trust policy and an identity policy
//! sts:SetSourceIdentity  for a source identity, given or handed on   the trust policy and an identity policy
//! ```

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::iam::Role;
use drawbridge_session::{
    Audit, Call, Caller, EntityName, Need, Needs, Principal, Resource, SessionGrant, SignedWith, Tag,
};
use drawbridge_store::Holder;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{denied, invalid, no_second_factor, read};
use crate::role_arn::RoleArn;
use crate::session_policies::{self, PolicyDescriptor};
use crate::session_tags::SessionTags;
use crate::{Operation, Sts, packing};

pub(crate) const OPERATION: Operation = Operation {
    name: "AssumeRole",
    action: "sts:AssumeRole",
    signed_with: SignedWith::AccessKey,
    needs,
    // The id of the key leads from what is done with it back to whoever asked for it.
    audit: Audit::READ
        .with_answer()
        .hiding(&["SecretAccessKey", "SessionToken"]),
    handler: |sts, call| Box::pin(async move { assume(&sts, call) }),
};

/// How long credentials last where the request does not say, and at most where a role assumes a role.
const HOUR_S: u32 = 3600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    role_arn: String,
    role_session_name: String,
    #[serde(default)]
    policy_arns: Vec<PolicyDescriptor>,
    policy: Option<String>,
    duration_seconds: Option<u32>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    transitive_tag_keys: Vec<String>,
    external_id: Option<String>,
    serial_number: Option<String>,
    token_code: Option<String>,
    source_identity: Option<String>,
    #[serde(default)]
    provided_contexts: Vec<Value>,
}

fn needs(caller: &Caller, input: &Value) -> Needs {
    let text = |member: &str| input.get(member).and_then(Value::as_str);
    let list = |member: &str| input.get(member).and_then(Value::as_array).into_iter().flatten();
    let called = text("RoleArn").unwrap_or_default();
    // What is no role's ARN is refused by the handler, to whoever may assume anything.
    let resource = RoleArn::parse(called).map_or_else(|| Resource::plain(called), |arn| arn.resource());
    let handed_on = SessionTags::inherited(caller.grant.as_deref());
    let source_identity = text("SourceIdentity").or_else(|| source_identity_of(caller));
    let tags: Vec<Tag> = list("Tags")
        .filter_map(|tag| Some(Tag::new(tag.get("Key")?.as_str()?, tag.get("Value")?.as_str()?)))
        .collect();
    let transitive: Vec<&str> = list("TransitiveTagKeys").filter_map(Value::as_str).collect();

    let facts = |mut need: Need| {
        for (key, value) in [
            ("sts:RoleSessionName", text("RoleSessionName")),
            ("sts:ExternalId", text("ExternalId")),
            ("sts:SourceIdentity", source_identity),
        ] {
            if let Some(value) = value {
                need = need.with(key, value);
            }
        }
        for key in &transitive {
            need = need.with("sts:TransitiveTagKeys", *key);
        }
        need.with_request_tags(&tags)
    };
    let mut needs = vec![facts(Need::on(resource.clone()))];
    if !tags.is_empty() || !transitive.is_empty() || !handed_on.tags.is_empty() {
        needs.push(facts(Need::also("sts:TagSession", resource.clone())));
    }
    if source_identity.is_some() {
        needs.push(facts(Need::also("sts:SetSourceIdentity", resource)));
    }
    needs.into()
}

fn assume(sts: &Arc<Sts>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let asked: Asked = read(input)?;
    if matches!(caller.principal, Principal::Root { .. }) {
        return Err(denied("Roles may not be assumed by root accounts."));
    }
    let not_valid = || invalid(format!("{} is invalid", asked.role_arn));
    let arn = RoleArn::parse(&asked.role_arn).ok_or_else(not_valid)?;
    // It was there when the trust policy was asked; whoever deleted it since was faster.
    let gone = || denied(&format!("Role {} is not there any more.", asked.role_arn));
    let directory = sts.store.directory(&arn.account).ok_or_else(gone)?;
    let role = directory.role(arn.name).map_err(|_| gone())?;
    if role.arn(directory.account()) != asked.role_arn {
        return Err(gone());
    }
    if asked.serial_number.is_some() || asked.token_code.is_some() {
        return Err(no_second_factor());
    }
    if !asked.provided_contexts.is_empty() {
        return Err(invalid(
            "ProvidedContexts is not supported: no provider of contexts is known",
        ));
    }
    let seconds = duration(asked.duration_seconds, role, &caller)?;
    let now = sts.clock.now();
    let session =
        SessionTags::inherited(caller.grant.as_deref()).with(asked.tags, asked.transitive_tag_keys)?;
    let grant = SessionGrant {
        issued_at: now,
        tags: session.tags,
        transitive_tag_keys: session.transitive_keys,
        policies: session_policies::check(asked.policy, asked.policy_arns, &directory)?,
        source_identity: source_identity(asked.source_identity, &caller)?,
        external_id: asked.external_id,
    };
    let packed = packing::packed_size(&grant)?;

    let becomes = Principal::AssumedRole {
        account: arn.account.clone(),
        role: EntityName::at(role.path.as_str(), role.name.as_str(), role.id.as_str()),
        session_name: asked.role_session_name.clone(),
    };
    let mut answer = json!({
        "AssumedRoleUser": {"AssumedRoleId": becomes.user_id(), "Arn": becomes.arn()},
    });
    if let Some(packed) = packed {
        answer["PackedPolicySize"] = packed.into();
    }
    if let Some(source) = &grant.source_identity {
        answer["SourceIdentity"] = source.as_str().into();
    }
    let holder = Holder::Role {
        account: arn.account,
        id: role.id.as_str().to_owned(),
        session_name: asked.role_session_name,
    };
    answer["Credentials"] = sts.credentials(holder, grant, now, seconds);
    Ok(answer)
}

/// The model has refused less than 900 and more than 43,200 seconds.
fn duration(asked: Option<u32>, role: &Role, caller: &Caller) -> Result<u32, AwsError> {
    let seconds = asked.unwrap_or(HOUR_S);
    // A node, too, acts through a role.
    if caller.principal.role().is_some() && seconds > HOUR_S {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if seconds > role.max_session_duration_s {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

fn source_identity_of(caller: &Caller) -> Option<&str> {
    caller.grant.as_ref()?.source_identity.as_deref()
}

/// Who stands behind a session is said once, by the first of a chain.
fn source_identity(asked: Option<String>, caller: &Caller) -> Result<Option<String>, AwsError> {
    match (asked, source_identity_of(caller)) {
        (Some(asked), Some(set)) if asked != set => Err(denied(
            "The source identity is already set for the calling session and cannot be changed.",
        )),
        (asked, set) => Ok(asked.or_else(|| set.map(str::to_owned))),
    }
}
