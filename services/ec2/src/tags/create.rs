//! `CreateTags`: adds tags to instances, or changes their values.

use std::collections::HashSet;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith, Tag};
use drawbridge_store::{TagError, TagsOf};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AskedTag, needs};
use crate::error::{check_dry_run, internal, invalid_value};
use crate::{Ec2, Operation, read};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateTags",
    action: "ec2:CreateTags",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE,
    handler: |ec2, call| Box::pin(create(ec2, call)),
};

const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    resources: Vec<String>,
    tags: Vec<AskedTag>,
    dry_run: Option<bool>,
}

async fn create(ec2: Arc<Ec2>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = read(input)?;
    let tags = check(input.tags)?;
    let nodes = ec2.instances(&caller, &input.resources).await?;
    check_dry_run(input.dry_run)?;
    for node in &nodes {
        match ec2.store.add_tags(TagsOf::node(node), &tags).await {
            Ok(()) => {}
            Err(TagError::TooMany) => {
                return Err(AwsError::new(
                    "TagLimitExceeded",
                    format!("The resource '{}' would have more than 50 tags.", node.id),
                ));
            }
            Err(TagError::SameKey) => {
                return Err(invalid_value(format!(
                    "Tag keys of '{}' must differ by more than their case.",
                    node.id
                )));
            }
            Err(TagError::Store(error)) => return Err(internal(error)),
        }
    }
    Ok(json!({}))
}

/// Reads the tags to be set; one without a value has an empty one.
fn check(asked: Vec<AskedTag>) -> Result<Vec<Tag>, AwsError> {
    let mut keys = HashSet::new();
    let mut tags = Vec::with_capacity(asked.len());
    for AskedTag { key, value } in asked {
        let (key, value) = (key.unwrap_or_default(), value.unwrap_or_default());
        if key.is_empty() {
            return Err(invalid_value("Tag key cannot be null or empty."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_value(format!(
                "Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal \
                 use"
            )));
        }
        if key.chars().count() > MAX_KEY {
            return Err(invalid_value(format!(
                "Tag key exceeds the maximum length of {MAX_KEY} characters"
            )));
        }
        if value.chars().count() > MAX_VALUE {
            return Err(invalid_value(format!(
                "Tag value exceeds the maximum length of {MAX_VALUE} characters"
            )));
        }
        if !keys.insert(key.to_ascii_lowercase()) {
            return Err(invalid_value(format!("Duplicate tag key '{key}' specified.")));
        }
        tags.push(Tag { key, value });
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use drawbridge_store::Tags as _;

    use super::*;
    use crate::testing::stage;

    fn tag(key: &str) -> Value {
        json!([{"Key": key, "Value": "v"}])
    }

    #[tokio::test]
    async fn tags_each_instance_and_replaces_values() {
        let house = stage().await;
        let one = house.enrolled_node(&[Tag::new("Environment", "Dev")]).await;
        let two = house.enrolled_node(&[]).await;
        let input = json!({
            "Resources": [one.id, two.id, one.id],
            "Tags": [{"Key": "Environment", "Value": "Prod"}, {"Key": "Empty", "Value": ""}, {"Key": "None"}],
        });
        assert_eq!(house.ask("CreateTags", input).await, Ok(json!({})));
        let expected = [
            Tag::new("Empty", ""),
            Tag::new("Environment", "Prod"),
            Tag::new("None", ""),
        ];
        for node in [&one, &two] {
            assert_eq!(
                house.store.tags(TagsOf::node(node)).await.expect("listed"),
                expected
            );
        }
    }

    #[tokio::test]
    async fn a_policy_sees_the_instance_its_tags_and_those_of_the_request() {
        let house = stage().await;
        let dev = house.enrolled_node(&[Tag::new("Environment", "Dev")]).await.id;
        let prod = house.enrolled_node(&[Tag::new("Environment", "Prod")]).await.id;
        let may = json!([{
            "Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "arn:aws:ec2:us-east-1:123456789012:instance/*",
            "Condition": {
                "StringEquals": {"ec2:ResourceTag/Environment": "Dev"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]},
                "StringNotEquals": {"aws:RequestTag/Team": "security"},
            },
        }]);
        let alice = house.give_user("alice", may).await;
        let ask = async |ids: Value, tags: Value| {
            let input = json!({"Resources": ids, "Tags": tags});
            house.ask_as(alice.clone(), "CreateTags", input).await
        };
        let team = |name: &str| json!([{"Key": "Team", "Value": name}]);
        assert_eq!(ask(json!([dev]), team("web")).await, Ok(json!({})));
        for (ids, tags) in [
            (json!([prod]), team("web")),
            (json!([dev, prod]), team("web")),
            (json!([dev]), team("security")),
            (json!([dev]), tag("Environment")),
            (json!(["i-0ffffffffffffffff"]), team("web")),
            (json!(["vol-0ffffffffffffffff"]), team("web")),
        ] {
            let error = ask(ids.clone(), tags).await.expect_err("denied");
            assert_eq!(error.code(), "UnauthorizedOperation", "{ids}");
            assert_eq!(error.status().as_u16(), 403);
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = stage().await;
        let node = house.enrolled_node(&[]).await;
        let registered = house.node().await.id;
        let with = |id: &str, tags: Value| json!({"Resources": [id], "Tags": tags});
        let on_node = |tags| with(node.id.as_str(), tags);
        let many: Value = (0..51)
            .map(|it| json!({"Key": format!("k{it}"), "Value": ""}))
            .collect();
        house
            .refuses(
                "CreateTags",
                &[
                    (on_node(tag("")), "InvalidParameterValue"),
                    (on_node(json!([{"Value": "v"}])), "InvalidParameterValue"),
                    (on_node(tag("aws:cloudformation")), "InvalidParameterValue"),
                    (on_node(tag("AWS:x")), "InvalidParameterValue"),
                    (on_node(tag(&"ü".repeat(129))), "InvalidParameterValue"),
                    (
                        on_node(json!([{"Key": "a", "Value": "x".repeat(257)}])),
                        "InvalidParameterValue",
                    ),
                    (
                        on_node(json!([{"Key": "a", "Value": ""}, {"Key": "a", "Value": "b"}])),
                        "InvalidParameterValue",
                    ),
                    (on_node(many), "TagLimitExceeded"),
                    (with(registered.as_str(), tag("a")), "InvalidInstanceID.Malformed"),
                    (
                        with("vol-0ffffffffffffffff", tag("a")),
                        "InvalidInstanceID.Malformed",
                    ),
                    (
                        with("i-0ffffffffffffffff", tag("a")),
                        "InvalidInstanceID.NotFound",
                    ),
                    (
                        json!({"Resources": [node.id], "Tags": tag("a"), "DryRun": true}),
                        "DryRunOperation",
                    ),
                ],
            )
            .await;
        assert_eq!(house.store.tags(TagsOf::node(&node)).await.expect("listed"), []);
        let mixed = json!({"Resources": [node.id, "i-0ffffffffffffffff"], "Tags": tag("a")});
        house
            .ask("CreateTags", mixed)
            .await
            .expect_err("one is not there");
        assert_eq!(house.store.tags(TagsOf::node(&node)).await.expect("listed"), []);
        let longest = on_node(json!([{"Key": "ü".repeat(128), "Value": "ü".repeat(256)}]));
        assert_eq!(house.ask("CreateTags", longest).await, Ok(json!({})));
    }
}
