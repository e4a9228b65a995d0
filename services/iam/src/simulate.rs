//! `SimulatePrincipalPolicy` and `SimulateCustomPolicy`: how policies would decide, as AWS's simulator answers.
//!
//! A simulation knows what its request says and who asks; nothing is looked up about resources. To learn what a real
//! request would meet, with the tags of nodes and principals, there is `Drawbridge.ExplainDecision`.

mod answer;
mod scene;
mod work;

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Needs, Resource, SignedWith};
use serde::Deserialize;
use serde_json::Value;

use crate::{Iam, Operation, error};
use scene::Scene;
use work::MOST_WORK;

pub(crate) const PRINCIPAL: Operation = Operation {
    name: "SimulatePrincipalPolicy",
    action: "iam:SimulatePrincipalPolicy",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let source = input.get("PolicySourceArn").and_then(Value::as_str);
        Needs::from(source_resource(caller, source.unwrap_or_default()))
    },
    audit: Audit::READ,
    handler: |iam, call| Box::pin(in_turn(iam, call)),
};

pub(crate) const CUSTOM: Operation = Operation {
    name: "SimulateCustomPolicy",
    action: "iam:SimulateCustomPolicy",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |iam, call| Box::pin(in_turn(iam, call)),
};

/// How many simulations run at once: each may keep a processor busy for as long as its bounds allow.
pub(crate) const AT_ONCE: usize = 2;

/// How many results one answer has where the request does not say.
const PAGE: usize = 100;

/// How many statements one answer looks at and may have to name. Where each pair meets many, pages are shorter.
const MOST_STATEMENTS: usize = 50_000;

/// Both operations' input; only one of them has a `PolicySourceArn`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    policy_source_arn: Option<String>,
    #[serde(default)]
    policy_input_list: Vec<String>,
    #[serde(default)]
    permissions_boundary_policy_input_list: Vec<String>,
    action_names: Vec<String>,
    #[serde(default)]
    resource_arns: Vec<String>,
    resource_policy: Option<String>,
    resource_owner: Option<String>,
    caller_arn: Option<String>,
    #[serde(default)]
    context_entries: Vec<ContextEntry>,
    max_items: Option<usize>,
    marker: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContextEntry {
    context_key_name: Option<String>,
    #[serde(default)]
    context_key_values: Vec<String>,
    context_key_type: Option<String>,
}

impl ContextEntry {
    fn size(&self) -> usize {
        let name = self.context_key_name.as_ref().map_or(0, String::len);
        name + self.context_key_values.iter().map(String::len).sum::<usize>()
    }
}

/// The ARN that policies know the source by, where it can be one; anything else is refused by the handler.
fn source_resource(caller: &Caller, arn: &str) -> Resource {
    let own = format!("arn:aws:iam::{}:", caller.account);
    if arn.starts_with(&own) {
        Resource::at(arn)
    } else {
        Resource::plain(arn)
    }
}

/// Answers in its turn, off the threads that serve everybody.
async fn in_turn(iam: Arc<Iam>, call: Call) -> Result<Value, AwsError> {
    let turn = Arc::clone(&iam.simulations).acquire_owned().await;
    let turn = turn.map_err(error::internal)?;
    let simulated = tokio::task::spawn_blocking(move || {
        // The turn ends with the work: whoever waits for it may go away before.
        let _turn = turn;
        simulate(&iam, call)
    });
    simulated.await.map_err(error::internal)?
}

fn simulate(iam: &Iam, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = serde_json::from_value(input)
        .map_err(|error| AwsError::new("InvalidInput", format!("The request cannot be read: {error}")))?;
    let directory = iam
        .store
        .directory(&caller.account)
        .ok_or_else(|| AwsError::internal("ServiceFailure"))?;
    let in_organization = iam.store.organization_of(&caller.account).is_some();
    let scene = Scene::new(&input, &directory)?;
    let first = match input.marker.as_deref() {
        None => 0,
        Some(marker) => marker
            .parse()
            .map_err(|_| invalid(format!("Invalid Marker: {marker}")))?,
    };
    for action in &input.action_names {
        check_action(action)?;
    }
    let everything = ["*".to_owned()];
    let resources = match input.resource_arns.as_slice() {
        [] => &everything[..],
        named => named,
    };
    for resource in resources {
        check_resource(resource)?;
    }
    let names = input.action_names.iter().chain(resources);
    let pair = scene.work_of_pair(names.map(String::len).max().unwrap_or_default());
    if pair > MOST_WORK {
        return Err(invalid(format!(
            "The simulation is too large: the size of its policies times the length of the longest resource or \
             context value is {pair}, more than {MOST_WORK}."
        )));
    }
    let page = input
        .max_items
        .unwrap_or(PAGE)
        .min(1 + MOST_STATEMENTS / scene.statements().max(1))
        .min(MOST_WORK / pair.max(1));
    let pairs = input.action_names.len().saturating_mul(resources.len());
    let results: Vec<Value> = (first..pairs)
        .take(page)
        .map_while(|at| {
            let action = input.action_names.get(at / resources.len())?;
            Some((action, resources.get(at % resources.len())?))
        })
        .map(|(action, resource)| answer::result(&scene, action, resource, in_organization))
        .collect();
    let next = first.saturating_add(results.len());
    let truncated = next < pairs;
    let mut output = serde_json::json!({ "EvaluationResults": results, "IsTruncated": truncated });
    if truncated {
        output["Marker"] = Value::String(next.to_string());
    }
    Ok(output)
}

fn check_action(action: &str) -> Result<(), AwsError> {
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match action.split_once(':') {
        Some((vendor, name)) if word(vendor) && word(name) => Ok(()),
        _ => Err(invalid(format!("Invalid Action Name: {action}"))),
    }
}

fn check_resource(resource: &str) -> Result<(), AwsError> {
    if resource == "*" || resource.starts_with("arn:") && resource.split(':').count() >= 6 {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid Resource ARN: {resource}. It must be an ARN or *"
    )))
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidInput", message)
}

#[cfg(test)]
mod tests;
