//! Permissions boundaries of users and roles.

use serde::Deserialize;

use crate::kind::{HasBoundary, Named};
use crate::operation::write;
use crate::{Operation, needs};

/// Declares the operation that limits one of a kind.
pub(crate) const fn put<K: HasBoundary>(action: &'static str) -> Operation {
    write(action, needs::bounded::<K>, |iam, call| {
        iam.change(call, |directory, input: Put, _| {
            directory.put_boundary(K::bounded(&input.of.name), &input.permissions_boundary)
        })
    })
}

/// Declares the operation that removes the limit of one of a kind.
pub(crate) const fn delete<K: HasBoundary>(action: &'static str) -> Operation {
    write(action, needs::named::<K>, |iam, call| {
        iam.change(call, |directory, input: Named, _| {
            directory.delete_boundary(K::bounded(&input.name))
        })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    #[serde(flatten)]
    of: Named,
    permissions_boundary: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{AWS_POLICY, Desk};

    #[tokio::test]
    async fn users_and_roles_have_a_boundary_or_none() {
        let desk = Desk::new().await;
        desk.ask("CreateUser", json!({"UserName": "alice"})).await;
        for (kind, name) in [("User", "alice"), ("Role", "NodeRole")] {
            let member = format!("{kind}Name");
            let named = || json!({&member: name});
            let put = json!({&member: name, "PermissionsBoundary": AWS_POLICY});
            desk.tell(&format!("Put{kind}PermissionsBoundary"), put).await;
            let boundary =
                desk.ask(&format!("Get{kind}"), named()).await[kind]["PermissionsBoundary"].clone();
            assert_eq!(
                boundary,
                json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": AWS_POLICY})
            );
            desk.tell(&format!("Delete{kind}PermissionsBoundary"), named())
                .await;
            let shown = desk.ask(&format!("Get{kind}"), named()).await;
            assert_eq!(shown[kind]["PermissionsBoundary"], Value::Null);
        }
    }
}
