//! Instance profiles, and the role in each of them.

use drawbridge_session::iam::{Directory, Listing, NewInstanceProfile};
use drawbridge_session::{Caller, Need, Needs, Tag, iam};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kind::{self, Named};
use crate::operation::{read, write};
use crate::page::Paging;
use crate::roles::Role;
use crate::shape::seconds;
use crate::users::BelowPath;
use crate::{Operation, needs};

type Kind = kind::InstanceProfile;

pub(crate) const CREATE: Operation = write(
    "iam:CreateInstanceProfile",
    needs::created::<Kind>,
    |iam, call| {
        iam.change(call, |directory, input: Create, at| {
            let new = NewInstanceProfile {
                name: &input.instance_profile_name,
                path: input.path.as_deref(),
                tags: input.tags,
            };
            let created = directory.create_instance_profile(new, at.now, at.random())?;
            Ok(json!({"InstanceProfile": InstanceProfile::whole(&created, directory)}))
        })
    },
);

pub(crate) const GET: Operation = read("iam:GetInstanceProfile", needs::named::<Kind>, |iam, call| {
    iam.look(call, |directory, input: Named, _| {
        let profile = directory.instance_profile(&input.name)?;
        Ok(json!({"InstanceProfile": InstanceProfile::whole(profile, directory)}))
    })
});

pub(crate) const DELETE: Operation = write("iam:DeleteInstanceProfile", needs::named::<Kind>, |iam, call| {
    iam.change(call, |directory, input: Named, _| {
        directory.delete_instance_profile(&input.name)
    })
});

pub(crate) const ADD_ROLE: Operation = write("iam:AddRoleToInstanceProfile", adding_role, |iam, call| {
    iam.change(call, |directory, input: RoleInProfile, _| {
        directory.add_role_to_instance_profile(&input.instance_profile_name, &input.role_name)
    })
});

pub(crate) const REMOVE_ROLE: Operation = write(
    "iam:RemoveRoleFromInstanceProfile",
    needs::named::<Kind>,
    |iam, call| {
        iam.change(call, |directory, input: RoleInProfile, _| {
            directory.remove_role_from_instance_profile(&input.instance_profile_name, &input.role_name)
        })
    },
);

pub(crate) const LIST: Operation = read(
    "iam:ListInstanceProfiles",
    needs::below_path::<Kind>,
    |iam, call| {
        iam.look(call, |directory, input: BelowPath, at| {
            let cut = input.paging.cut(at)?;
            let profiles = directory.instance_profiles(Listing {
                path_prefix: input.path_prefix.as_deref(),
                after: cut.after(),
            });
            let part = cut.by_key(profiles.map(|profile| (profile.name.to_ascii_lowercase(), profile)));
            Ok(part
                .map(|profile| InstanceProfile::listed(profile, directory))
                .under("InstanceProfiles"))
        })
    },
);

pub(crate) const LIST_FOR_ROLE: Operation = read(
    "iam:ListInstanceProfilesForRole",
    needs::named::<kind::Role>,
    |iam, call| {
        iam.look(call, |directory, input: ForRole, at| {
            let profiles = directory.profiles_of(&input.role_name)?;
            let keyed = profiles.map(|profile| (profile.name.to_ascii_lowercase(), profile));
            let part = input.paging.cut(at)?.by_key(keyed);
            Ok(part
                .map(|profile| InstanceProfile::listed(profile, directory))
                .under("InstanceProfiles"))
        })
    },
);

/// Whoever puts a role into a profile hands it to the nodes that get the profile.
fn adding_role(caller: &Caller, input: &Value) -> Needs {
    let role = needs::on::<kind::Role>(caller, input).resource().clone();
    let pass = Need::also("iam:PassRole", role).with("iam:PassedToService", "ec2.amazonaws.com");
    vec![needs::on::<Kind>(caller, input), pass].into()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    instance_profile_name: String,
    path: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleInProfile {
    instance_profile_name: String,
    role_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ForRole {
    role_name: String,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceProfile {
    path: String,
    instance_profile_name: String,
    instance_profile_id: String,
    arn: String,
    create_date: i64,
    roles: Vec<Role>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl InstanceProfile {
    /// Shows an instance profile in a list, which leaves out the tags.
    fn listed(profile: &iam::InstanceProfile, directory: &Directory) -> Self {
        let role = directory.role_in(profile);
        Self {
            path: profile.path.to_string(),
            instance_profile_name: profile.name.clone(),
            instance_profile_id: profile.id.to_string(),
            arn: profile.arn(directory.account()),
            create_date: seconds(profile.created_at),
            roles: role
                .map(|role| Role::listed(role, directory.account()))
                .into_iter()
                .collect(),
            tags: Vec::new(),
        }
    }

    fn whole(profile: &iam::InstanceProfile, directory: &Directory) -> Self {
        Self {
            tags: profile.tags.as_slice().to_vec(),
            ..Self::listed(profile, directory)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::{Desk, NOW};

    #[tokio::test]
    async fn a_profile_is_shown_with_its_role() {
        let desk = Desk::new().await;
        let input = json!({
            "InstanceProfileName": "web", "Path": "/a/", "Tags": [{"Key": "Team", "Value": "blue"}],
        });
        let created = desk.ask("CreateInstanceProfile", input).await["InstanceProfile"].clone();
        let id = &created["InstanceProfileId"];
        assert!(id.as_str().is_some_and(|id| id.starts_with("AIPA")), "{id}");
        let mut listed = json!({
            "Path": "/a/",
            "InstanceProfileName": "web",
            "InstanceProfileId": id,
            "Arn": "arn:aws:iam::123456789012:instance-profile/a/web",
            "CreateDate": NOW,
            "Roles": [],
        });
        let mut whole = listed.clone();
        whole["Tags"] = json!([{"Key": "Team", "Value": "blue"}]);
        assert_eq!(created, whole);

        let pair = json!({"InstanceProfileName": "web", "RoleName": "NodeRole"});
        desk.tell("AddRoleToInstanceProfile", pair.clone()).await;
        let roles = desk.ask("ListRoles", json!({})).await["Roles"].clone();
        whole["Roles"].clone_from(&roles);
        listed["Roles"].clone_from(&roles);
        let profile = || json!({"InstanceProfileName": "web"});
        let found = desk.ask("GetInstanceProfile", profile()).await;
        assert_eq!(found, json!({"InstanceProfile": whole}));
        let list = json!({"InstanceProfiles": [listed], "IsTruncated": false});
        assert_eq!(
            desk.ask("ListInstanceProfiles", json!({"PathPrefix": "/a/"}))
                .await,
            list
        );
        let role = || json!({"RoleName": "NodeRole"});
        assert_eq!(desk.ask("ListInstanceProfilesForRole", role()).await, list);

        desk.tell("RemoveRoleFromInstanceProfile", pair).await;
        let none = json!({"InstanceProfiles": [], "IsTruncated": false});
        assert_eq!(desk.ask("ListInstanceProfilesForRole", role()).await, none);
        desk.tell("DeleteInstanceProfile", profile()).await;
        assert_eq!(desk.ask("ListInstanceProfiles", json!({})).await, none);
    }
}
