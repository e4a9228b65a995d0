//! `UpdateInstanceInformation`: takes what a node's agent says of itself; it is also its sign of life.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{AgentReport, Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{internal, invalid_instance_id};
use crate::nodes::needs_node;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateInstanceInformation",
    action: "ssm:UpdateInstanceInformation",
    signed_with: SignedWith::AccessKey,
    needs: needs_node,
    audit: Audit::OFF,
    handler: |ssm, call| Box::pin(report(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_id: String,
    agent_name: Option<String>,
    agent_status: Option<String>,
    agent_version: Option<String>,
    availability_zone: Option<String>,
    computer_name: Option<String>,
    #[serde(rename = "IPAddress")]
    ip_address: Option<String>,
    platform_name: Option<String>,
    platform_type: Option<String>,
    platform_version: Option<String>,
}

async fn report(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let id = input.instance_id;
    let node = ssm.known_node(&caller, &id).await?;
    let report = AgentReport {
        name: input.agent_name,
        version: input.agent_version,
        status: input.agent_status,
        platform_type: input.platform_type,
        platform_name: input.platform_name,
        platform_version: input.platform_version,
        computer_name: input.computer_name,
        ip_address: input.ip_address,
        availability_zone: input.availability_zone,
    };
    if ssm
        .store
        .report_node(&node.id, report, ssm.clock.now())
        .await
        .map_err(internal)?
    {
        Ok(json!({}))
    } else {
        Err(invalid_instance_id(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn takes_the_short_report_and_the_full_one() {
        let house = House::new().await;
        let node = house.node().await;
        let short = json!({
            "InstanceId": node.id, "AgentName": "amazon-ssm-agent", "AgentVersion": "3.3.0.0", "PlatformType": "Linux",
        });
        let mut full = short.clone();
        full["AgentStatus"] = json!("Active");
        full["AvailabilityZone"] = json!("");
        full["SSMConnectionChannel"] = json!("");
        full["ComputerName"] = json!("web-1.example");
        for input in [short, full] {
            assert_eq!(
                house.ask_as(house.node_role(&node), OPERATION.name, input).await,
                Ok(json!({}))
            );
        }
        let stored = house
            .service
            .store
            .node(&node.id)
            .await
            .expect("read")
            .expect("there");
        assert_eq!(stored.agent.computer_name.as_deref(), Some("web-1.example"));
        assert_eq!(stored.agent.version.as_deref(), Some("3.3.0.0"));
    }

    #[tokio::test]
    async fn a_node_cannot_speak_for_another() {
        let house = House::new().await;
        let (node, other) = (house.node().await, house.node().await);
        let error = house
            .ask_as(
                house.node_role(&node),
                OPERATION.name,
                json!({"InstanceId": other.id}),
            )
            .await
            .expect_err("denied");
        assert_eq!(error.code(), "AccessDeniedException");
        let arn = format!("arn:aws:ssm:us-east-1:123456789012:managed-instance/{}", other.id);
        assert!(error.message().contains(&arn), "{error}");
        assert_eq!(
            house
                .service
                .store
                .node(&other.id)
                .await
                .expect("read")
                .expect("there")
                .last_ping_at,
            None
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let node = house.node().await;
        let with = |member: &str, value: Value| {
            let mut input = json!({"InstanceId": node.id});
            input[member] = value;
            input
        };
        house
            .refuses_as(
                &house.node_role(&node),
                OPERATION.name,
                &[
                    (json!({}), "ValidationException"),
                    (with("InstanceId", json!("web-1")), "ValidationException"),
                    (with("AgentVersion", json!("new")), "ValidationException"),
                    (with("PlatformType", json!("BeOS")), "ValidationException"),
                    (with("IPAddress", json!("x".repeat(129))), "ValidationException"),
                    (
                        with("ComputerName", json!("x".repeat(256))),
                        "ValidationException",
                    ),
                    (with("ComputerName", json!(1)), "SerializationException"),
                ],
            )
            .await;
        house
            .refuses(
                OPERATION.name,
                &[(
                    with("InstanceId", json!("mi-0fffffffffffffff0")),
                    "InvalidInstanceId",
                )],
            )
            .await;
    }
}
