//! `CreateGrant`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::policy::{Policy, PolicyKind};
use drawbridge_session::{Audit, Call, Caller, Needs, RandomArray as _, SignedWith};
use drawbridge_store::{CreateGrantError, Grant, GrantConstraint, GrantOperation, principal_exists};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Constraints, token};
use crate::error::{answer, dry_run, internal, unusable};
use crate::{Kms, Operation, context, input, needs};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateGrant",
    action: "kms:CreateGrant",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE.hiding(&["GrantToken", "GrantTokens"]),
    handler: |kms, call| Box::pin(create(kms, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    grantee_principal: String,
    retiring_principal: Option<String>,
    operations: Vec<String>,
    #[serde(default)]
    constraints: Constraints,
    name: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

fn needs(caller: &Caller, input: &Value) -> Needs {
    let mut need = needs::key(caller, input).with("kms:GrantIsForAWSResource", "false");
    for operation in input::texts(input, "Operations") {
        need = need.with("kms:GrantOperations", operation);
    }
    for (member, fact) in [
        ("GranteePrincipal", "kms:GranteePrincipal"),
        ("RetiringPrincipal", "kms:RetiringPrincipal"),
    ] {
        let principal = input::text(input, member);
        if !principal.is_empty() {
            need = need.with(fact, principal);
        }
    }
    if let Some(constraint) = constraint(input) {
        let kind = match constraint {
            GrantConstraint::Equals(_) => "EncryptionContextEquals",
            GrantConstraint::Subset(_) => "EncryptionContextSubset",
        };
        // Whoever makes a grant by the right of another gives it the same constraint.
        need = need
            .with("kms:GrantConstraintType", kind)
            .with("drawbridge:GrantConstraint", constraint.to_string());
    }
    need.into()
}

fn constraint(input: &Value) -> Option<GrantConstraint> {
    let constraints = Constraints::deserialize(input.get("Constraints")?).ok()?;
    constraints.read().ok().flatten()
}

async fn create(kms: Arc<Kms>, call: Call) -> Result<Value, AwsError> {
    let (caller, allowed, input) = call.into_parts();
    token::check_all(&kms, &input)?;
    let input: Input = input::read(input)?;
    let constraint = input.constraints.read()?;
    if let Some(GrantConstraint::Equals(pairs) | GrantConstraint::Subset(pairs)) = &constraint {
        context::check_constraint(pairs)?;
    }
    for principal in std::iter::once(&input.grantee_principal).chain(&input.retiring_principal) {
        check_principal(&kms, principal)?;
    }
    let key = kms.decided(&caller, &allowed, 0).await.map_err(answer)?;
    key.usable().map_err(|wrong| answer(unusable(&key, wrong)))?;
    let grant = Grant {
        id: hex::encode(kms.random.array::<32>()),
        key: key.id.clone(),
        name: input.name,
        grantee: input.grantee_principal,
        retiring: input.retiring_principal,
        issuer: caller.account.clone(),
        operations: operations(&input.operations)?,
        constraint,
        created_at: kms.clock.now(),
    };
    if input.dry_run {
        return Err(dry_run());
    }
    let id = match named_twin(&kms, &grant).await? {
        Some(id) => id,
        None => {
            kms.store.create_grant(&grant).await.map_err(refused)?;
            tracing::info!(
                key.id = %key.id,
                grant.id = grant.id,
                principal.id = caller.principal.user_id(),
                "grant created"
            );
            grant.id
        }
    };
    let token = token::make(&kms.root, &key.arn(), &id);
    Ok(json!({"GrantId": id, "GrantToken": token}))
}

/// A grant with a name is made once, however often it is asked for.
async fn named_twin(kms: &Kms, wanted: &Grant) -> Result<Option<String>, AwsError> {
    if wanted.name.is_none() {
        return Ok(None);
    }
    let grants = kms.store.grants(&wanted.key).await.map_err(internal)?;
    let twin = grants.into_iter().find(|grant| {
        let same = Grant {
            id: grant.id.clone(),
            created_at: grant.created_at,
            ..wanted.clone()
        };
        same == *grant
    });
    Ok(twin.map(|grant| grant.id))
}

fn operations(names: &[String]) -> Result<Vec<GrantOperation>, AwsError> {
    let mut operations = Vec::new();
    for name in names {
        let operation: GrantOperation = name.parse().map_err(|error| {
            AwsError::validation(format!("The operation {name} cannot be granted: {error}."))
        })?;
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
    if operations.is_empty() {
        return Err(AwsError::validation("A grant allows one operation at least."));
    }
    Ok(operations)
}

/// Refuses what is not the ARN of a principal, or of one that is not there.
fn check_principal(kms: &Kms, arn: &str) -> Result<(), AwsError> {
    let statement = json!({"Statement": {
        "Effect": "Allow", "Principal": {"AWS": arn}, "Action": "kms:Decrypt", "Resource": "*",
    }});
    let is_principal = Policy::parse(&statement.to_string(), PolicyKind::Resource).is_ok();
    // The root of an account is there with the account.
    let is_there = arn.ends_with(":root") || principal_exists(kms.store.as_ref(), arn);
    if arn.starts_with("arn:") && is_principal && is_there {
        return Ok(());
    }
    Err(AwsError::new(
        "InvalidArnException",
        format!("{arn} is not the ARN of a principal that exists."),
    ))
}

fn refused(error: CreateGrantError) -> AwsError {
    match error {
        CreateGrantError::TooMany => AwsError::new("LimitExceededException", error.to_string()),
        CreateGrantError::NoKey => AwsError::new("NotFoundException", error.to_string()),
        CreateGrantError::Store(error) => internal(error),
    }
}
