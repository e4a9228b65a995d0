//! Roles.

use drawbridge_session::iam::{Listing, NewRole};
use drawbridge_session::{AccountId, Tag, iam};
use drawbridge_store::Store;
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

/// Says whether whom a trust policy names is there; accounts of other servers are taken at their word.
fn principal_exists(store: &dyn Store, name: &str) -> bool {
    let mut parts = name.split(':');
    match (parts.next(), parts.nth(3)) {
        (Some("arn"), Some(account)) => match AccountId::parse(account).map(|id| store.directory(&id)) {
            Ok(Some(directory)) => directory.has_principal(name),
            Ok(None) | Err(_) => true,
        },
        // A unique id does not say whose it is.
        _ => {
            let accounts = store.accounts();
            let directories = accounts.iter().filter_map(|account| store.directory(&account.id));
            directories
                .into_iter()
                .any(|directory| directory.has_principal(name))
        }
    }
}
