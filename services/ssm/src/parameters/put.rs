//! `PutParameter`: makes a parameter, or gives it another value.

mod rules;

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, SignedWith, Tag};
use drawbridge_store::{Parameter, ParameterKind, PutParameterError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{own, resource};
use crate::error::internal;
use crate::{Operation, Ssm, input, tags};

pub(crate) const OPERATION: Operation = Operation {
    name: "PutParameter",
    action: "ssm:PutParameter",
    signed_with: SignedWith::AccessKey,
    needs,
    // As in CloudTrail, whatever the type.
    audit: Audit::WRITE.hiding(&["Value"]),
    handler: |ssm, call| Box::pin(put(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    value: String,
    description: Option<String>,
    #[serde(rename = "Type")]
    kind: Option<String>,
    overwrite: Option<bool>,
    allowed_pattern: Option<String>,
    tags: Option<Vec<Tag>>,
    tier: Option<String>,
    policies: Option<String>,
    data_type: Option<String>,
}

fn needs(caller: &Caller, input: &Value) -> Needs {
    Need::on(resource(caller, input::text(input, "Name")))
        .with_request_tags(&input::tags(input, "Tags"))
        .into()
}

async fn put(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let kind = check(&input)?;
    let overwrite = input.overwrite.unwrap_or(false);
    let newest = ssm.store.parameter(own(&caller, &input.name), None).await;
    let newest = newest.map_err(internal)?;
    if newest.is_some() && !overwrite {
        return Err(AwsError::new(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    let tags = input.tags.clone().unwrap_or_default();
    let parameter = next(&ssm, &caller, input, kind, newest)?;
    let stored = ssm.store.put_parameter(&parameter, &tags).await;
    stored.map_err(refusal)?;
    tracing::info!(
        parameter.name = parameter.name,
        parameter.version = parameter.version,
        principal.id = caller.principal.user_id(),
        "parameter stored"
    );
    Ok(json!({ "Version": parameter.version, "Tier": "Standard" }))
}

/// Checks what can be told from the request alone; returns the type that it gives.
fn check(input: &Input) -> Result<Option<ParameterKind>, AwsError> {
    rules::check_name(&input.name)?;
    rules::check_value(&input.value)?;
    let kind = input.kind.as_deref().map(rules::kind).transpose()?;
    let is_standard = |tier: &str| matches!(tier, "Standard" | "Intelligent-Tiering");
    if !input.tier.as_deref().is_none_or(is_standard) || input.policies.is_some() {
        return Err(AwsError::validation(
            "This server keeps parameters of the standard tier only, which have no policies.",
        ));
    }
    if let Some(data_type) = input.data_type.as_deref().filter(|it| *it != "text") {
        return Err(AwsError::validation(format!(
            "The following data type is not supported: {data_type} (Data type names are all lowercase.)"
        )));
    }
    let tags = input.tags.as_deref().unwrap_or_default();
    if !tags.is_empty() && input.overwrite == Some(true) {
        return Err(AwsError::validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
             overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    match tags::fault(tags) {
        Some(fault) => Err(AwsError::validation(fault)),
        None => Ok(kind),
    }
}

/// Returns the version to store. What a request leaves out stays as it was.
fn next(
    ssm: &Ssm,
    caller: &Caller,
    input: Input,
    kind: Option<ParameterKind>,
    newest: Option<Parameter>,
) -> Result<Parameter, AwsError> {
    let (version, before) = match newest {
        Some(newest) => (newest.version.saturating_add(1), Some(newest)),
        None => (1, None),
    };
    let kind_before = before.as_ref().map(|before| before.kind);
    let kind = kind
        .or(kind_before)
        .ok_or_else(|| AwsError::validation("A parameter type is required when you create a parameter."))?;
    if kind_before.is_some_and(|before| before != kind) {
        return Err(AwsError::new(
            "HierarchyTypeMismatchException",
            "The type of a parameter cannot be changed. Delete it and create it again.",
        ));
    }
    let (description, pattern) = before
        .map(|before| (before.description, before.allowed_pattern))
        .unwrap_or_default();
    let allowed_pattern = input.allowed_pattern.unwrap_or(pattern);
    rules::check_pattern(&allowed_pattern, &input.value)?;
    Ok(Parameter {
        account: caller.account.clone(),
        region: caller.region.clone(),
        name: input.name,
        version,
        kind,
        value: input.value,
        description: input.description.unwrap_or(description),
        allowed_pattern,
        modified_at: ssm.clock.now(),
        modified_by: caller.principal.arn(),
    })
}

fn refusal(error: PutParameterError) -> AwsError {
    match error {
        PutParameterError::Changed => AwsError::new(
            "TooManyUpdates",
            "There are concurrent updates for a resource that supports one update at a time.",
        ),
        PutParameterError::TooMany => AwsError::new(
            "ParameterLimitExceeded",
            "You have exceeded the number of parameters for this account and region: 10000.",
        ),
        PutParameterError::Store(error) => internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    fn with(member: &str, value: Value) -> Value {
        let mut input = json!({"Name": "/web/port", "Value": "80", "Type": "String"});
        input[member] = value;
        input
    }

    #[tokio::test]
    async fn counts_versions_and_keeps_what_is_left_out() {
        let house = House::new().await;
        let first = json!({
            "Name": "/web/port", "Value": "80", "Type": "String", "AllowedPattern": "[0-9]+",
            "Description": "the port", "Tags": [{"Key": "Team", "Value": "web"}], "Tier": "Standard", "DataType": "text",
        });
        let answer = house.ask("PutParameter", first.clone()).await;
        assert_eq!(answer, Ok(json!({"Version": 1, "Tier": "Standard"})));
        house
            .refuses("PutParameter", &[(first, "ParameterAlreadyExists")])
            .await;
        let next = |value: &str| json!({"Name": "/web/port", "Value": value, "Overwrite": true});
        let answer = house.ask("PutParameter", next("443")).await;
        assert_eq!(answer, Ok(json!({"Version": 2, "Tier": "Standard"})));
        let mut list = next("1,2");
        list["Type"] = json!("StringList");
        house
            .refuses(
                "PutParameter",
                &[
                    (next("http"), "ParameterPatternMismatchException"),
                    (next("443\n"), "ParameterPatternMismatchException"),
                    (list, "HierarchyTypeMismatchException"),
                ],
            )
            .await;
        let tags = json!({"ResourceType": "Parameter", "ResourceId": "/web/port"});
        let listed = house.ask("ListTagsForResource", tags).await;
        assert_eq!(listed, Ok(json!({"TagList": [{"Key": "Team", "Value": "web"}]})));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let levels = "/x".repeat(16);
        house
            .refuses(
                "PutParameter",
                &[
                    (json!({}), "ValidationException"),
                    (with("Type", Value::Null), "ValidationException"),
                    (with("Type", json!("SecureString")), "UnsupportedParameterType"),
                    (with("Type", json!("Number")), "ValidationException"),
                    (with("Value", json!("")), "ValidationException"),
                    (with("Value", json!("x".repeat(4097))), "ValidationException"),
                    (with("Value", json!("{{ssm:other}}")), "ValidationException"),
                    (with("Value", json!(7)), "SerializationException"),
                    (with("Name", json!("")), "ValidationException"),
                    (with("Name", json!("web/port")), "ValidationException"),
                    (with("Name", json!("/web//port")), "ValidationException"),
                    (with("Name", json!("/web/")), "ValidationException"),
                    (with("Name", json!("/")), "ValidationException"),
                    (with("Name", json!("a b")), "ValidationException"),
                    (with("Name", json!("port:1")), "ValidationException"),
                    (with("Name", json!("p\u{f6}rt")), "ValidationException"),
                    (with("Name", json!("x".repeat(1012))), "ValidationException"),
                    (with("Name", json!("SSM-port")), "ValidationException"),
                    (with("Name", json!("/ssm/port")), "ValidationException"),
                    (with("Name", json!("awsPort")), "AccessDeniedException"),
                    (with("Name", json!("/AWS/port")), "AccessDeniedException"),
                    (
                        with("Name", json!(levels)),
                        "HierarchyLevelLimitExceededException",
                    ),
                    (
                        with("Name", json!("arn:aws:ssm:us-east-1:123456789012:parameter/port")),
                        "ValidationException",
                    ),
                    (
                        with("AllowedPattern", json!("[")),
                        "InvalidAllowedPatternException",
                    ),
                    (
                        with("AllowedPattern", json!("(a{1000}){1000}")),
                        "InvalidAllowedPatternException",
                    ),
                    (
                        with("AllowedPattern", json!("x) | (.*")),
                        "InvalidAllowedPatternException",
                    ),
                    (
                        with("AllowedPattern", json!("8")),
                        "ParameterPatternMismatchException",
                    ),
                    (with("Tier", json!("Advanced")), "ValidationException"),
                    (with("Tier", json!("Gold")), "ValidationException"),
                    (with("Policies", json!("[]")), "ValidationException"),
                    (with("DataType", json!("aws:ec2:image")), "ValidationException"),
                    (
                        with("Tags", json!([{"Key": "aws:x", "Value": ""}])),
                        "ValidationException",
                    ),
                    (
                        json!({
                            "Name": "a", "Value": "b", "Type": "String", "Overwrite": true,
                            "Tags": [{"Key": "x", "Value": ""}],
                        }),
                        "ValidationException",
                    ),
                ],
            )
            .await;
    }
}
