//! `ListGrants` and `ListRetirableGrants`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Resource, SignedWith};
use drawbridge_store::Grant;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::Constraints;
use crate::error::{answer, internal};
use crate::page::Paging;
use crate::{Kms, Operation, input, needs, wire};

pub(crate) const OF_KEY: Operation = Operation {
    name: OF_KEY_NAME,
    action: "kms:ListGrants",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let need = needs::key(caller, input);
        need.with("kms:GrantIsForAWSResource", "false").into()
    },
    audit: Audit::READ,
    handler: |kms, call| Box::pin(of_key(kms, call)),
};

pub(crate) const RETIRABLE: Operation = Operation {
    name: RETIRABLE_NAME,
    action: "kms:ListRetirableGrants",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |kms, call| Box::pin(retirable(kms, call)),
};

const OF_KEY_NAME: &str = "ListGrants";
const RETIRABLE_NAME: &str = "ListRetirableGrants";

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown<'a> {
    key_id: String,
    grant_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(serialize_with = "wire::epoch")]
    creation_date: Timestamp,
    grantee_principal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_principal: Option<&'a str>,
    issuing_account: String,
    operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<Constraints>,
}

async fn of_key(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    let (id, grantee) = (
        input::text(&input, "GrantId").to_owned(),
        input::text(&input, "GranteePrincipal").to_owned(),
    );
    let page = input::read::<Paging>(input)?.page(OF_KEY_NAME)?;
    let mut grants = kms.store.grants(&key.id).await.map_err(internal)?;
    grants.retain(|grant| {
        (id.is_empty() || grant.id == id) && (grantee.is_empty() || grant.grantee == grantee)
    });
    let grants = page.cut(grants, |grant| grant.id.clone());
    let arn = key.arn();
    Ok(page.answer(
        "Grants",
        grants,
        |grant| grant.id.clone(),
        |grant| shown(grant, &arn),
    ))
}

async fn retirable(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let principal = input::text(&input, "RetiringPrincipal").to_owned();
    // What principals of other accounts may do is theirs to ask.
    if principal.split(':').nth(4) != Some(caller.account.as_str()) {
        return Err(AwsError::new(
            "InvalidArnException",
            format!("{principal} is not the ARN of a principal in this account."),
        ));
    }
    let page = input::read::<Paging>(input)?.page(RETIRABLE_NAME)?;
    let found = kms
        .store
        .retirable_grants(&principal, &caller.region, page.after(), page.wanted())
        .await;
    let mut grants = Vec::new();
    for grant in found.map_err(internal)? {
        if let Some(key) = kms.store.key(&grant.key).await.map_err(internal)? {
            grants.push((grant, key.arn()));
        }
    }
    Ok(page.answer(
        "Grants",
        grants,
        |(grant, _)| grant.id.clone(),
        |(grant, arn)| shown(grant, arn),
    ))
}

fn shown(grant: &Grant, key_arn: &str) -> Value {
    let shown = Shown {
        key_id: key_arn.to_owned(),
        grant_id: &grant.id,
        name: grant.name.as_deref(),
        creation_date: grant.created_at,
        grantee_principal: &grant.grantee,
        retiring_principal: grant.retiring.as_deref(),
        issuing_account: format!("arn:aws:iam::{}:root", grant.issuer),
        operations: grant.operations.iter().map(|it| it.as_str()).collect(),
        constraints: grant.constraint.as_ref().map(Constraints::of),
    };
    input::write(&shown).unwrap_or_default()
}
