//! `RegisterManagedInstance`: makes a machine that knows an activation's code a managed node.
//!
//! The one operation without a signature. A registration always draws a new node id, so it cannot touch a node that
//! is there already.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{ActivationId, Audit, Call, NodeId, Resource, SignedWith};
use drawbridge_store::{Registration, RegistrationError, TokenHash};
use serde::Deserialize;
use serde_json::{Value, json};

use super::public_key;
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "RegisterManagedInstance",
    action: "ssm:RegisterManagedInstance",
    signed_with: SignedWith::Nothing,
    needs: |_, _| Resource::any().into(),
    audit: Audit::WRITE.hiding(&["ActivationCode"]),
    handler: |ssm, call| Box::pin(register(ssm, call)),
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    activation_code: Option<String>,
    activation_id: Option<String>,
    fingerprint: String,
    public_key: String,
}

async fn register(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let public_key = public_key::read(&input.public_key)?;
    let (Some(code), Some(id)) = (input.activation_code, input.activation_id) else {
        return Err(invalid_activation());
    };
    let registration = Registration {
        activation: ActivationId::parse(&id).map_err(|_| invalid_activation())?,
        code: TokenHash::of(&code),
        node: NodeId::generate(ssm.random.as_ref()),
        public_key,
        fingerprint: input.fingerprint,
    };
    match ssm.store.register_node(&registration, ssm.clock.now()).await {
        Ok(node) => {
            tracing::info!(node.id = %node.id, activation.id = id, source.ip = %caller.source_ip, "node registered");
            Ok(json!({ "InstanceId": node.id }))
        }
        Err(error) => {
            tracing::warn!(activation.id = id, source.ip = %caller.source_ip, %error, "registration refused");
            Err(refusal(error))
        }
    }
}

fn refusal(error: RegistrationError) -> AwsError {
    match error {
        RegistrationError::UnknownActivation => invalid_activation(),
        RegistrationError::Expired => AwsError::new("ActivationExpired", "The activation has expired."),
        RegistrationError::LimitReached => AwsError::new(
            "InvalidActivation",
            "The activation's registration limit is reached.",
        ),
        RegistrationError::PublicKeyInUse => AwsError::new(
            "PublicKeyAlreadyRegistered",
            "The public key belongs to a managed node already.",
        ),
        RegistrationError::Store(error) => internal(error),
    }
}

