//! `GetConnectionStatus`: whether a session could be started on a node at this moment.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Resource, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetConnectionStatus",
    action: "ssm:GetConnectionStatus",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(connection_status(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    target: String,
}

async fn connection_status(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { target } = input::read(input)?;
    let connected = match ssm.node(&caller, &target).await? {
        Some(node) => ssm.relay.node_connected(&node.id, Duration::ZERO).await,
        None => false,
    };
    Ok(json!({ "Target": target, "Status": if connected { "connected" } else { "notconnected" } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn tells_a_node_that_is_up_from_all_others() {
        let house = House::new().await;
        let up = house.online_node().await.id.to_string();
        let down = house.node().await.id.to_string();
        for (target, status) in [
            (up.as_str(), "connected"),
            (&down, "notconnected"),
            ("mi-0fffffffffffffff0", "notconnected"),
            ("nonsense", "notconnected"),
        ] {
            let answer = house.done("GetConnectionStatus", json!({"Target": target})).await;
            assert_eq!(answer, json!({"Target": target, "Status": status}));
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "GetConnectionStatus",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"Target": ""}), "ValidationException"),
                    (json!({"Target": "x".repeat(401)}), "ValidationException"),
                    (json!({"Target": {}}), "SerializationException"),
                ],
            )
            .await;
    }
}
