//! The policies of users', groups' and roles' own.

use serde::Deserialize;
use serde_json::json;

use crate::kind::{HoldsPolicies, Named};
use crate::operation::{read, write};
use crate::page::Paging;
use crate::shape::encoded;
use crate::{Operation, needs};

/// Declares the operation that gives a kind of holder a policy of its own.
pub(crate) const fn put<K: HoldsPolicies>(action: &'static str) -> Operation {
    write(action, needs::named::<K>, |iam, call| {
        iam.change(call, |directory, input: Put, _| {
            let (policy, document) = (&input.policy_name, &input.policy_document);
            directory.put_inline_policy(K::holder(&input.of.name), policy, document)
        })
    })
}

/// Declares the operation that shows a policy of a kind of holder's own.
pub(crate) const fn get<K: HoldsPolicies>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: OfHolder, _| {
            let document = directory.inline_policy(K::holder(&input.of.name), &input.policy_name)?;
            Ok(json!({
                K::MEMBER: input.of.name,
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
            directory.delete_inline_policy(K::holder(&input.of.name), &input.policy_name)
        })
    })
}

/// Declares the operation that lists the names of the policies of a kind of holder's own.
pub(crate) const fn list<K: HoldsPolicies>(action: &'static str) -> Operation {
    read(action, needs::named::<K>, |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let held = directory.held_policies(K::holder(&input.of.name))?;
            let names = held.inline.keys().map(|name| (name.clone(), name.clone()));
            Ok(input.paging.cut(at)?.by_key(names).under("PolicyNames"))
        })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    #[serde(flatten)]
    of: Named,
    policy_name: String,
    policy_document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfHolder {
    #[serde(flatten)]
    of: Named,
    policy_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(flatten)]
    of: Named,
    #[serde(flatten)]
    paging: Paging,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Desk;

    #[tokio::test]
    async fn a_policy_of_ones_own_is_shown_encoded_byte_by_byte() {
        let desk = Desk::new().await;
        desk.ask("CreateGroup", json!({"GroupName": "dev"})).await;
        let document = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/x": "\u00e9-._~ é"}}}}"#;
        for (kind, name) in [("User", "admin"), ("Group", "dev"), ("Role", "NodeRole")] {
            let member = format!("{kind}Name");
            let put = json!({&member: name, "PolicyName": "p", "PolicyDocument": document});
            desk.tell(&format!("Put{kind}Policy"), put).await;
            let get = json!({&member: name, "PolicyName": "p"});
            let expected = json!({
                &member: name,
                "PolicyName": "p",
                "PolicyDocument": "%7B%22Statement%22%3A%20%7B%22Effect%22%3A%20%22Allow%22%2C%20%22Action%22%3A%20\
                    %22%2A%22%2C%20%22Resource%22%3A%20%22%2A%22%2C%20%22Condition%22%3A%20%7B%22Str\
                    ingEquals%22%3A%20%7B%22aws%3APrincipalTag%2Fx%22%3A%20%22%5Cu00e9-._~%20%C3%A9%\
                    22%7D%7D%7D%7D",
            });
            assert_eq!(desk.ask(&format!("Get{kind}Policy"), get.clone()).await, expected);
            let list = || json!({&member: name});
            assert_eq!(
                desk.ask(&format!("List{kind}Policies"), list()).await,
                json!({"PolicyNames": ["p"], "IsTruncated": false})
            );
            desk.tell(&format!("Delete{kind}Policy"), get).await;
            assert_eq!(
                desk.ask(&format!("List{kind}Policies"), list()).await,
                json!({"PolicyNames": [], "IsTruncated": false})
            );
        }
    }
}
