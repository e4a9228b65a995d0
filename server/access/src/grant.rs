//! Grants of keys, as policies that stand beside the key's own.
//!
//! A grant's conditions are written in the version of the policy language that has no variables, so that nothing in an
//! encryption context is one.

use std::collections::BTreeMap;

use drawbridge_session::policy::{Context, NamedPolicy, Policy, PolicyKind};
use drawbridge_store::{Grant, GrantConstraint, GrantOperation};
use serde_json::{Map, Value, json};

/// The keys of a request's encryption context, in the case in which they came.
const CONTEXT_KEYS: &str = "kms:EncryptionContextKeys";

/// Writes a grant as the policy that it comes to for a request with these facts.
pub(crate) fn as_policy(grant: &Grant, facts: &Context) -> Option<NamedPolicy> {
    let mut statements = Vec::new();
    let (bound, free): (Vec<_>, Vec<_>) = grant
        .operations
        .iter()
        .copied()
        .filter(|operation| *operation != GrantOperation::RetireGrant)
        .partition(|operation| operation.has_context());
    if !bound.is_empty() && has_keys(grant, facts) {
        statements.push(statement(grant, &grant.grantee, &bound, context_condition(grant)));
    }
    for operation in free {
        let condition = match operation {
            GrantOperation::CreateGrant => child_condition(grant),
            _ => json!({}),
        };
        statements.push(statement(grant, &grant.grantee, &[operation], condition));
    }
    for whom in retirers(grant) {
        let this = json!({"StringEquals": {"drawbridge:Grant": grant.id}});
        statements.push(statement(grant, whom, &[GrantOperation::RetireGrant], this));
    }
    if statements.is_empty() {
        return None;
    }
    let text = json!({"Version": "2008-10-17", "Statement": statements}).to_string();
    match Policy::parse(&text, PolicyKind::Resource) {
        Ok(policy) => Some(NamedPolicy::new(format!("grant {}", grant.id), policy)),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, grant = grant.id, "a stored grant cannot be read");
            None
        }
    }
}

fn retirers(grant: &Grant) -> impl Iterator<Item = &str> {
    let grantee = grant
        .operations
        .contains(&GrantOperation::RetireGrant)
        .then_some(grant.grantee.as_str());
    grantee.into_iter().chain(grant.retiring.as_deref())
}

fn statement(grant: &Grant, principal: &str, operations: &[GrantOperation], condition: Value) -> Value {
    let actions: Vec<_> = operations
        .iter()
        .map(|operation| format!("kms:{}", operation.as_str()))
        .collect();
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": actions,
        "Resource": "*",
    });
    if let Some(name) = &grant.name {
        statement["Sid"] = json!(name);
    }
    if condition
        .as_object()
        .is_some_and(|condition| !condition.is_empty())
    {
        statement["Condition"] = condition;
    }
    statement
}

/// Conditions do not tell the case of keys apart; a grant does.
fn has_keys(grant: &Grant, facts: &Context) -> bool {
    let given = facts.values(CONTEXT_KEYS).unwrap_or_default();
    pairs(grant).is_none_or(|pairs| pairs.keys().all(|key| given.contains(key)))
}

fn pairs(grant: &Grant) -> Option<&BTreeMap<String, String>> {
    match grant.constraint.as_ref()? {
        GrantConstraint::Equals(pairs) | GrantConstraint::Subset(pairs) => Some(pairs),
    }
}

fn context_condition(grant: &Grant) -> Value {
    let Some(pairs) = pairs(grant) else {
        return json!({});
    };
    let mut condition = Map::new();
    if !pairs.is_empty() {
        let equal: Map<String, Value> = pairs
            .iter()
            .map(|(key, value)| (format!("kms:EncryptionContext:{key}"), json!(value)))
            .collect();
        condition.insert("StringEquals".to_owned(), Value::Object(equal));
    }
    if let Some(GrantConstraint::Equals(_)) = grant.constraint {
        let no_others = if pairs.is_empty() {
            ("Null", json!({CONTEXT_KEYS: "true"}))
        } else {
            let keys: Vec<_> = pairs.keys().collect();
            ("ForAllValues:StringEquals", json!({CONTEXT_KEYS: keys}))
        };
        condition.insert(no_others.0.to_owned(), no_others.1);
    }
    Value::Object(condition)
}

/// A grant that is made by the right of this one allows no more than it does.
fn child_condition(grant: &Grant) -> Value {
    let operations: Vec<_> = grant.operations.iter().map(|it| it.as_str()).collect();
    let mut condition = json!({"ForAllValues:StringEquals": {"kms:GrantOperations": operations}});
    if let Some(constraint) = &grant.constraint {
        condition["StringEquals"] = json!({"drawbridge:GrantConstraint": constraint.to_string()});
    }
    condition
}
