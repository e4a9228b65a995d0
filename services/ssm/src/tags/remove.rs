//! `RemoveTagsFromResource`: removes tags from a node, a document or a parameter by their keys.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{find, need};
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "RemoveTagsFromResource",
    action: "ssm:RemoveTagsFromResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| {
        let keys = input["TagKeys"].as_array().into_iter().flatten();
        need(caller, input)
            .with_tag_keys(keys.filter_map(Value::as_str))
            .into()
    },
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(remove(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    resource_type: String,
    resource_id: String,
    tag_keys: Vec<String>,
}

async fn remove(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let tagged = find(&ssm, &caller, &input.resource_type, &input.resource_id).await?;
    ssm.store
        .remove_tags(tagged.tags(), &input.tag_keys)
        .await
        .map_err(internal)?;
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn removes_what_is_there_and_minds_nothing_else() {
        let house = House::new().await;
        let node = house.node().await.id;
        let input =
            json!({"ResourceType": "ManagedInstance", "ResourceId": node, "TagKeys": ["Environment", "x"]});
        assert_eq!(house.ask("RemoveTagsFromResource", input).await, Ok(json!({})));
        let input = json!({"ResourceType": "ManagedInstance", "ResourceId": node});
        assert_eq!(
            house.ask("ListTagsForResource", input).await,
            Ok(json!({"TagList": []}))
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let input = |kind: &str, id: &str, keys: Value| json!({"ResourceType": kind, "ResourceId": id, "TagKeys": keys});
        house
            .refuses(
                "RemoveTagsFromResource",
                &[
                    (json!({}), "ValidationException"),
                    (input("ManagedInstance", "x", json!([""])), "ValidationException"),
                    (input("ManagedInstance", "x", json!(7)), "SerializationException"),
                    (input("PatchBaseline", "x", json!(["a"])), "InvalidResourceType"),
                    (input("Document", "x", json!(["a"])), "InvalidResourceId"),
                    (
                        input("ManagedInstance", "mi-0fffffffffffffff0", json!(["a"])),
                        "InvalidResourceId",
                    ),
                ],
            )
            .await;
    }
}
