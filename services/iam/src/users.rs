//! Users.

use drawbridge_session::iam::{Listing, NewUser};
use drawbridge_session::{AccountId, Tag, iam};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::kind::{self, Named};
use crate::operation::{Occasion, read, write};
use crate::page::Paging;
use crate::shape::{Boundary, seconds};
use crate::whom::{Whom, Whose};
use crate::{Operation, needs, whom};

pub(crate) const CREATE: Operation = write("iam:CreateUser", needs::created::<kind::User>, |iam, call| {
    iam.change(call, |directory, input: Create, at| {
        let new = NewUser {
            name: &input.user_name,
            path: input.path.as_deref(),
            boundary: input.permissions_boundary.as_deref(),
            tags: input.tags,
        };
        let created = directory.create_user(new, at.now, at.random())?;
        Ok(json!({"User": User::whole(&created, directory.account())}))
    })
});

pub(crate) const GET: Operation = read("iam:GetUser", whom::needs, |iam, call| {
    iam.look(call, |directory, input: Whose, at| {
        let user = match Whom::of(input.user_name, directory, at)? {
            Whom::Root => User::root(at),
            Whom::User(name) => User::whole(directory.user(&name)?, directory.account()),
        };
        Ok(json!({"User": user}))
    })
});

pub(crate) const UPDATE: Operation = write("iam:UpdateUser", needs::moved::<kind::User>, |iam, call| {
    iam.change(call, |directory, input: Update, _| {
        let (name, path) = (input.new_user_name.as_deref(), input.new_path.as_deref());
        directory.update_user(&input.user_name, name, path)
    })
});

pub(crate) const DELETE: Operation = write("iam:DeleteUser", needs::named::<kind::User>, |iam, call| {
    iam.change(call, |directory, input: Named, _| {
        directory.delete_user(&input.name)
    })
});

pub(crate) const LIST: Operation = read("iam:ListUsers", needs::below_path::<kind::User>, |iam, call| {
    iam.look(call, |directory, input: BelowPath, at| {
        let cut = input.paging.cut(at)?;
        let users = directory.users(Listing {
            path_prefix: input.path_prefix.as_deref(),
            after: cut.after(),
        });
        let part = cut.by_key(users.map(|user| (user.name.to_ascii_lowercase(), user)));
        let account = directory.account();
        Ok(part.map(|user| User::listed(user, account)).under("Users"))
    })
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    user_name: String,
    path: Option<String>,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    user_name: String,
    new_user_name: Option<String>,
    new_path: Option<String>,
}

/// The input of the operations that list a kind of entity.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BelowPath {
    pub(crate) path_prefix: Option<String>,
    #[serde(flatten)]
    pub(crate) paging: Paging,
}

/// A user as answers have it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    user_id: String,
    arn: String,
    create_date: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl User {
    /// Shows a user in a list, which leaves out the boundary and the tags.
    pub(crate) fn listed(user: &iam::User, account: &AccountId) -> Self {
        Self {
            path: Some(user.path.to_string()),
            user_name: Some(user.name.clone()),
            user_id: user.id.to_string(),
            arn: user.arn(account),
            create_date: seconds(user.created_at),
            permissions_boundary: None,
            tags: Vec::new(),
        }
    }

    fn whole(user: &iam::User, account: &AccountId) -> Self {
        Self {
            permissions_boundary: user.boundary.as_ref().map(Boundary::of),
            tags: user.tags.as_slice().to_vec(),
            ..Self::listed(user, account)
        }
    }

    /// Shows the root of the caller's account, which is no user and has neither name nor path.
    fn root(at: &Occasion<'_>) -> Self {
        let id = &at.caller.account;
        let accounts = at.iam.store.accounts();
        let account = accounts.iter().find(|account| account.id == *id);
        Self {
            path: None,
            user_name: None,
            user_id: id.to_string(),
            arn: format!("arn:aws:iam::{id}:root"),
            create_date: seconds(account.map_or(at.now, |account| account.created_at)),
            permissions_boundary: None,
            tags: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_house::NODE_ROLE;
    use serde_json::json;

    use crate::testing::{AWS_POLICY, Desk, NOW};

    #[tokio::test]
    async fn a_user_is_shown_whole_and_in_lists_without_boundary_and_tags() {
        let desk = Desk::new().await;
        let input = json!({
            "UserName": "Alice", "Path": "/people/", "PermissionsBoundary": AWS_POLICY,
            "Tags": [{"Key": "Team", "Value": "blue"}],
        });
        let created = desk.ask("CreateUser", input).await;
        let id = &created["User"]["UserId"];
        assert!(id.as_str().is_some_and(|id| id.starts_with("AIDA")), "{id}");
        let listed = json!({
            "Path": "/people/",
            "UserName": "Alice",
            "UserId": id,
            "Arn": "arn:aws:iam::123456789012:user/people/Alice",
            "CreateDate": NOW,
        });
        let mut whole = listed.clone();
        whole["PermissionsBoundary"] =
            json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": AWS_POLICY});
        whole["Tags"] = json!([{"Key": "Team", "Value": "blue"}]);
        assert_eq!(created, json!({"User": whole}));
        assert_eq!(desk.ask("GetUser", json!({"UserName": "ALICE"})).await, created);
        assert_eq!(
            desk.ask("ListUsers", json!({"PathPrefix": "/people"})).await,
            json!({"Users": [listed], "IsTruncated": false})
        );
    }

    #[tokio::test]
    async fn another_name_takes_everything_along() {
        let desk = Desk::new().await;
        let before = desk.ask("CreateUser", json!({"UserName": "alice"})).await;
        let update = json!({"UserName": "alice", "NewUserName": "carol", "NewPath": "/a/"});
        desk.tell("UpdateUser", update).await;
        let after = desk.ask("GetUser", json!({"UserName": "carol"})).await;
        assert_eq!(after["User"]["UserId"], before["User"]["UserId"]);
        assert_eq!(after["User"]["Arn"], "arn:aws:iam::123456789012:user/a/carol");
    }

    #[tokio::test]
    async fn without_a_name_the_caller_is_meant() {
        let desk = Desk::new().await;
        let own = desk.ask("GetUser", json!({})).await;
        assert_eq!(own["User"]["UserName"], "admin");

        let root = desk.ask_as(desk.house.root_user(), "GetUser", json!({})).await;
        let expected = json!({"User": {
            "UserId": "123456789012", "Arn": "arn:aws:iam::123456789012:root", "CreateDate": NOW,
        }});
        assert_eq!(root, Ok(expected));

        let allow = r#"{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}"#;
        let input = json!({"RoleName": NODE_ROLE, "PolicyName": "p", "PolicyDocument": allow});
        desk.tell("PutRolePolicy", input).await;
        for operation in [
            "GetUser",
            "CreateAccessKey",
            "ListAccessKeys",
            "GetLoginProfile",
            "ListMFADevices",
        ] {
            let role = desk.house.role(NODE_ROLE, "someone");
            let error = desk
                .ask_as(role, operation, json!({}))
                .await
                .expect_err(operation);
            assert_eq!(
                error.to_string(),
                "ValidationError: Must specify userName when calling with non-User credentials"
            );
        }
    }
}
