//! The managed policies that are attached to users, groups and roles.

use drawbridge_session::iam::PolicyArn;
use serde::{Deserialize, Serialize};

use crate::kind::HoldsPolicies;
use crate::operation::{read, write};
use crate::page::Paging;
use crate::{Operation, needs};

/// Declares the operation that attaches a policy to a kind of holder.
pub(crate) const fn attach<K: HoldsPolicies>(action: &'static str) -> Operation {
    write(action, needs::with_policy::<K>, |iam, call| {
        iam.change(call, |directory, input: Attachment, _| {
            directory.attach_policy(K::holder(&input.name), &input.policy_arn)
        })
    })
}

/// Declares the operation that detaches a policy from a kind of holder.
pub(crate) const fn detach<K: HoldsPolicies>(action: &'static str) -> Operation {
    write(action, needs::with_policy::<K>, |iam, call| {
        iam.change(call, |directory, input: Attachment, _| {
            directory.detach_policy(K::holder(&input.name), &input.policy_arn)
        })
    })
}

/// Declares the operation that lists what is attached to a kind of holder.
pub(crate) const fn list<K: HoldsPolicies>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let held = directory.held_policies(K::holder(&input.name))?;
            let prefix = input.path_prefix.as_deref().unwrap_or("/");
            let below = held.attached.iter().filter(|arn| arn.path().starts_with(prefix));
            let part = input.paging.cut(at)?.by_place(below)?;
            Ok(part.map(AttachedPolicy::of).under("AttachedPolicies"))
        })
    })
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(alias = "UserName", alias = "GroupName", alias = "RoleName")]
    name: String,
    #[serde(rename = "PolicyArn")]
    policy_arn: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(alias = "UserName", alias = "GroupName", alias = "RoleName")]
    name: String,
    #[serde(rename = "PathPrefix")]
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
