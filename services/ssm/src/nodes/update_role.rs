//! `UpdateManagedInstanceRole`: gives a node another role, from its next request on.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, Resource, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::named_node;
use crate::error::{internal, invalid_instance_id};
use crate::{Operation, Ssm, input, passed_role};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateManagedInstanceRole",
    action: "ssm:UpdateManagedInstanceRole",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(update_role(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    instance_id: String,
    iam_role: String,
}

/// The node, and the role that it gets.
fn needs(caller: &Caller, input: &Value) -> Needs {
    let role = Resource::role(&caller.account, input::text(input, "IamRole"));
    vec![
        Need::on(named_node(caller, input)),
        passed_role::need(role, passed_role::SSM),
    ]
    .into()
}

async fn update_role(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input {
        instance_id,
        iam_role,
    } = input::read(input)?;
    let node = ssm.known_node(&caller, &instance_id).await?;
    let role = passed_role::find(&ssm, &caller, &iam_role)?;
    if ssm
        .store
        .set_node_role(&node.id, &role.name)
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
        house.give_role("Other", "/", passed_role::SSM).await;
        let node = house.node().await.id;
        let input = json!({"InstanceId": node, "IamRole": "other"});
        assert_eq!(house.ask("UpdateManagedInstanceRole", input).await, Ok(json!({})));
        let listed = house.done("DescribeInstanceInformation", json!({})).await;
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
                        json!({"InstanceId": node, "IamRole": "Nobodys"}),
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
                        json!({"InstanceId": "mi-0fffffffffffffff0", "IamRole": "NodeRole"}),
                        "InvalidInstanceId",
                    ),
                ],
            )
            .await;
    }

    #[tokio::test]
    async fn whoever_gives_a_role_must_be_allowed_to_pass_it() {
        let house = House::new().await;
        let node = house.node().await.id;
        let may = json!([{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]);
        let alice = house.give_user("alice", may).await;
        let input = json!({"InstanceId": node, "IamRole": "NodeRole"});
        let error = house.ask_as(alice, "UpdateManagedInstanceRole", input).await;
        let error = error.expect_err("denied");
        assert_eq!(error.code(), "AccessDeniedException");
        assert!(error.message().contains("to perform: iam:PassRole on"), "{error}");
    }
}
