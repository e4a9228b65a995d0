//! Instance profiles, through which a node gets its role.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::{Entity, EntityKind};
use super::directory::{Directory, Record};
use super::error::IamError;
use super::listing::Listing;
use super::names::Path;
use super::quotas;
use super::roles::Role;
use super::table::Table;
use super::tags::{Tagged, Tags};
use crate::ids::{AccountId, UniqueId};
use crate::node::ManagedNode;
use crate::random::Random;
use crate::tag::Tag;

/// A name under which a role is given to nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// 1 to 128 characters, as written.
    pub name: String,
    /// The path.
    pub path: Path,
    /// `AIPA…`.
    pub id: UniqueId,
    /// When it was created.
    pub created_at: Timestamp,
    /// The role, by unique id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<UniqueId>,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// What a request says of an instance profile to be created.
#[derive(Debug, Clone, Default)]
pub struct NewInstanceProfile<'a> {
    /// The name.
    pub name: &'a str,
    /// The path, `/` if left out.
    pub path: Option<&'a str>,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl InstanceProfile {
    /// Returns the ARN.
    pub fn arn(&self, account: &AccountId) -> String {
        format!(
            "arn:aws:iam::{account}:instance-profile{}{}",
            self.path, self.name
        )
    }
}

impl Record for InstanceProfile {
    const KIND: EntityKind = EntityKind::InstanceProfile;
    const NAME: (&'static str, usize) = ("instanceProfileName", 128);
    const QUOTA: (&'static str, usize) = ("InstanceProfilesPerAccount", quotas::INSTANCE_PROFILES);

    fn name(&self) -> &str {
        &self.name
    }

    fn path(&self) -> &str {
        self.path.as_str()
    }

    fn id(&self) -> &UniqueId {
        &self.id
    }

    fn into_entity(shared: Arc<Self>) -> Entity {
        Entity::InstanceProfile(shared)
    }

    fn table(directory: &Directory) -> &Table<Self> {
        &directory.profiles
    }

    fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
        &mut directory.profiles
    }
}

impl Directory {
    /// Creates an instance profile without a role.
    pub fn create_instance_profile(
        &mut self,
        new: NewInstanceProfile<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Arc<InstanceProfile>, IamError> {
        let path = Path::parse_or_root(new.path)?;
        let tags = Tags::of(Tagged::InstanceProfile(new.name), new.tags)?;
        self.check_new::<InstanceProfile>(new.name)?;
        Ok(self.add(InstanceProfile {
            name: new.name.to_owned(),
            path,
            id: UniqueId::instance_profile(random),
            created_at: now,
            role: None,
            tags,
        }))
    }

    /// Gives an instance profile its role; it can have one only, even if it is the same again.
    pub fn add_role_to_instance_profile(&mut self, profile: &str, role: &str) -> Result<(), IamError> {
        self.instance_profile(profile)?;
        let id = self.role(role)?.id.clone();
        self.edit::<InstanceProfile, _>(profile, |profile| {
            if profile.role.is_some() {
                return Err(IamError::quota(
                    "InstanceSessionsPerInstanceProfile",
                    quotas::ROLES_PER_INSTANCE_PROFILE,
                ));
            }
            profile.role = Some(id);
            Ok(())
        })
    }

    /// Takes its role from an instance profile.
    pub fn remove_role_from_instance_profile(&mut self, profile: &str, role: &str) -> Result<(), IamError> {
        self.instance_profile(profile)?;
        let id = self.role(role)?.id.clone();
        self.edit::<InstanceProfile, _>(profile, |profile| {
            if profile.role.as_ref() != Some(&id) {
                return Err(IamError::absent(EntityKind::Role, role));
            }
            profile.role = None;
            Ok(())
        })
    }

    /// Deletes an instance profile without a role.
    pub fn delete_instance_profile(&mut self, name: &str) -> Result<(), IamError> {
        if self.instance_profile(name)?.role.is_some() {
            return Err(IamError::conflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
        self.remove::<InstanceProfile>(name);
        Ok(())
    }

    /// Finds an instance profile by name.
    pub fn instance_profile(&self, name: &str) -> Result<&Arc<InstanceProfile>, IamError> {
        self.find(name)
    }

    /// Returns instance profiles in the order of their names.
    pub fn instance_profiles(&self, listing: Listing<'_>) -> impl Iterator<Item = &Arc<InstanceProfile>> {
        self.list(listing)
    }

    /// Returns the role of an instance profile.
    pub fn role_in(&self, profile: &InstanceProfile) -> Option<&Arc<Role>> {
        self.role_by_id(profile.role.as_ref()?.as_str())
    }

    /// Returns the role that a node has: the one in its instance profile, or else the one of its name.
    pub fn role_of_node(&self, node: &ManagedNode) -> Option<&Arc<Role>> {
        match &node.instance_profile {
            Some(profile) => self.role_in(self.instance_profile(profile).ok()?),
            None => self.role(&node.iam_role).ok(),
        }
    }

    /// Returns the instance profiles that have a role, in the order of their names.
    pub fn profiles_of(&self, role: &str) -> Result<impl Iterator<Item = &Arc<InstanceProfile>>, IamError> {
        let id = &self.role(role)?.id;
        Ok(self
            .profiles
            .iter()
            .filter(move |profile| profile.role.as_ref() == Some(id)))
    }
}

#[cfg(test)]
mod tests {
    use crate::iam::tests::{Account, refused};

    #[test]
    fn has_one_role_at_most() {
        let mut account = Account::filled();
        account.add_role_to_instance_profile("web", "web").expect("added");
        for role in ["web", "db"] {
            refused(
                account.add_role_to_instance_profile("web", role),
                "LimitExceeded",
                "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
            );
        }
        let profile = account.instance_profile("WEB").expect("there");
        assert_eq!(
            profile.arn(account.account()),
            "arn:aws:iam::123456789012:instance-profile/web"
        );
        assert!(profile.id.as_str().starts_with("AIPA"));
        assert_eq!(
            account.role_in(profile).map(|role| role.name.as_str()),
            Some("web")
        );
        assert_eq!(account.profiles_of("web").expect("there").count(), 1);
        assert_eq!(account.profiles_of("db").expect("there").count(), 0);
    }

    #[test]
    fn keeps_a_profile_that_has_a_role() {
        let mut account = Account::filled();
        account.add_role_to_instance_profile("web", "web").expect("added");
        refused(
            account.delete_instance_profile("web"),
            "DeleteConflict",
            "Cannot delete entity, must remove roles from instance profile first.",
        );
        refused(
            account.remove_role_from_instance_profile("web", "db"),
            "NoSuchEntity",
            "The role with name db cannot be found.",
        );
        account
            .remove_role_from_instance_profile("web", "web")
            .expect("removed");
        account.take_changes();
        assert_eq!(account.delete_instance_profile("web"), Ok(()));
        assert_eq!(account.changed(), ["-instance-profile web"]);
    }

    #[test]
    fn both_ends_must_exist() {
        let mut account = Account::filled();
        let (profile, role) = (
            "Instance Profile no cannot be found.",
            "The role with name no cannot be found.",
        );
        refused(
            account.add_role_to_instance_profile("no", "web"),
            "NoSuchEntity",
            profile,
        );
        refused(
            account.add_role_to_instance_profile("web", "no"),
            "NoSuchEntity",
            role,
        );
        refused(
            account.remove_role_from_instance_profile("no", "web"),
            "NoSuchEntity",
            profile,
        );
        refused(account.profiles_of("no").map(drop), "NoSuchEntity", role);
        refused(
            account.try_profile("Web"),
            "EntityAlreadyExists",
            "Instance Profile web already exists.",
        );
    }
}
