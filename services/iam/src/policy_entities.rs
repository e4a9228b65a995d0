//! Who uses a managed policy.

use std::sync::Arc;

use drawbridge_session::iam::{Group, PolicyEntities, PolicyUse, Role, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::operation::read;
use crate::page::{Paging, Part};
use crate::policies::UsageFilter;
use crate::{Operation, kind, needs};

pub(crate) const LIST: Operation = read(
    "iam:ListEntitiesForPolicy",
    needs::named::<kind::Policy>,
    |iam, call| {
        iam.look(call, |directory, input: List, at| {
            let how = input.policy_usage_filter.map(|filter| match filter {
                UsageFilter::PermissionsPolicy => PolicyUse::Attachment,
                UsageFilter::PermissionsBoundary => PolicyUse::Boundary,
            });
            let found = directory.entities_for_policy(&input.policy_arn, how)?;
            let asked = everyone(&found).filter(|entity| input.asks_for(*entity));
            let keyed = asked.map(|entity| (entity.key(), entity));
            Ok(Answer::of(input.paging.cut(at)?.by_key(keyed)))
        })
    },
);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    policy_arn: String,
    entity_filter: Option<String>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<UsageFilter>,
    #[serde(flatten)]
    paging: Paging,
}

impl List {
    fn asks_for(&self, entity: Entity<'_>) -> bool {
        let (kind, path) = match entity {
            Entity::Group(group) => ("Group", &group.path),
            Entity::Role(role) => ("Role", &role.path),
            Entity::User(user) => ("User", &user.path),
        };
        let prefix = self.path_prefix.as_deref().unwrap_or("/");
        self.entity_filter.as_deref().is_none_or(|filter| filter == kind) && path.as_str().starts_with(prefix)
    }
}

#[derive(Clone, Copy)]
enum Entity<'a> {
    Group(&'a Arc<Group>),
    Role(&'a Arc<Role>),
    User(&'a Arc<User>),
}

impl Entity<'_> {
    /// Keys are in the order of [`everyone`].
    fn key(self) -> String {
        let (kind, name) = match self {
            Self::Group(group) => (0, &group.name),
            Self::Role(role) => (1, &role.name),
            Self::User(user) => (2, &user.name),
        };
        format!("{kind} {}", name.to_ascii_lowercase())
    }
}

fn everyone<'a>(found: &PolicyEntities<'a>) -> impl Iterator<Item = Entity<'a>> {
    let groups = found.groups.iter().copied().map(Entity::Group);
    let roles = found.roles.iter().copied().map(Entity::Role);
    let users = found.users.iter().copied().map(Entity::User);
    groups.chain(roles).chain(users)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    policy_groups: Vec<Value>,
    policy_roles: Vec<Value>,
    policy_users: Vec<Value>,
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

impl Answer {
    fn of(part: Part<Entity<'_>>) -> Self {
        let mut answer = Self {
            policy_groups: Vec::new(),
            policy_roles: Vec::new(),
            policy_users: Vec::new(),
            is_truncated: part.marker.is_some(),
            marker: part.marker,
        };
        for entity in part.items {
            match entity {
                Entity::Group(group) => {
                    let shown = json!({"GroupName": group.name, "GroupId": group.id});
                    answer.policy_groups.push(shown);
                }
                Entity::Role(role) => {
                    let shown = json!({"RoleName": role.name, "RoleId": role.id});
                    answer.policy_roles.push(shown);
                }
                Entity::User(user) => {
                    let shown = json!({"UserName": user.name, "UserId": user.id});
                    answer.policy_users.push(shown);
                }
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::{ALLOW, Desk, TRUST, policy_arn};

    #[tokio::test]
    async fn tells_who_uses_a_policy_and_how() {
        let desk = Desk::new().await;
        let arn = policy_arn("own");
        let group = desk.ask("CreateGroup", json!({"GroupName": "dev"})).await["Group"].clone();
        let role = json!({"RoleName": "web", "Path": "/a/", "AssumeRolePolicyDocument": TRUST});
        let role = desk.ask("CreateRole", role).await["Role"].clone();
        let user = desk.ask("GetUser", json!({})).await["User"].clone();
        desk.ask(
            "CreatePolicy",
            json!({"PolicyName": "own", "PolicyDocument": ALLOW}),
        )
        .await;
        desk.tell("AttachGroupPolicy", json!({"GroupName": "dev", "PolicyArn": arn}))
            .await;
        desk.tell("AttachUserPolicy", json!({"UserName": "admin", "PolicyArn": arn}))
            .await;
        let bound = json!({"RoleName": "web", "PermissionsBoundary": arn});
        desk.tell("PutRolePermissionsBoundary", bound).await;

        let groups = json!([{"GroupName": "dev", "GroupId": group["GroupId"]}]);
        let roles = json!([{"RoleName": "web", "RoleId": role["RoleId"]}]);
        let users = json!([{"UserName": "admin", "UserId": user["UserId"]}]);
        let list = async |mut input: Value| {
            input["PolicyArn"] = json!(arn);
            desk.ask("ListEntitiesForPolicy", input).await
        };
        let answer = |groups: &Value, roles: &Value, users: &Value| json!({"PolicyGroups": groups, "PolicyRoles": roles, "PolicyUsers": users, "IsTruncated": false});
        let none = json!([]);
        assert_eq!(list(json!({})).await, answer(&groups, &roles, &users));
        assert_eq!(
            list(json!({"EntityFilter": "User"})).await,
            answer(&none, &none, &users)
        );
        assert_eq!(
            list(json!({"EntityFilter": "AWSManagedPolicy"})).await,
            answer(&none, &none, &none)
        );
        assert_eq!(
            list(json!({"PathPrefix": "/a/"})).await,
            answer(&none, &roles, &none)
        );
        assert_eq!(
            list(json!({"PolicyUsageFilter": "PermissionsBoundary"})).await,
            answer(&none, &roles, &none)
        );
        assert_eq!(
            list(json!({"PolicyUsageFilter": "PermissionsPolicy"})).await,
            answer(&groups, &none, &users)
        );
        let first = list(json!({"MaxItems": 2})).await;
        assert_eq!((&first["PolicyRoles"], &first["PolicyUsers"]), (&roles, &none));
        let second = list(json!({"Marker": first["Marker"]})).await;
        assert_eq!(second, answer(&none, &none, &users));
    }
}
