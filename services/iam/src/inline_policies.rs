//! The policies of users', groups' and roles' own.

use serde::Deserialize;
use serde_json::json;

use crate::kind::HoldsPolicies;
use crate::operation::{read, write};
use crate::page::Paging;
use crate::shape::encoded;
use crate::{Operation, needs};

/// Declares the operation that gives a kind of holder a policy of its own.
pub(crate) const fn put<K: HoldsPolicies>(action: &'static str) -> Operation {
    write(action, needs::named::<K>, |iam, call| {
        iam.change(call, |directory, input: Put, _| {
            let (policy, document) = (&input.policy_name, &input.policy_document);
            directory.put_inline_policy(K::holder(&input.name), policy, document)
        })
    })
}

/// Declares the operation that shows a policy of a kind of holder's own.
pub(crate) const fn get<K: HoldsPolicies>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: OfHolder, _| {
            let document = directory.inline_policy(K::holder(&input.name), &input.policy_name)?;
            Ok(json!({
                K::MEMBER: input.name,
                "PolicyName": input.policy_name,
                "PolicyDocument": encoded(document.text()),
            }))
        })
    })
}

/// Declares the operation that takes a policy of its own from a kind of holder.
pub(crate) const fn delete<K: HoldsPolicies>(action: &'static str) -> Operation {
    write(action, needs::named::<K>, |iam, call| {
        iam.change(call, |directory, input: OfHolder, _| {
            directory.delete_inline_policy(K::holder(&input.name), &input.policy_name)
        })
    })
}

/// Declares the operation that lists the names of the policies of a kind of holder's own.
pub(crate) const fn list<K: HoldsPolicies>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let held = directory.held_policies(K::holder(&input.name))?;
            let names = held.inline.keys().map(|name| (name.clone(), name.clone()));
            Ok(input.paging.cut(at)?.by_key(names).under("PolicyNames"))
        })
    })
}

#[derive(Deserialize)]
struct Put {
    #[serde(alias = "UserName", alias = "GroupName", alias = "RoleName")]
    name: String,
    #[serde(rename = "PolicyName")]
    policy_name: String,
    #[serde(rename = "PolicyDocument")]
    policy_document: String,
}

#[derive(Deserialize)]
struct OfHolder {
    #[serde(alias = "UserName", alias = "GroupName", alias = "RoleName")]
    name: String,
    #[serde(rename = "PolicyName")]
    policy_name: String,
}

#[derive(Deserialize)]
struct List {
    #[serde(alias = "UserName", alias = "GroupName", alias = "RoleName")]
    name: String,
    #[serde(flatten)]
    paging: Paging,
}
