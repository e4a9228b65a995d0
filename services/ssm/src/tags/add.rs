//! `AddTagsToResource`: adds tags to a node, a document or a parameter, or changes their values.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith, Tag};
use drawbridge_store::TagError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{find, need};
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "AddTagsToResource",
    action: "ssm:AddTagsToResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        need(caller, input)
            .with_request_tags(&input::tags(input, "Tags"))
            .into()
    },
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(add(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    resource_type: String,
    resource_id: String,
    tags: Vec<Tag>,
}

async fn add(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    if input
        .tags
        .iter()
        .any(|tag| tag.key.to_ascii_lowercase().starts_with("aws:"))
    {
        return Err(AwsError::validation(
            "Tag keys that start with aws: are reserved.",
        ));
    }
    let tagged = find(&ssm, &caller, &input.resource_type, &input.resource_id).await?;
    match ssm.store.add_tags(tagged.tags(), &input.tags).await {
        Ok(()) => Ok(json!({})),
        Err(TagError::TooMany) => Err(AwsError::new(
            "TooManyTagsError",
            format!("{} would have more than 50 tags.", input.resource_id),
        )),
        Err(TagError::SameKey) => Err(AwsError::validation(
            "Tag keys of a resource must differ by more than their case.",
        )),
        Err(TagError::Store(error)) => Err(internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn adds_and_replaces() {
        let house = House::new().await;
        let node = house.node().await.id;
        let tags = json!([{"Key": "Team", "Value": "web"}, {"Key": "Environment", "Value": "Prod"}]);
        let input = json!({"ResourceType": "ManagedInstance", "ResourceId": node, "Tags": tags});
        assert_eq!(house.ask("AddTagsToResource", input).await, Ok(json!({})));
        let input = json!({"ResourceType": "ManagedInstance", "ResourceId": node});
        let listed = house.done("ListTagsForResource", input).await;
        let expected = json!([{"Key": "Environment", "Value": "Prod"}, {"Key": "Team", "Value": "web"}]);
        assert_eq!(listed, json!({"TagList": expected}));
    }

    #[tokio::test]
    async fn documents_have_tags_too() {
        let house = House::new().await;
        house.give_document("Doc", "").await;
        let on = |id: &str, member: &str, value: Value| json!({"ResourceType": "Document", "ResourceId": id, member: value});
        let tags = json!([{"Key": "Env", "Value": "dev"}, {"Key": "Team", "Value": "web"}]);
        let add = on("Doc", "Tags", tags.clone());
        assert_eq!(house.ask("AddTagsToResource", add).await, Ok(json!({})));
        for id in ["Doc", "arn:aws:ssm:us-east-1:123456789012:document/Doc"] {
            let listed = house.ask("ListTagsForResource", on(id, "x", Value::Null)).await;
            assert_eq!(listed, Ok(json!({ "TagList": tags })));
        }
        let described = house.done("DescribeDocument", json!({"Name": "Doc"})).await;
        assert_eq!(described["Document"]["Tags"], tags);
        let remove = on("Doc", "TagKeys", json!(["Env"]));
        assert_eq!(house.ask("RemoveTagsFromResource", remove).await, Ok(json!({})));
        let listed = house
            .ask("ListTagsForResource", on("Doc", "x", Value::Null))
            .await;
        assert_eq!(listed, Ok(json!({"TagList": [{"Key": "Team", "Value": "web"}]})));
        let tag = |id: &str| on(id, "Tags", json!([{"Key": "a", "Value": ""}]));
        house
            .refuses(
                "AddTagsToResource",
                &[
                    (tag("Other"), "InvalidResourceId"),
                    (tag("AWS-StartSSHSession"), "InvalidResourceId"),
                    (
                        tag("arn:aws:ssm:us-east-1:123456789012:parameter/Doc"),
                        "InvalidResourceId",
                    ),
                    (
                        on("Doc", "Tags", json!([{"Key": "TEAM", "Value": ""}])),
                        "ValidationException",
                    ),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let node = house.node().await.id;
        let input =
            |kind: &str, id: &str, tags: Value| json!({"ResourceType": kind, "ResourceId": id, "Tags": tags});
        let on_node = |tags| input("ManagedInstance", node.as_str(), tags);
        let tag = |key: &str| json!([{"Key": key, "Value": "v"}]);
        let many: Value = (0..50)
            .map(|it| json!({"Key": format!("k{it}"), "Value": ""}))
            .collect();
        house
            .refuses(
                "AddTagsToResource",
                &[
                    (json!({}), "ValidationException"),
                    (on_node(tag("")), "ValidationException"),
                    (on_node(tag(&"x".repeat(129))), "ValidationException"),
                    (
                        on_node(json!([{"Key": "a", "Value": "x".repeat(257)}])),
                        "ValidationException",
                    ),
                    (on_node(tag("a\nb")), "ValidationException"),
                    (on_node(tag("AWS:a")), "ValidationException"),
                    (on_node(json!("x")), "SerializationException"),
                    (on_node(many), "TooManyTagsError"),
                    (input("Bridge", "x", tag("a")), "ValidationException"),
                    (input("PatchBaseline", "x", tag("a")), "InvalidResourceType"),
                    (
                        input("ManagedInstance", "mi-0fffffffffffffff0", tag("a")),
                        "InvalidResourceId",
                    ),
                    (input("ManagedInstance", "../x", tag("a")), "InvalidResourceId"),
                ],
            )
            .await;
    }
}
