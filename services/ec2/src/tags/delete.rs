//! `DeleteTags`: removes tags from instances: by key, by key and value, or all of them.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith, Tag};
use drawbridge_store::TagsOf;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AskedTag, needs};
use crate::error::{check_dry_run, internal, invalid_value};
use crate::{Ec2, Operation, read};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeleteTags",
    action: "ec2:DeleteTags",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE,
    handler: |ec2, call| Box::pin(delete(ec2, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    resources: Vec<String>,
    tags: Option<Vec<AskedTag>>,
    dry_run: Option<bool>,
}

async fn delete(ec2: Arc<Ec2>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = read(input)?;
    let asked = input.tags.unwrap_or_default();
    if asked
        .iter()
        .any(|tag| tag.key.as_deref().is_none_or(str::is_empty))
    {
        return Err(invalid_value("Tag key cannot be null or empty."));
    }
    let nodes = ec2.instances(&caller, &input.resources).await?;
    check_dry_run(input.dry_run)?;
    for node in &nodes {
        let of = TagsOf::node(node);
        let tags = ec2.store.tags(of).await.map_err(internal)?;
        let goes = |tag: &Tag| asked.is_empty() || asked.iter().any(|asked| asked.takes(tag));
        let keys: Vec<_> = tags.into_iter().filter(goes).map(|tag| tag.key).collect();
        ec2.store.remove_tags(of, &keys).await.map_err(internal)?;
    }
    Ok(json!({}))
}

impl AskedTag {
    /// Without a value, the key alone says which.
    fn takes(&self, tag: &Tag) -> bool {
        self.key.as_ref() == Some(&tag.key) && self.value.as_ref().is_none_or(|value| *value == tag.value)
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_store::Tags as _;

    use super::*;
    use crate::testing::stage;

    #[tokio::test]
    async fn removes_by_key_by_value_and_all() {
        let house = stage().await;
        let given = [Tag::new("a", "1"), Tag::new("b", ""), Tag::new("c", "3")];
        for (asked, left) in [
            (json!([{"Key": "a"}]), &["b", "c"][..]),
            (json!([{"Key": "a", "Value": "1"}]), &["b", "c"]),
            (json!([{"Key": "a", "Value": ""}]), &["a", "b", "c"]),
            (json!([{"Key": "b", "Value": ""}, {"Key": "c"}]), &["a"]),
            (json!([{"Key": "A"}, {"Key": "none"}]), &["a", "b", "c"]),
            (json!([]), &[]),
            (Value::Null, &[]),
        ] {
            let (one, two) = (
                house.enrolled_node(&given).await,
                house.enrolled_node(&given).await,
            );
            let mut input = json!({"Resources": [one.id, two.id]});
            if !asked.is_null() {
                input["Tags"] = asked.clone();
            }
            assert_eq!(house.ask("DeleteTags", input).await, Ok(json!({})));
            for node in [&one, &two] {
                let tags = house.store.tags(TagsOf::node(node)).await.expect("listed");
                let keys: Vec<_> = tags.iter().map(|tag| tag.key.as_str()).collect();
                assert_eq!(keys, left, "{asked}");
            }
        }
    }

    #[tokio::test]
    async fn a_policy_sees_the_keys_of_the_request() {
        let house = stage().await;
        let node = house.enrolled_node(&[Tag::new("Environment", "Prod")]).await.id;
        let may = json!([{
            "Effect": "Allow", "Action": "ec2:DeleteTags", "Resource": "*",
            "Condition": {
                "ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}, "Null": {"aws:TagKeys": "false"},
            },
        }]);
        let alice = house.give_user("alice", may).await;
        let ask = async |tags: Value| {
            let input = json!({"Resources": [node], "Tags": tags});
            house.ask_as(alice.clone(), "DeleteTags", input).await
        };
        assert_eq!(ask(json!([{"Key": "Team"}])).await, Ok(json!({})));
        assert_eq!(ask(json!([{"Key": "Team", "Value": "web"}])).await, Ok(json!({})));
        for tags in [
            json!([{"Key": "Environment"}]),
            json!([{"Key": "Team"}, {"Key": "Environment", "Value": "Prod"}]),
            json!([]),
        ] {
            let error = ask(tags.clone()).await.expect_err("denied");
            assert_eq!(error.code(), "UnauthorizedOperation", "{tags}");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = stage().await;
        let node = house.enrolled_node(&[Tag::new("a", "1")]).await;
        house
            .refuses(
                "DeleteTags",
                &[
                    (
                        json!({"Resources": [node.id], "Tags": [{"Key": ""}]}),
                        "InvalidParameterValue",
                    ),
                    (json!({"Resources": ["web-1"]}), "InvalidInstanceID.Malformed"),
                    (
                        json!({"Resources": ["i-0ffffffffffffffff"]}),
                        "InvalidInstanceID.NotFound",
                    ),
                    (json!({"Resources": [node.id], "DryRun": true}), "DryRunOperation"),
                ],
            )
            .await;
        let tags = house.store.tags(TagsOf::node(&node)).await.expect("listed");
        assert_eq!(tags.len(), 1);
    }
}
