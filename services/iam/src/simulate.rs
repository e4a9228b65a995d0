//! `SimulatePrincipalPolicy` and `SimulateCustomPolicy`: how policies would decide, as AWS's simulator answers.
//!
//! A simulation knows what its request says and who asks; nothing is looked up about resources. To learn what a real
//! request would meet, with the tags of nodes and principals, there is `Drawbridge.ExplainDecision`.

mod answer;
mod scene;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Needs, Resource, SignedWith};
use serde::Deserialize;
use serde_json::Value;

use crate::{Iam, Operation};
use scene::Scene;

pub(crate) const PRINCIPAL: Operation = Operation {
    name: "SimulatePrincipalPolicy",
    action: "iam:SimulatePrincipalPolicy",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let source = input.get("PolicySourceArn").and_then(Value::as_str);
        Needs::from(source_resource(caller, source.unwrap_or_default()))
    },
    audit: Audit::READ,
    handler: |iam, call| Box::pin(async move { simulate(&iam, call) }),
};

pub(crate) const CUSTOM: Operation = Operation {
    name: "SimulateCustomPolicy",
    action: "iam:SimulateCustomPolicy",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |iam, call| Box::pin(async move { simulate(&iam, call) }),
};

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

/// The ARN that policies know the source by, where it can be one; anything else is refused by the handler.
fn source_resource(caller: &Caller, arn: &str) -> Resource {
    let own = format!("arn:aws:iam::{}:", caller.account);
    if arn.starts_with(&own) {
        Resource::at(arn)
    } else {
        Resource::plain(arn)
    }
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
    let page = input
        .max_items
        .unwrap_or(PAGE)
        .min(1 + MOST_STATEMENTS / scene.statements().max(1));
    let pairs = input
        .action_names
        .iter()
        .flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let results: Vec<Value> = pairs
        .skip(first)
        .take(page)
        .map(|(action, resource)| answer::result(&scene, action, resource, in_organization))
        .collect();
    let next = first + results.len();
    let truncated = next < input.action_names.len() * resources.len();
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
