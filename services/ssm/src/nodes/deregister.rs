//! `DeregisterManagedInstance`: forgets a node; its credentials, its channel and its sessions end with it.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{forget, needs_node};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeregisterManagedInstance",
    action: "ssm:DeregisterManagedInstance",
    signed_with: SignedWith::AccessKey,
    needs: needs_node,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(deregister(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_id: String,
}

async fn deregister(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { instance_id } = input::read(input)?;
    let node = ssm.known_node(&caller, &instance_id).await?;
    forget(&ssm, &node.id).await?;
    tracing::info!(node.id = %node.id, principal.id = caller.principal.user_id(), "node deregistered");
    Ok(json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn the_node_vanishes_and_is_disconnected() {
        let house = House::new().await;
        let node = house.online_node().await;
        let input = json!({"InstanceId": node.id});
        assert_eq!(
            house.ask("DeregisterManagedInstance", input.clone()).await,
            Ok(json!({}))
        );
        assert_eq!(house.relay.disconnected(), vec![node.id.clone()]);
        let listed = house.ask("DescribeInstanceInformation", json!({})).await;
        assert_eq!(listed, Ok(json!({"InstanceInformationList": []})));
        let started = house.ask("StartSession", json!({"Target": node.id})).await;
        assert_eq!(started.expect_err("gone").code(), "TargetNotConnected");
        let report = house
            .ask_as(house.node_role(&node), "UpdateInstanceInformation", input.clone())
            .await;
        assert_eq!(report.expect_err("gone").code(), "InvalidInstanceId");
        let again = house.ask("DeregisterManagedInstance", input).await;
        assert_eq!(again.expect_err("gone").code(), "InvalidInstanceId");
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "DeregisterManagedInstance",
                &[
                    (json!({}), "ValidationException"),
                    (
                        json!({"InstanceId": "i-0123456789abcdef0"}),
                        "ValidationException",
                    ),
                    (
                        json!({"InstanceId": "mi-0FFFFFFFFFFFFFFF0"}),
                        "ValidationException",
                    ),
                    (json!({"InstanceId": 1}), "SerializationException"),
                    (json!({"InstanceId": "mi-0fffffffffffffff0"}), "InvalidInstanceId"),
                ],
            )
            .await;
        let node = house.node().await;
        let error = house
            .ask_as(
                house.node_role(&node),
                "DeregisterManagedInstance",
                json!({"InstanceId": node.id}),
            )
            .await
            .expect_err("denied");
        assert_eq!(error.code(), "AccessDeniedException");
    }
}
