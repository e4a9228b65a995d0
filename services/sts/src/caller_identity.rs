//! `GetCallerIdentity`: tells a caller who they are; it needs a signature and no permission.

use drawbridge_session::{Audit, Needs, SignedWith};
use serde_json::json;

use crate::Operation;

pub(crate) const OPERATION: Operation = Operation {
    name: "GetCallerIdentity",
    action: "sts:GetCallerIdentity",
    signed_with: SignedWith::AccessKey,
    needs: |_, _| Needs::Signature,
    audit: Audit::READ,
    handler: |_, call| {
        let principal = call.caller().principal.clone();
        Box::pin(async move {
            Ok(json!({
                "UserId": principal.user_id(),
                "Account": principal.account(),
                "Arn": principal.arn(),
            }))
        })
    },
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use drawbridge_aws_dialects::error::AwsError;
    use drawbridge_aws_dialects::model;
    use drawbridge_house::{House, NODE_ROLE};
    use drawbridge_session::Caller;
    use drawbridge_store::Directories as _;
    use serde_json::Value;

    use super::*;
    use crate::Sts;

    async fn ask(house: &House, caller: Caller) -> Result<Value, AwsError> {
        let sts = Sts::new(
            house.store.clone(),
            house.root.clone(),
            house.clock.clone(),
            house.random.clone(),
        );
        house
            .ask(&Arc::new(sts), model::sts(), &OPERATION, caller, json!({}))
            .await
    }

    #[tokio::test]
    async fn tells_users_nodes_roles_and_the_root_who_they_are() {
        let house = House::new().await;
        let (user_id, role_id) = {
            let directory = house.store.directory(&house.account).expect("an account");
            let user = directory.user("admin").expect("a user").id.to_string();
            (user, directory.role(NODE_ROLE).expect("a role").id.to_string())
        };
        let expected = json!({
            "UserId": user_id, "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/admin",
        });
        assert_eq!(ask(&house, house.admin()).await, Ok(expected));

        let node = house.node().await;
        let answer = ask(&house, house.node_role(&node)).await.expect("answered");
        let arn = format!("arn:aws:sts::123456789012:assumed-role/NodeRole/{}", node.id);
        assert_eq!(answer["Arn"], arn);

        let answer = ask(&house, house.role(NODE_ROLE, "bob")).await.expect("answered");
        assert_eq!(answer["UserId"], format!("{role_id}:bob"));

        let root = ask(&house, house.root_user()).await.expect("answered");
        assert_eq!(root["Arn"], "arn:aws:iam::123456789012:root");
    }

    #[tokio::test]
    async fn tells_nothing_without_a_signature_or_to_a_nodes_own_key() {
        let house = House::new().await;
        let node = house.node().await;
        for caller in [house.anonymous(), house.node_key(&node)] {
            let error = ask(&house, caller).await.expect_err("denied");
            assert_eq!((error.code(), error.status().as_u16()), ("AccessDenied", 403));
        }
    }
}
