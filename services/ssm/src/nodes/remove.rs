//! `RemoveNode`: forgets an enrolled node; its access key, its channel and its sessions end with it.
//!
//! `DeregisterManagedInstance` is for registered nodes only, as on AWS.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{forget, needs_node};
use crate::error::invalid_instance_id;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "RemoveNode",
    action: "drawbridge:RemoveNode",
    signed_with: SignedWith::AccessKey,
    needs: needs_node,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(remove(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_id: String,
}

async fn remove(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { instance_id } = input::read(input)?;
    let node = ssm
        .node(&caller, &instance_id)
        .await?
        .filter(|node| !node.id.is_registered())
        .ok_or_else(|| invalid_instance_id(&instance_id))?;
    forget(&ssm, &node.id).await?;
    tracing::info!(node.id = %node.id, principal.id = caller.principal.user_id(), "node removed");
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn the_node_vanishes_and_is_disconnected() {
        let house = House::new().await;
        let node = house.enrolled_node(&[]).await;
        house.relay.connect(&node.id);
        let input = json!({"InstanceId": node.id});
        assert_eq!(house.ask("RemoveNode", input.clone()).await, Ok(json!({})));
        assert_eq!(house.relay.disconnected(), vec![node.id.clone()]);
        let listed = house.ask("DescribeInstanceInformation", json!({})).await;
        assert_eq!(listed, Ok(json!({"InstanceInformationList": []})));
        let again = house.ask("RemoveNode", input).await;
        assert_eq!(again.expect_err("gone").code(), "InvalidInstanceId");
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let registered = house.node().await.id;
        house
            .refuses(
                "RemoveNode",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"InstanceId": registered}), "ValidationException"),
                    (json!({"InstanceId": "web-1"}), "ValidationException"),
                    (json!({"InstanceId": 1}), "SerializationException"),
                    (json!({"InstanceId": "i-0fffffffffffffff0"}), "InvalidInstanceId"),
                ],
            )
            .await;
        let node = house.enrolled_node(&[]).await;
        let input = json!({"InstanceId": node.id});
        let error = house
            .ask_as(house.node_role(&node), "RemoveNode", input.clone())
            .await;
        assert_eq!(error.expect_err("denied").code(), "AccessDeniedException");
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        let error = house.ask_as(elsewhere, "RemoveNode", input).await;
        assert_eq!(error.expect_err("not there").code(), "InvalidInstanceId");
    }
}
