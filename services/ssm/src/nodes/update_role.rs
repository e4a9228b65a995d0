//! `UpdateManagedInstanceRole`: gives a node another role, from its next credentials on.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{check_role_name, needs_node};
use crate::error::{internal, invalid_instance_id};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateManagedInstanceRole",
    action: "ssm:UpdateManagedInstanceRole",
    signed_with: SignedWith::AccessKey,
    needs: needs_node,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(update_role(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_id: String,
    iam_role: String,
}

async fn update_role(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input {
        instance_id,
        iam_role,
    } = input::read(input)?;
    check_role_name(&iam_role)?;
    let node = ssm
        .node(&caller, &instance_id)
        .await?
        .ok_or_else(|| invalid_instance_id(&instance_id))?;
    if ssm
        .store
        .set_node_role(&node.id, &iam_role)
        .await
        .map_err(internal)?
    {
        Ok(json!({}))
    } else {
        Err(invalid_instance_id(&instance_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn the_node_shows_its_new_role() {
        let house = House::new().await;
        let node = house.node().await.id;
        let input = json!({"InstanceId": node, "IamRole": "Other"});
        assert_eq!(house.ask("UpdateManagedInstanceRole", input).await, Ok(json!({})));
        let listed = house
            .ask("DescribeInstanceInformation", json!({}))
            .await
            .expect("listed");
        assert_eq!(listed["InstanceInformationList"][0]["IamRole"], "Other");
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let node = house.node().await.id;
        house
            .refuses(
                "UpdateManagedInstanceRole",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"InstanceId": node}), "ValidationException"),
                    (
                        json!({"InstanceId": node, "IamRole": "service-role/x"}),
                        "ValidationException",
                    ),
                    (json!({"InstanceId": node, "IamRole": ""}), "ValidationException"),
                    (
                        json!({"InstanceId": node, "IamRole": "x".repeat(65)}),
                        "ValidationException",
                    ),
                    (
                        json!({"InstanceId": "web-1", "IamRole": "x"}),
                        "ValidationException",
                    ),
                    (
                        json!({"InstanceId": node, "IamRole": []}),
                        "SerializationException",
                    ),
                    (
                        json!({"InstanceId": "mi-0fffffffffffffff0", "IamRole": "x"}),
                        "InvalidInstanceId",
                    ),
                ],
            )
            .await;
    }
}
