//! Grants of keys, as policies that stand beside the key's own.
//!
//! A grant's conditions are written in the version of the policy language that has no variables, so that nothing in an
//! encryption context is one.

use std::collections::BTreeMap;

use drawbridge_session::Need;
use drawbridge_session::policy::{Context, NamedPolicy, Policy, PolicyKind};
use drawbridge_store::{Grant, GrantConstraint, GrantOperation};
use serde_json::{Map, Value, json};

/// The keys of a request's encryption context, in the case in which they came.
const CONTEXT_KEYS: &str = "kms:EncryptionContextKeys";

/// Writes what a grant says of a need as a policy; `None` for a grant that is about other operations.
pub(crate) fn as_policy(grant: &Grant, need: &Need) -> Option<NamedPolicy> {
    let operation = GrantOperation::of_action(need.action())?;
    let statements = statements(grant, operation, need.context());
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

fn statements(grant: &Grant, operation: GrantOperation, facts: &Context) -> Vec<Value> {
    let granted = grant.operations.contains(&operation);
    let to_grantee = |condition| vec![statement(grant, &[&grant.grantee], operation, condition)];
    match operation {
        GrantOperation::RetireGrant => {
            // It says which grant is meant, and is about that one only.
            let condition = json!({"StringEquals": {"drawbridge:Grant": grant.id}});
            let grantee = granted.then_some(grant.grantee.as_str());
            let whom: Vec<_> = grantee.into_iter().chain(grant.retiring.as_deref()).collect();
            if whom.is_empty() {
                return Vec::new();
            }
            vec![statement(grant, &whom, operation, condition)]
        }
        _ if !granted => Vec::new(),
        GrantOperation::CreateGrant => to_grantee(child_condition(grant)),
        GrantOperation::DescribeKey => to_grantee(json!({})),
        GrantOperation::Decrypt
        | GrantOperation::Encrypt
        | GrantOperation::GenerateDataKey
        | GrantOperation::GenerateDataKeyWithoutPlaintext
        | GrantOperation::ReEncryptFrom
        | GrantOperation::ReEncryptTo => {
            if has_keys(grant, facts) {
                to_grantee(context_condition(grant))
            } else {
                Vec::new()
            }
        }
    }
}

fn statement(grant: &Grant, principals: &[&str], operation: GrantOperation, condition: Value) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": {"AWS": principals},
        "Action": format!("kms:{}", operation.as_str()),
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
