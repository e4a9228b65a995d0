//! `ListTagsForResource`: lists the tags of a node, a document or a parameter.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{find, need};
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "ListTagsForResource",
    action: "ssm:ListTagsForResource",
    signed_with: SignedWith::AccessKey,
    needs: |caller, input| need(caller, input).into(),
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(list(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    resource_type: String,
    resource_id: String,
}

async fn list(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let tagged = find(&ssm, &caller, &input.resource_type, &input.resource_id).await?;
    let tags = ssm.store.tags(tagged.tags()).await.map_err(internal)?;
    Ok(json!({ "TagList": tags }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn shows_what_the_activation_gave() {
        let house = House::new().await;
        let node = house.node().await;
        let input = json!({"ResourceType": "ManagedInstance", "ResourceId": node.id});
        let listed = house.done("ListTagsForResource", input.clone()).await;
        assert_eq!(
            listed,
            json!({"TagList": [{"Key": "Environment", "Value": "Dev"}]})
        );
        let error = house
            .ask_as(house.node_role(&node), "ListTagsForResource", input)
            .await
            .expect_err("denied");
        assert_eq!(error.code(), "AccessDeniedException");
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "ListTagsForResource",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"ResourceType": "ManagedInstance"}), "ValidationException"),
                    (
                        json!({"ResourceType": "ManagedInstance", "ResourceId": []}),
                        "SerializationException",
                    ),
                    (
                        json!({"ResourceType": "PatchBaseline", "ResourceId": "x"}),
                        "InvalidResourceType",
                    ),
                    (
                        json!({"ResourceType": "ManagedInstance", "ResourceId": "x"}),
                        "InvalidResourceId",
                    ),
                ],
            )
            .await;
    }
}
