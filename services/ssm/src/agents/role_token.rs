//! `RequestManagedInstanceRoleToken`: gives a node, proven by its own key, the credentials of its role.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Secret, SignedWith};
use drawbridge_store::{Holder, TemporaryCredentials};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::calling_node;
use crate::error::internal;
use crate::service::later;
use crate::{Operation, Ssm, input, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: "RequestManagedInstanceRoleToken",
    action: "ssm:RequestManagedInstanceRoleToken",
    signed_with: SignedWith::NodeKey,
    needs: calling_node,
    audit: Audit::WRITE.hiding(&["SecretAccessKey", "SessionToken"]),
    handler: |ssm, call| Box::pin(role_token(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    fingerprint: String,
}

/// All five members, always: AWS's agent reads each of them without looking.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Secret,
    #[serde(serialize_with = "wire::epoch")]
    token_expiration_date: Timestamp,
    update_key_pair: bool,
}

async fn role_token(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input { fingerprint } = input::read(input)?;
    let id = caller.principal.node().map_or("", |node| node.as_str());
    let node = ssm.known_node(&caller, id).await?;
    if !Secret::new(node.fingerprint.as_str()).equals(&fingerprint) {
        tracing::warn!(node.id = %node.id, source.ip = %caller.source_ip, "a node's key came from another machine");
        return Err(AwsError::new(
            "MachineFingerprintDoesNotMatch",
            "The fingerprint is not the one that the managed node registered with.",
        ));
    }
    let holder = Holder::Node {
        node: node.id,
        region: node.region,
    };
    let expires_at = later(ssm.clock.now(), ssm.settings.node_credential_lifetime);
    let minted = TemporaryCredentials::mint(holder, None, expires_at, &ssm.root, ssm.random.as_ref());
    let output = Output {
        access_key_id: minted.access_key_id.to_string(),
        secret_access_key: minted.secret_access_key,
        session_token: minted.session_token,
        token_expiration_date: minted.expires_at,
        update_key_pair: false,
    };
    serde_json::to_value(&output).map_err(internal)
}

#[cfg(test)]
mod tests {
    use drawbridge_session::Clock as _;
    use drawbridge_store::{Credential, credentials};
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn the_credentials_prove_the_node() {
        let house = House::new().await;
        let node = house.node().await;
        let input = json!({"Fingerprint": "machine"});
        let answer = house.done_as(house.node_key(&node), OPERATION.name, input).await;
        assert_eq!(answer["TokenExpirationDate"], json!(1_767_323_045.0 + 3600.0));
        assert_eq!(answer["UpdateKeyPair"], false);
        let text = |member: &str| answer[member].as_str().expect("a text");
        let found = credentials::credential(
            house.service.store.as_ref(),
            &house.service.root,
            text("AccessKeyId"),
            Some(text("SessionToken")),
            &node.region,
            house.clock.now(),
        )
        .await
        .expect("known");
        let Credential::Secret {
            secret, principal, ..
        } = found
        else {
            panic!("not a secret")
        };
        assert!(secret.equals(text("SecretAccessKey")));
        assert_eq!(principal, house.node_role(&node).principal);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        let node = house.node().await;
        house
            .refuses_as(
                &house.node_key(&node),
                OPERATION.name,
                &[
                    (json!({}), "ValidationException"),
                    (json!({"Fingerprint": ""}), "ValidationException"),
                    (json!({"Fingerprint": 1}), "SerializationException"),
                    (
                        json!({"Fingerprint": "another machine"}),
                        "MachineFingerprintDoesNotMatch",
                    ),
                    (
                        json!({"Fingerprint": "Machine"}),
                        "MachineFingerprintDoesNotMatch",
                    ),
                ],
            )
            .await;
        house
            .done("DeregisterManagedInstance", json!({"InstanceId": node.id}))
            .await;
        house
            .refuses_as(
                &house.node_key(&node),
                OPERATION.name,
                &[(json!({"Fingerprint": "machine"}), "InvalidInstanceId")],
            )
            .await;
    }

    #[tokio::test]
    async fn only_the_nodes_own_key_will_do() {
        let house = House::new().await;
        let node = house.node().await;
        for caller in [house.node_role(&node), house.admin(), house.as_role("bob")] {
            let error = house
                .ask_as(caller, OPERATION.name, json!({"Fingerprint": "machine"}))
                .await;
            assert_eq!(error.expect_err("denied").code(), "AccessDeniedException");
        }
    }

    #[tokio::test]
    async fn a_nodes_key_does_nothing_else() {
        let house = House::new().await;
        let node = house.node().await;
        let report = json!({"InstanceId": node.id});
        let error = house
            .ask_as(house.node_key(&node), "UpdateInstanceInformation", report)
            .await;
        assert_eq!(error.expect_err("denied").code(), "AccessDeniedException");
    }
}
