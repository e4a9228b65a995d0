//! `DeleteActivation`: stops machines from registering with an activation; its nodes stay.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{ActivationId, Audit, Call, Resource, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeleteActivation",
    action: "ssm:DeleteActivation",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Resource::any().into(),
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(delete(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    activation_id: String,
}

async fn delete(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let invalid = || {
        let message = format!(
            "Activation {} does not exist in this account and region.",
            input.activation_id
        );
        AwsError::new("InvalidActivationId", message)
    };
    let id = ActivationId::parse(&input.activation_id).map_err(|_| invalid())?;
    let removed = ssm
        .store
        .remove_activation(&caller.account, &caller.region, &id)
        .await
        .map_err(internal)?;
    if removed { Ok(json!({})) } else { Err(invalid()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn removes_it_once() {
        let house = House::new().await;
        let created = house
            .done("CreateActivation", json!({"IamRole": "NodeRole"}))
            .await;
        let input = json!({"ActivationId": created["ActivationId"]});
        let mut elsewhere = house.admin();
        elsewhere.region = "eu-west-1".parse().expect("valid");
        let error = house
            .ask_as(elsewhere, "DeleteActivation", input.clone())
            .await
            .expect_err("not there");
        assert_eq!(error.code(), "InvalidActivationId");
        house.done("DeleteActivation", input.clone()).await;
        assert_eq!(
            house
                .ask("DeleteActivation", input)
                .await
                .expect_err("gone")
                .code(),
            "InvalidActivationId"
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house
            .refuses(
                "DeleteActivation",
                &[
                    (json!({}), "ValidationException"),
                    (json!({"ActivationId": "x"}), "ValidationException"),
                    (json!({"ActivationId": 1}), "SerializationException"),
                    (
                        json!({"ActivationId": "a0b1c2d3-0000-4000-8000-000000000000"}),
                        "InvalidActivationId",
                    ),
                ],
            )
            .await;
    }
}
