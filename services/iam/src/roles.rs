//! Roles.

use drawbridge_session::iam::{Listing, NewRole};
use drawbridge_session::{AccountId, Tag, iam};
use drawbridge_store::principal_exists;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::kind::{self, Named};
use crate::operation::{read, write};
use crate::shape::{Boundary, encoded, seconds};
use crate::users::BelowPath;
use crate::{Operation, needs};

pub(crate) const CREATE: Operation = write("iam:CreateRole", needs::created::<kind::Role>, |iam, call| {
    iam.change(call, |directory, input: Create, at| {
        let new = NewRole {
            name: &input.role_name,
            path: input.path.as_deref(),
            trust: &input.assume_role_policy_document,
            description: input.description.as_deref(),
            max_session_duration_s: input.max_session_duration,
            boundary: input.permissions_boundary.as_deref(),
            tags: input.tags,
        };
        let exists = |name: &str| principal_exists(at.iam.store.as_ref(), name);
        let created = directory.create_role(new, &exists, at.now, at.random())?;
        Ok(json!({"Role": Role::whole(&created, directory.account())}))
    })
});

pub(crate) const GET: Operation = read("iam:GetRole", needs::named::<kind::Role>, |iam, call| {
    iam.look(call, |directory, input: Named, _| {
        let role = Role {
            role_last_used: Some(Map::new()),
            ..Role::whole(directory.role(&input.name)?, directory.account())
        };
        Ok(json!({"Role": role}))
    })
});

pub(crate) const UPDATE: Operation = write("iam:UpdateRole", needs::named::<kind::Role>, |iam, call| {
    iam.change(call, |directory, input: Update, _| {
        let description = input.description.as_deref();
        directory.update_role(&input.role_name, description, input.max_session_duration)
    })
});

pub(crate) const UPDATE_DESCRIPTION: Operation = write(
    "iam:UpdateRoleDescription",
    needs::named::<kind::Role>,
    |iam, call| {
        iam.change(call, |directory, input: Describe, _| {
            directory.update_role(&input.role_name, Some(&input.description), None)?;
            let role = directory.role(&input.role_name)?;
            Ok(json!({"Role": Role::whole(role, directory.account())}))
        })
    },
);

pub(crate) const UPDATE_TRUST: Operation = write(
    "iam:UpdateAssumeRolePolicy",
    needs::named::<kind::Role>,
    |iam, call| {
        iam.change(call, |directory, input: Trust, at| {
            let exists = |name: &str| principal_exists(at.iam.store.as_ref(), name);
            directory.update_trust(&input.role_name, &input.policy_document, &exists)
        })
    },
);

pub(crate) const DELETE: Operation = write("iam:DeleteRole", needs::named::<kind::Role>, |iam, call| {
    iam.change(call, |directory, input: Named, _| {
        directory.delete_role(&input.name)
    })
});

