//! The associations of a node, of which there are none: AWS's agent asks for them every ten minutes.

use drawbridge_session::{Audit, Caller, Needs, Resource, SignedWith};
use serde_json::{Value, json};

use crate::Operation;
use crate::nodes::needs_node;

pub(crate) const LIST_INSTANCE_ASSOCIATIONS: Operation = Operation {
    name: "ListInstanceAssociations",
    action: "ssm:ListInstanceAssociations",
    signed_with: SignedWith::AccessKey,
    needs: needs_node,
    audit: Audit::OFF,
    handler: |_, _| Box::pin(async { Ok(json!({ "Associations": [] })) }),
};

pub(crate) const LIST_ASSOCIATIONS: Operation = Operation {
    name: "ListAssociations",
    action: "ssm:ListAssociations",
    signed_with: SignedWith::AccessKey,
    needs: filtered_node,
    audit: Audit::READ,
    handler: |_, _| Box::pin(async { Ok(json!({ "Associations": [] })) }),
};

pub(crate) const UPDATE_INSTANCE_ASSOCIATION_STATUS: Operation = Operation {
    name: "UpdateInstanceAssociationStatus",
    action: "ssm:UpdateInstanceAssociationStatus",
    signed_with: SignedWith::AccessKey,
    needs: needs_node,
    audit: Audit::OFF,
    handler: |_, _| Box::pin(async { Ok(json!({})) }),
};

/// Names the node that the list is filtered by, or all of them.
fn filtered_node(caller: &Caller, input: &Value) -> Needs {
    let filters = input.get("AssociationFilterList").and_then(Value::as_array);
    let node = filters
        .into_iter()
        .flatten()
        .find(|filter| filter.get("key").and_then(Value::as_str) == Some("InstanceId"))
        .and_then(|filter| filter.get("value").and_then(Value::as_str));
    match node {
        Some(node) => Resource::node(&caller.region, &caller.account, node).into(),
        None => Resource::any().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    fn inputs(node: &str) -> [(&'static str, Value); 3] {
        let filter = json!([{"key": "InstanceId", "value": node}]);
        let result = json!({"ExecutionDate": 1_767_323_045, "ExecutionSummary": "done", "Status": "Success"});
        let status = json!({"AssociationId": "a", "InstanceId": node, "ExecutionResult": result});
        [
            (
                "ListInstanceAssociations",
                json!({"InstanceId": node, "MaxResults": 20}),
            ),
            (
                "ListAssociations",
                json!({"AssociationFilterList": filter, "MaxResults": 20}),
            ),
            ("UpdateInstanceAssociationStatus", status),
        ]
    }

    #[tokio::test]
    async fn a_node_has_none_and_may_not_ask_for_anothers() {
        let house = House::new().await;
        let (node, other) = (house.node().await, house.node().await);
        for (name, input) in inputs(node.id.as_str()) {
            house
                .ask_as(house.node_role(&node), name, input)
                .await
                .expect(name);
        }
        for (name, input) in inputs(other.id.as_str()) {
            let error = house
                .ask_as(house.node_role(&node), name, input)
                .await
                .expect_err(name);
            assert_eq!(error.code(), "AccessDeniedException", "{name}");
        }
        assert_eq!(
            house.ask("ListAssociations", json!({})).await,
            Ok(json!({"Associations": []}))
        );
        assert!(
            house
                .ask_as(house.node_role(&node), "ListAssociations", json!({}))
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "ListInstanceAssociations",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"InstanceId": "web-1"}), "ValidationException"),
                    (json!({"InstanceId": 1}), "SerializationException"),
                ],
            )
            .await;
        house
            .refuses(
                "ListAssociations",
                &[
                    (json!({"MaxResults": 51}), "ValidationException"),
                    (
                        json!({"AssociationFilterList": [{"key": "Colour", "value": "x"}]}),
                        "ValidationException",
                    ),
                    (json!({"AssociationFilterList": 1}), "SerializationException"),
                ],
            )
            .await;
        house
            .refuses(
                "UpdateInstanceAssociationStatus",
                &[
                    (json!({}), "ValidationException"),
                    (
                        json!({"AssociationId": "a", "InstanceId": "x", "ExecutionResult": {}}),
                        "ValidationException",
                    ),
                    (json!({"AssociationId": {}}), "SerializationException"),
                ],
            )
            .await;
    }
}
