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
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use drawbridge_aws_dialects::error::AwsError;
    use drawbridge_aws_dialects::model;
    use drawbridge_session::{AccountId, Caller, NodeId, Principal, Random as _, Region, SeededRandom};
    use serde_json::Value;

    use super::*;
    use crate::{OPERATIONS, Sts};

    fn account() -> AccountId {
        AccountId::parse("123456789012").expect("valid")
    }

    async fn ask(principal: Principal, signed_with: SignedWith) -> Result<Value, AwsError> {
        let caller = Caller {
            principal,
            signed_with,
            account: account(),
            region: Region::parse("us-east-1").expect("valid"),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: SeededRandom::new(1).uuid(),
            host: "bridge.example".into(),
        };
        let operation = Sts::operation("GetCallerIdentity").expect("there");
        Arc::new(Sts).call(operation, caller, json!({})).await
    }

    #[test]
    fn every_modelled_operation_has_a_handler() {
        let modelled: Vec<_> = model::sts().operations().map(|it| it.name().to_owned()).collect();
        let handled: Vec<_> = OPERATIONS.iter().map(|it| it.name.to_owned()).collect();
        assert_eq!(handled, modelled);
    }

    #[tokio::test]
    async fn tells_users_nodes_roles_and_the_root_who_they_are() {
        let user = Principal::User {
            account: account(),
            name: "alice".into(),
            id: "AIDAALICE".into(),
        };
        let expected = json!({
            "UserId": "AIDAALICE", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/alice",
        });
        assert_eq!(ask(user, SignedWith::AccessKey).await, Ok(expected));

        let node = NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid");
        let node = Principal::Node {
            account: account(),
            role: "Role".into(),
            node,
        };
        let answer = ask(node, SignedWith::AccessKey).await.expect("answered");
        assert_eq!(
            answer["Arn"],
            "arn:aws:sts::123456789012:assumed-role/Role/mi-0a1b2c3d4e5f67890"
        );

        let role = Principal::AssumedRole {
            account: account(),
            role: "Ops".into(),
            session_name: "bob".into(),
            id: "AROAOPS".into(),
        };
        assert_eq!(
            ask(role, SignedWith::AccessKey).await.expect("answered")["UserId"],
            "AROAOPS:bob"
        );

        let root = ask(Principal::Root { account: account() }, SignedWith::AccessKey)
            .await
            .expect("answered");
        assert_eq!(root["Arn"], "arn:aws:iam::123456789012:root");
    }

    #[tokio::test]
    async fn tells_nothing_without_a_signature_or_to_a_nodes_own_key() {
        let nobody = Principal::Anonymous { account: account() };
        let node = NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid");
        let node = Principal::Node {
            account: account(),
            role: "Role".into(),
            node,
        };
        for (principal, signed_with) in [(nobody, SignedWith::Nothing), (node, SignedWith::NodeKey)] {
            let error = ask(principal, signed_with).await.expect_err("denied");
            assert_eq!((error.code(), error.status().as_u16()), ("AccessDenied", 403));
        }
    }
}