pub(crate) const LIST: Operation = read("iam:ListRoles", needs::below_path::<kind::Role>, |iam, call| {
    iam.look(call, |directory, input: BelowPath, at| {
        let cut = input.paging.cut(at)?;
        let roles = directory.roles(Listing {
            path_prefix: input.path_prefix.as_deref(),
            after: cut.after(),
        });
        let part = cut.by_key(roles.map(|role| (role.name.to_ascii_lowercase(), role)));
        let account = directory.account();
        Ok(part.map(|role| Role::listed(role, account)).under("Roles"))
    })
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    role_name: String,
    path: Option<String>,
    assume_role_policy_document: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
    permissions_boundary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Update {
    role_name: String,
    description: Option<String>,
    max_session_duration: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Describe {
    role_name: String,
    description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trust {
    role_name: String,
    policy_document: String,
}

/// A role as answers have it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Role {
    path: String,
    role_name: String,
    role_id: String,
    arn: String,
    create_date: i64,
    assume_role_policy_document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    max_session_duration: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    /// Empty: the uses of roles are not noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    role_last_used: Option<Map<String, Value>>,
}

impl Role {
    /// Shows a role in a list, which leaves out the boundary and the tags.
    pub(crate) fn listed(role: &iam::Role, account: &AccountId) -> Self {
        Self {
            path: role.path.to_string(),
            role_name: role.name.clone(),
            role_id: role.id.to_string(),
            arn: role.arn(account),
            create_date: seconds(role.created_at),
            assume_role_policy_document: encoded(role.trust.text()),
            description: role.description.clone(),
            max_session_duration: role.max_session_duration_s,
            permissions_boundary: None,
            tags: Vec::new(),
            role_last_used: None,
        }
    }

    fn whole(role: &iam::Role, account: &AccountId) -> Self {
        Self {
            permissions_boundary: role.boundary.as_ref().map(Boundary::of),
            tags: role.tags.as_slice().to_vec(),
            ..Self::listed(role, account)
        }
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::AccountId;
    use serde_json::{Value, json};

    use crate::testing::{AWS_POLICY, Desk, NOW, TRUST, policy_arn};

    #[tokio::test]
    async fn a_role_is_shown_with_its_trust_policy_encoded() {
        let desk = Desk::new().await;
        let input = json!({
            "RoleName": "web", "Path": "/a/", "AssumeRolePolicyDocument": TRUST, "Description": "serves",
            "MaxSessionDuration": 7200, "PermissionsBoundary": AWS_POLICY,
            "Tags": [{"Key": "Team", "Value": "blue"}],
        });
        let created = desk.ask("CreateRole", input).await;
        let id = &created["Role"]["RoleId"];
        assert!(id.as_str().is_some_and(|id| id.starts_with("AROA")), "{id}");
        let listed = json!({
            "Path": "/a/",
            "RoleName": "web",
            "RoleId": id,
            "Arn": "arn:aws:iam::123456789012:role/a/web",
            "CreateDate": NOW,
            "AssumeRolePolicyDocument": "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B\
                %22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D",
            "Description": "serves",
            "MaxSessionDuration": 7200,
        });
        let mut whole = listed.clone();
        whole["PermissionsBoundary"] =
            json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": AWS_POLICY});
        whole["Tags"] = json!([{"Key": "Team", "Value": "blue"}]);
        assert_eq!(created, json!({"Role": whole}));
        assert_eq!(
            desk.ask("ListRoles", json!({"PathPrefix": "/a/"})).await,
            json!({"Roles": [listed], "IsTruncated": false})
        );
        let describe = json!({"RoleName": "web", "Description": "waits"});
        whole["Description"] = json!("waits");
        assert_eq!(
            desk.ask("UpdateRoleDescription", describe).await,
            json!({"Role": whole})
        );
        whole["RoleLastUsed"] = json!({});
        assert_eq!(
            desk.ask("GetRole", json!({"RoleName": "WEB"})).await,
            json!({"Role": whole})
        );

        desk.tell(
            "UpdateRole",
            json!({"RoleName": "web", "Description": "", "MaxSessionDuration": 3600}),
        )
        .await;
        let trust = TRUST.replace("ec2", "ssm");
        desk.tell(
            "UpdateAssumeRolePolicy",
            json!({"RoleName": "web", "PolicyDocument": trust}),
        )
        .await;
        let role = desk.ask("GetRole", json!({"RoleName": "web"})).await["Role"].clone();
        assert_eq!(
            (&role["Description"], &role["MaxSessionDuration"]),
            (&Value::Null, &json!(3600))
        );
        let trust = role["AssumeRolePolicyDocument"].as_str().expect("a text");
        assert!(trust.contains("ssm.amazonaws.com"), "{trust}");
    }

    #[tokio::test]
    async fn a_trust_policy_names_who_exists_as_far_as_this_server_knows() {
        let desk = Desk::new().await;
        let other = AccountId::parse("210987654321").expect("valid");
        desk.house.found(&other, "o-exampleorgid").await;
        let admin = desk.ask("GetUser", json!({})).await["User"]["UserId"].clone();
        let trusting = |principal: &str| {
            let trust = TRUST.replace(
                r#"{"Service":"ec2.amazonaws.com"}"#,
                &json!({"AWS": principal}).to_string(),
            );
            json!({"RoleName": "r", "AssumeRolePolicyDocument": trust})
        };
        for known in [
            "arn:aws:iam::123456789012:user/admin",
            "arn:aws:iam::210987654321:role/NodeRole",
            "arn:aws:sts::210987654321:assumed-role/NodeRole/someone",
            "arn:aws:iam::999999999999:user/of-another-server",
            "arn:aws:iam::123456789012:root",
            "999999999999",
            admin.as_str().expect("a text"),
        ] {
            desk.ask("CreateRole", trusting(known)).await;
            desk.tell("DeleteRole", json!({"RoleName": "r"})).await;
        }
        for unknown in [
            "arn:aws:iam::123456789012:user/people/admin",
            "arn:aws:iam::210987654321:user/nobody",
            "arn:aws:sts::210987654321:assumed-role/none/someone",
            "AIDAAAAAAAAAAAAAAAAAA",
        ] {
            let (_, code, message) = desk.refused("CreateRole", trusting(unknown)).await;
            assert_eq!(code, "MalformedPolicyDocument");
            assert_eq!(
                message,
                format!("Invalid principal in policy: \"AWS\":\"{unknown}\"")
            );
        }
    }

    #[tokio::test]
    async fn a_role_needs_a_boundary_that_is_there() {
        let desk = Desk::new().await;
        let input = json!({
            "RoleName": "web", "AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": policy_arn("none"),
        });
        let (status, code, _) = desk.refused("CreateRole", input).await;
        assert_eq!((status, code.as_str()), (404, "NoSuchEntity"));
    }
}
