//! Inventory and compliance of a node, which are accepted and not kept.

use drawbridge_session::{Audit, Caller, Needs, Resource, SignedWith};
use serde_json::{Value, json};

use crate::nodes::needs_node;
use crate::{Operation, input};

pub(crate) const PUT_INVENTORY: Operation = Operation {
    name: "PutInventory",
    action: "ssm:PutInventory",
    signed_with: SignedWith::AccessKey,
    needs: needs_node,
    audit: Audit::OFF,
    handler: |_, _| Box::pin(async { Ok(json!({})) }),
};

pub(crate) const PUT_COMPLIANCE_ITEMS: Operation = Operation {
    name: "PutComplianceItems",
    action: "ssm:PutComplianceItems",
    signed_with: SignedWith::AccessKey,
    needs: judged_node,
    audit: Audit::OFF,
    handler: |_, _| Box::pin(async { Ok(json!({})) }),
};

fn judged_node(caller: &Caller, input: &Value) -> Needs {
    Resource::node(&caller.region, &caller.account, input::text(input, "ResourceId")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    fn inputs(node: &str) -> [(&'static str, Value); 2] {
        let item = json!({"TypeName": "AWS:Application", "SchemaVersion": "1.1", "CaptureTime": "2026-01-02T03:04:05Z"});
        let compliance = json!({
            "ResourceId": node, "ResourceType": "ManagedInstance", "ComplianceType": "Association",
            "ExecutionSummary": {"ExecutionTime": 1_767_323_045}, "Items": [],
        });
        [
            ("PutInventory", json!({"InstanceId": node, "Items": [item]})),
            ("PutComplianceItems", compliance),
        ]
    }

    #[tokio::test]
    async fn a_node_may_send_its_own_only() {
        let house = House::new().await;
        let (node, other) = (house.node().await, house.node().await);
        for (name, input) in inputs(node.id.as_str()) {
            assert_eq!(
                house.ask_as(house.node_role(&node), name, input).await,
                Ok(json!({}))
            );
        }
        for (name, input) in inputs(other.id.as_str()) {
            let error = house
                .ask_as(house.node_role(&node), name, input)
                .await
                .expect_err(name);
            assert_eq!(error.code(), "AccessDeniedException", "{name}");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "PutInventory",
                &[
                    (json!({}), "ValidationException"),
                    (
                        json!({"InstanceId": "mi-0fffffffffffffff0", "Items": []}),
                        "ValidationException",
                    ),
                    (
                        json!({"InstanceId": "mi-0fffffffffffffff0", "Items": 1}),
                        "SerializationException",
                    ),
                ],
            )
            .await;
        house
            .refuses(
                "PutComplianceItems",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"ResourceId": 1}), "SerializationException"),
                ],
            )
            .await;
    }
}
