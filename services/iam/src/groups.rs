//! Groups.

use drawbridge_session::iam::{Listing, NewGroup};
use drawbridge_session::{AccountId, iam};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::kind::{self, Named};
use crate::operation::{read, write};
use crate::page::{Page, Paging};
use crate::shape::seconds;
use crate::users::{BelowPath, User};
use crate::{Operation, needs};

pub(crate) const CREATE: Operation = write("iam:CreateGroup", needs::created::<kind::Group>, |iam, call| {
    iam.change(call, |directory, input: Create, at| {
        let new = NewGroup {
            name: &input.group_name,
            path: input.path.as_deref(),
        };
        let created = directory.create_group(new, at.now, at.random())?;
        Ok(json!({"Group": Group::of(&created, directory.account())}))
    })
});

pub(crate) const GET: Operation = read("iam:GetGroup", needs::named::<kind::Group>, |iam, call| {
    iam.look(call, |directory, input: Get, at| {
        let group = directory.group(&input.group_name)?;
        let cut = input.paging.cut(at)?;
        let users = directory.users_in(&input.group_name)?;
        let part = cut.by_key(users.map(|user| (user.name.to_ascii_lowercase(), user)));
        let account = directory.account();
        Ok(Members {
            group: Group::of(group, account),
            users: part.map(|user| User::listed(user, account)).under("Users"),
        })
    })
});

pub(crate) const UPDATE: Operation = write("iam:UpdateGroup", needs::moved::<kind::Group>, |iam, call| {
    iam.change(call, |directory, input: Update, _| {
        let (name, path) = (input.new_group_name.as_deref(), input.new_path.as_deref());
        directory.update_group(&input.group_name, name, path)
    })
});

pub(crate) const DELETE: Operation = write("iam:DeleteGroup", needs::named::<kind::Group>, |iam, call| {
    iam.change(call, |directory, input: Named, _| {
        directory.delete_group(&input.name)
    })
});

pub(crate) const LIST: Operation = read("iam:ListGroups", needs::below_path::<kind::Group>, |iam, call| {
    iam.look(call, |directory, input: BelowPath, at| {
        let cut = input.paging.cut(at)?;
        let groups = directory.groups(Listing {
            path_prefix: input.path_prefix.as_deref(),
            after: cut.after(),
        });
        let part = cut.by_key(groups.map(|group| (group.name.to_ascii_lowercase(), group)));
        let account = directory.account();
        Ok(part.map(|group| Group::of(group, account)).under("Groups"))
    })
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    group_name: String,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    group_name: String,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    group_name: String,
    new_group_name: Option<String>,
    new_path: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    group: Group,
    #[serde(flatten)]
    users: Page<User>,
}

/// A group as answers have it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Group {
    path: String,
    group_name: String,
    group_id: String,
    arn: String,
    create_date: i64,
}

impl Group {
    /// Shows a group.
    pub(crate) fn of(group: &iam::Group, account: &AccountId) -> Self {
        Self {
            path: group.path.to_string(),
            group_name: group.name.clone(),
            group_id: group.id.to_string(),
            arn: group.arn(account),
            create_date: seconds(group.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{Desk, NOW};

    #[tokio::test]
    async fn a_group_is_shown_with_who_is_in_it() {
        let desk = Desk::new().await;
        let created = desk
            .ask("CreateGroup", json!({"GroupName": "Dev", "Path": "/a/"}))
            .await;
        let id = &created["Group"]["GroupId"];
        assert!(id.as_str().is_some_and(|id| id.starts_with("AGPA")), "{id}");
        let group = json!({
            "Path": "/a/",
            "GroupName": "Dev",
            "GroupId": id,
            "Arn": "arn:aws:iam::123456789012:group/a/Dev",
            "CreateDate": NOW,
        });
        assert_eq!(created, json!({"Group": group}));
        let groups = json!({"Groups": [group], "IsTruncated": false});
        assert_eq!(desk.ask("ListGroups", json!({"PathPrefix": "/a/"})).await, groups);

        let membership = json!({"GroupName": "dev", "UserName": "admin"});
        desk.tell("AddUserToGroup", membership.clone()).await;
        let found = desk.ask("GetGroup", json!({"GroupName": "dev"})).await;
        let admin = desk.ask("GetUser", json!({})).await["User"].clone();
        assert_eq!(
            found,
            json!({"Group": group, "Users": [admin], "IsTruncated": false})
        );
        let user = || json!({"UserName": "admin"});
        assert_eq!(desk.ask("ListGroupsForUser", user()).await, groups);
        desk.tell("RemoveUserFromGroup", membership).await;
        let none = json!({"Groups": [], "IsTruncated": false});
        assert_eq!(desk.ask("ListGroupsForUser", user()).await, none);

        desk.tell(
            "UpdateGroup",
            json!({"GroupName": "dev", "NewGroupName": "ops", "NewPath": "/"}),
        )
        .await;
        let found = desk.ask("GetGroup", json!({"GroupName": "ops"})).await;
        assert_eq!(found["Group"]["Arn"], "arn:aws:iam::123456789012:group/ops");
    }
}
