//! What questions about decisions have in common: resources, facts, and statements in answers.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::policy::{Context, StatementName};
use drawbridge_session::{Caller, Need, NodeId, Region, Resource};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The most that facts may take up, in bytes: who-can copies them for each decision.
const MOST_FACTS: usize = 16 * 1024;

/// A condition key with the values that a question gives it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Fact {
    key: String,
    values: Vec<String>,
}

impl Fact {
    fn size(&self) -> usize {
        self.key.len() + self.values.iter().map(String::len).sum::<usize>()
    }
}

/// A statement in an answer.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Statement<'a> {
    policy: &'a str,
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
}

impl<'a> From<&'a StatementName> for Statement<'a> {
    fn from(name: &'a StatementName) -> Self {
        Self {
            policy: &name.policy,
            index: name.index,
            sid: name.sid.as_deref(),
        }
    }
}

/// Reads an input; the model was checked before, so a failure means that model and type disagree.
pub(crate) fn read<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| AwsError::new("SerializationException", error.to_string()))
}

pub(crate) fn facts(list: Vec<Fact>) -> Result<Context, AwsError> {
    let size: usize = list.iter().map(Fact::size).sum();
    if size > MOST_FACTS {
        return Err(AwsError::validation(format!(
            "The context has {size} bytes, more than {MOST_FACTS}."
        )));
    }
    let mut context = Context::new();
    for Fact { key, values } in list {
        if !key.contains(':') {
            return Err(AwsError::validation(format!(
                "`{key}` is not a condition key: it has a prefix, as in aws:SourceIp"
            )));
        }
        context.set(&key, values);
    }
    Ok(context)
}

/// Returns a need on what a question calls `*`, a node id or an ARN, and puts the caller into the region of the ARN.
///
/// What belongs to another account is decided on by its ARN alone: its tags and policies are not the caller's to see.
pub(crate) fn need(action: &str, resource: &str, caller: &mut Caller) -> Result<Need, AwsError> {
    let found = match resource {
        "*" => Resource::any(),
        id if NodeId::parse(id).is_ok() => Resource::node(&caller.region, &caller.account, id),
        arn => {
            let parts: Vec<&str> = arn.splitn(6, ':').collect();
            let ["arn", _, _, region, account, _] = parts[..] else {
                return Err(AwsError::validation(format!(
                    "`{arn}` is not a resource: expected an ARN, the id of a node, or *"
                )));
            };
            if let Ok(region) = Region::parse(region) {
                caller.region = region;
            }
            if [caller.account.as_str(), "", "aws"].contains(&account) {
                Resource::at(arn)
            } else {
                Resource::plain(arn)
            }
        }
    };
    Ok(asked(action, found))
}

/// Returns a need with the facts that a plain request for the action has.
pub(crate) fn asked(action: &str, resource: Resource) -> Need {
    let need = Need::on(resource).or_action(action);
    match action.to_ascii_lowercase().as_str() {
        // A session whose request names no document.
        "ssm:startsession" => need.with("ssm:SessionDocumentAccessCheck", "false"),
        _ => need,
    }
}
