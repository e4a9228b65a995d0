//! `UpdateManagedInstancePublicKey`: puts another key in the place of a node's, proven by the one before.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::RegistrationError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{calling_node, public_key};
use crate::error::{internal, invalid_instance_id};
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateManagedInstancePublicKey",
    action: "ssm:UpdateManagedInstancePublicKey",
    signed_with: SignedWith::NodeKey,
    needs: calling_node,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(rotate_key(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    new_public_key: String,
}

async fn rotate_key(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let public_key = public_key::read(&input.new_public_key)?;
    let id = caller.principal.node().map_or("", |node| node.as_str());
    let node = ssm.known_node(&caller, id).await?;
    match ssm.store.set_node_key(&node.id, &public_key).await {
        Ok(true) => {
            tracing::info!(node.id = %node.id, "node changed its key");
            Ok(json!({}))
        }
        Ok(false) => Err(invalid_instance_id(id)),
        Err(RegistrationError::PublicKeyInUse) => Err(AwsError::new(
            "InvalidPublicKey",
            "The public key belongs to another managed node.",
        )),
        Err(error) => Err(internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::public_key::tests::fresh;
    use crate::testing::House;

    #[tokio::test]
    async fn the_new_key_takes_the_place_of_the_old() {
        let house = House::new().await;
        let node = house.node().await;
        let key = fresh();
        let input = json!({"NewPublicKey": key, "NewPublicKeyType": "Rsa"});
        assert_eq!(
            house
                .ask_as(house.node_key(&node), OPERATION.name, input.clone())
                .await,
            Ok(json!({}))
        );
        let stored = house
            .service
            .store
            .node(&node.id)
            .await
            .expect("read")
            .expect("there")
            .public_key;
        assert_eq!(stored, public_key::read(&key).ok());
        let other = house.node().await;
        house
            .refuses_as(
                &house.node_key(&other),
                OPERATION.name,
                &[(input, "InvalidPublicKey")],
            )
            .await;
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let node = house.node().await;
        let key = fresh();
        house
            .refuses_as(
                &house.node_key(&node),
                OPERATION.name,
                &[
                    (json!({}), "ValidationException"),
                    (json!({"NewPublicKey": key}), "ValidationException"),
                    (
                        json!({"NewPublicKey": key, "NewPublicKeyType": "Dsa"}),
                        "ValidationException",
                    ),
                    (
                        json!({"NewPublicKey": [], "NewPublicKeyType": "Rsa"}),
                        "SerializationException",
                    ),
                    (
                        json!({"NewPublicKey": "A".repeat(392), "NewPublicKeyType": "Rsa"}),
                        "InvalidPublicKey",
                    ),
                ],
            )
            .await;
        let input = json!({"NewPublicKey": key, "NewPublicKeyType": "Rsa"});
        for caller in [house.node_role(&node), house.admin()] {
            let error = house
                .ask_as(caller, OPERATION.name, input.clone())
                .await
                .expect_err("denied");
            assert_eq!(error.code(), "AccessDeniedException");
        }
    }
}
