//! The managed policies that are attached to users, groups and roles.

use drawbridge_session::iam::PolicyArn;
use serde::{Deserialize, Serialize};

use crate::kind::{HoldsPolicies, Named};
use crate::operation::{read, write};
use crate::page::Paging;
use crate::{Operation, needs};

/// Declares the operation that attaches a policy to a kind of holder.
pub(crate) const fn attach<K: HoldsPolicies>(action: &'static str) -> Operation {
    write(action, needs::with_policy::<K>, |iam, call| {
        iam.change(call, |directory, input: Attachment, _| {
            directory.attach_policy(K::holder(&input.of.name), &input.policy_arn)
        })
    })
}

/// Declares the operation that detaches a policy from a kind of holder.
pub(crate) const fn detach<K: HoldsPolicies>(action: &'static str) -> Operation {
    write(action, needs::with_policy::<K>, |iam, call| {
        iam.change(call, |directory, input: Attachment, _| {
            directory.detach_policy(K::holder(&input.of.name), &input.policy_arn)
        })
    })
}

/// Declares the operation that lists what is attached to a kind of holder.
pub(crate) const fn list<K: HoldsPolicies>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let held = directory.held_policies(K::holder(&input.of.name))?;
            let prefix = input.path_prefix.as_deref().unwrap_or("/");
            let below = held.attached.iter().filter(|arn| arn.path().starts_with(prefix));
            let part = input.paging.cut(at)?.by_place(below)?;
            Ok(part.map(AttachedPolicy::of).under("AttachedPolicies"))
        })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    #[serde(flatten)]
    of: Named,
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(flatten)]
    of: Named,
    path_prefix: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttachedPolicy {
    policy_name: String,
    policy_arn: String,
}

impl AttachedPolicy {
    fn of(arn: &PolicyArn) -> Self {
        Self {
            policy_name: arn.name().to_owned(),
            policy_arn: arn.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{AWS_POLICY, Desk};

    #[tokio::test]
    async fn what_is_attached_is_listed_by_path() {
        let desk = Desk::new().await;
        let ec2 = "arn:aws:iam::aws:policy/service-role/AmazonEC2RoleforSSM";
        let role = || json!({"RoleName": "NodeRole"});
        desk.tell(
            "AttachRolePolicy",
            json!({"RoleName": "NodeRole", "PolicyArn": ec2}),
        )
        .await;
        let shown = |arn: &str| json!({"PolicyName": arn.rsplit('/').next(), "PolicyArn": arn});
        assert_eq!(
            desk.ask("ListAttachedRolePolicies", role()).await,
            json!({"AttachedPolicies": [shown(AWS_POLICY), shown(ec2)], "IsTruncated": false})
        );
        let below = json!({"RoleName": "NodeRole", "PathPrefix": "/service-role/"});
        assert_eq!(
            desk.ask("ListAttachedRolePolicies", below).await,
            json!({"AttachedPolicies": [shown(ec2)], "IsTruncated": false})
        );
        desk.tell(
            "DetachRolePolicy",
            json!({"RoleName": "NodeRole", "PolicyArn": AWS_POLICY}),
        )
        .await;
        assert_eq!(
            desk.ask("ListAttachedRolePolicies", role()).await,
            json!({"AttachedPolicies": [shown(ec2)], "IsTruncated": false})
        );
    }
}