/// A wrong id and a wrong code look the same.
fn invalid_activation() -> AwsError {
    AwsError::new(
        "InvalidActivation",
        "The activation id or the activation code is not valid.",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::agents::public_key::tests::fresh;
    use crate::testing::House;

    async fn activation(house: &House, limit: u32) -> Value {
        let input = json!({
            "IamRole": "NodeRole", "DefaultInstanceName": "web-1", "RegistrationLimit": limit,
            "Tags": [{"Key": "Team", "Value": "web"}],
        });
        house.done("CreateActivation", input).await
    }

    fn registration(activation: &Value, key: &str) -> Value {
        json!({
            "ActivationId": activation["ActivationId"], "ActivationCode": activation["ActivationCode"],
            "Fingerprint": "3f0c1d9e-0000-4000-8000-000000000000", "PublicKey": key, "PublicKeyType": "Rsa",
        })
    }

    async fn ask(house: &House, input: Value) -> Result<Value, AwsError> {
        house
            .ask_as(house.anonymous(), "RegisterManagedInstance", input)
            .await
    }

    #[tokio::test]
    async fn the_machine_becomes_a_node_of_its_activation() {
        let house = House::new().await;
        let activation = activation(&house, 1).await;
        let answer = ask(&house, registration(&activation, &fresh()))
            .await
            .expect("registered");
        let id = NodeId::parse(answer["InstanceId"].as_str().expect("an id")).expect("valid");
        assert!(id.is_registered());
        let listed = house.done("DescribeInstanceInformation", json!({})).await;
        let shown = &listed["InstanceInformationList"][0];
        assert_eq!(shown["InstanceId"], id.as_str());
        assert_eq!(shown["Name"], "web-1");
        assert_eq!(shown["ActivationId"], activation["ActivationId"]);
        let tags = json!({"ResourceType": "ManagedInstance", "ResourceId": id});
        let tags = house.done("ListTagsForResource", tags).await;
        assert_eq!(tags, json!({"TagList": [{"Key": "Team", "Value": "web"}]}));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let activation = activation(&house, 10).await;
        let key = fresh();
        let with = |member: &str, value: Value| {
            let mut input = registration(&activation, &key);
            input[member] = value;
            input
        };
        house
            .refuses_as(
                &house.anonymous(),
                "RegisterManagedInstance",
                &[
                    (json!({}), "ValidationException"),
                    (with("Fingerprint", json!("")), "ValidationException"),
                    (with("PublicKey", json!("short")), "ValidationException"),
                    (with("PublicKey", json!("x".repeat(5000))), "ValidationException"),
                    (with("PublicKeyType", json!("Dsa")), "ValidationException"),
                    (with("ActivationCode", json!("short")), "ValidationException"),
                    (with("ActivationId", json!("../x")), "ValidationException"),
                    (with("PublicKey", json!(1)), "SerializationException"),
                    (with("PublicKey", json!("A".repeat(392))), "InvalidPublicKey"),
                    (with("PublicKey", json!("!".repeat(392))), "InvalidPublicKey"),
                    (with("ActivationCode", json!("A".repeat(20))), "InvalidActivation"),
                    (with("ActivationCode", Value::Null), "InvalidActivation"),
                    (
                        with("ActivationId", json!("a0b1c2d3-0000-4000-8000-000000000000")),
                        "InvalidActivation",
                    ),
                ],
            )
            .await;
        ask(&house, registration(&activation, &key))
            .await
            .expect("the right one");
        let again = ask(&house, registration(&activation, &key))
            .await
            .expect_err("the same key");
        assert_eq!(again.code(), "PublicKeyAlreadyRegistered");
    }

    #[tokio::test]
    async fn refuses_an_activation_that_is_late_used_up_or_deleted() {
        let house = House::new().await;
        let once = activation(&house, 1).await;
        ask(&house, registration(&once, &fresh()))
            .await
            .expect("the first");
        let second = ask(&house, registration(&once, &fresh()))
            .await
            .expect_err("used up");
        assert_eq!(second.code(), "InvalidActivation");

        let deleted = activation(&house, 1).await;
        let input = json!({"ActivationId": deleted["ActivationId"]});
        house.done("DeleteActivation", input).await;
        let error = ask(&house, registration(&deleted, &fresh()))
            .await
            .expect_err("deleted");
        assert_eq!(error.code(), "InvalidActivation");

        let late = activation(&house, 1).await;
        house.clock.advance(Duration::from_secs(24 * 3600));
        let error = ask(&house, registration(&late, &fresh()))
            .await
            .expect_err("late");
        assert_eq!(error.code(), "ActivationExpired");
    }

    #[tokio::test]
    async fn a_signature_is_not_what_registers() {
        let house = House::new().await;
        let activation = activation(&house, 1).await;
        let error = house
            .ask("RegisterManagedInstance", registration(&activation, &fresh()))
            .await;
        assert_eq!(error.expect_err("signed").code(), "AccessDeniedException");
    }

    #[tokio::test]
    async fn nothing_else_goes_without_a_signature() {
        let house = House::new().await;
        let node = house.online_node().await;
        for (name, input) in [
            ("StartSession", json!({"Target": node.id})),
            ("CreateActivation", json!({"IamRole": "NodeRole"})),
            ("UpdateInstanceInformation", json!({"InstanceId": node.id})),
            (
                "RequestManagedInstanceRoleToken",
                json!({"Fingerprint": "machine"}),
            ),
        ] {
            let error = house
                .ask_as(house.anonymous(), name, input)
                .await
                .expect_err("unsigned");
            assert_eq!(error.code(), "AccessDeniedException", "{name}");
        }
    }
}
