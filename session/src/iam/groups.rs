//! Groups and who is in them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attachments::HeldPolicies;
use super::change::{Entity, EntityKind};
use super::directory::{Directory, Record};
use super::error::IamError;
use super::listing::Listing;
use super::names::Path;
use super::quotas;
use super::table::Table;
use super::users::User;
use crate::ids::{AccountId, UniqueId};
use crate::random::Random;

/// Policies that several users share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// 1 to 128 characters, as written.
    pub name: String,
    /// The path.
    pub path: Path,
    /// `AGPA…`; users name their groups by it.
    pub id: UniqueId,
    /// When it was created.
    pub created_at: Timestamp,
    /// What its users share.
    #[serde(default, skip_serializing_if = "HeldPolicies::is_empty")]
    pub policies: HeldPolicies,
}

/// What a request says of a group to be created.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewGroup<'a> {
    /// The name.
    pub name: &'a str,
    /// The path, `/` if left out.
    pub path: Option<&'a str>,
}

impl Group {
    /// Returns the ARN.
    pub fn arn(&self, account: &AccountId) -> String {
        format!("arn:aws:iam::{account}:group{}{}", self.path, self.name)
    }
}

impl Record for Group {
    const KIND: EntityKind = EntityKind::Group;
    const NAME: (&'static str, usize) = ("groupName", 128);
    const QUOTA: (&'static str, usize) = ("GroupsPerAccount", quotas::GROUPS);

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
        Entity::Group(shared)
    }

    fn table(directory: &Directory) -> &Table<Self> {
        &directory.groups
    }

    fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
        &mut directory.groups
    }
}

impl Directory {
    /// Creates a group.
    pub fn create_group(
        &mut self,
        new: NewGroup<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Arc<Group>, IamError> {
        let path = Path::parse_or_root(new.path)?;
        self.check_new::<Group>(new.name)?;
        Ok(self.add(Group {
            name: new.name.to_owned(),
            path,
            id: UniqueId::group(random),
            created_at: now,
            policies: HeldPolicies::default(),
        }))
    }

    /// Gives a group another name, another path, or both; its users stay in it.
    pub fn update_group(
        &mut self,
        name: &str,
        new_name: Option<&str>,
        new_path: Option<&str>,
    ) -> Result<(), IamError> {
        let path = new_path.map(Path::parse).transpose()?;
        self.check_rename::<Group>(name, new_name)?;
        self.edit::<Group, _>(name, |group| {
            if let Some(new_name) = new_name {
                new_name.clone_into(&mut group.name);
            }
            if let Some(path) = path {
                group.path = path;
            }
            Ok(())
        })
    }

    /// Deletes a group without users and policies.
    pub fn delete_group(&mut self, name: &str) -> Result<(), IamError> {
        if self.users_in(name)?.next().is_some() {
            return Err(IamError::conflict(
                "Cannot delete entity, must remove users from group first.",
            ));
        }
        self.group(name)?.policies.check_none()?;
        self.remove::<Group>(name);
        Ok(())
    }

    /// Adds a user to a group; who is in it already stays.
    pub fn add_user_to_group(&mut self, group: &str, user: &str) -> Result<(), IamError> {
        let id = self.group(group)?.id.clone();
        self.edit::<User, _>(user, |user| {
            user.groups.insert(id);
            if user.groups.len() > quotas::GROUPS_PER_USER {
                return Err(IamError::quota("GroupsPerUser", quotas::GROUPS_PER_USER));
            }
            Ok(())
        })
    }

    /// Removes a user from a group; who is not in it stays out.
    pub fn remove_user_from_group(&mut self, group: &str, user: &str) -> Result<(), IamError> {
        let id = self.group(group)?.id.clone();
        self.edit::<User, _>(user, |user| {
            user.groups.remove(&id);
            Ok(())
        })
    }

    /// Finds a group by name.
    pub fn group(&self, name: &str) -> Result<&Arc<Group>, IamError> {
        self.find(name)
    }

    /// Finds a group by unique id.
    pub fn group_by_id(&self, id: &str) -> Option<&Arc<Group>> {
        self.find_by_id(id)
    }

    /// Returns groups in the order of their names.
    pub fn groups(&self, listing: Listing<'_>) -> impl Iterator<Item = &Arc<Group>> {
        self.list(listing)
    }

    /// Returns the users in a group in the order of their names.
    pub fn users_in(&self, group: &str) -> Result<impl Iterator<Item = &Arc<User>>, IamError> {
        let id = &self.group(group)?.id;
        Ok(self.users.iter().filter(move |user| user.groups.contains(id)))
    }

    /// Returns the groups that a user is in, in the order of their names.
    pub fn groups_of(&self, user: &str) -> Result<Vec<&Arc<Group>>, IamError> {
        Ok(self.groups_of_user(self.user(user)?))
    }

    pub(super) fn groups_of_user(&self, user: &User) -> Vec<&Arc<Group>> {
        let found = user.groups.iter().map(|id| self.group_by_id(id.as_str()));
        let mut groups: Vec<_> = found.flatten().collect();
        groups.sort_by_cached_key(|group| group.name.to_ascii_lowercase());
        groups
    }
}

#[cfg(test)]
mod tests {
    use crate::iam::tests::{ALLOW, Account, refused};
    use crate::iam::{Holder, quotas};

    #[test]
    fn a_rename_keeps_its_users() {
        let mut account = Account::filled();
        account.add_user_to_group("dev", "alice").expect("added");
        account.take_changes();
        account
            .update_group("dev", Some("Devs"), Some("/x/"))
            .expect("renamed");
        let groups = account.groups_of("alice").expect("there");
        assert_eq!(
            groups[0].arn(account.account()),
            "arn:aws:iam::123456789012:group/x/Devs"
        );
        assert_eq!(account.users_in("devs").expect("there").count(), 1);
        assert_eq!(account.changed(), ["-group dev", "group devs"]);
        refused(
            account.update_group("devs", Some("OPS"), None),
            "EntityAlreadyExists",
            "Group with name ops already exists.",
        );
    }

    #[test]
    fn membership_is_a_set_of_at_most_ten() {
        let mut account = Account::filled();
        for _ in 0..2 {
            account.add_user_to_group("dev", "alice").expect("added");
        }
        assert_eq!(account.changed(), ["user alice"]);
        account.add_user_to_group("dev", "alice").expect("already there");
        account.remove_user_from_group("ops", "alice").expect("not there");
        assert_eq!(account.changed(), [""; 0]);
        for at in 1..quotas::GROUPS_PER_USER {
            account.try_group(&format!("g{at}")).expect("created");
            account
                .add_user_to_group(&format!("g{at}"), "alice")
                .expect("added");
        }
        refused(
            account.add_user_to_group("ops", "alice"),
            "LimitExceeded",
            "Cannot exceed quota for GroupsPerUser: 10",
        );
        account.add_user_to_group("dev", "alice").expect("already there");
    }

    #[test]
    fn both_ends_of_a_membership_must_exist() {
        let mut account = Account::filled();
        let (group, user) = (
            "The group with name no cannot be found.",
            "The user with name no cannot be found.",
        );
        refused(account.add_user_to_group("no", "alice"), "NoSuchEntity", group);
        refused(account.add_user_to_group("dev", "no"), "NoSuchEntity", user);
        refused(
            account.remove_user_from_group("no", "alice"),
            "NoSuchEntity",
            group,
        );
        refused(account.remove_user_from_group("dev", "no"), "NoSuchEntity", user);
        refused(account.groups_of("no"), "NoSuchEntity", user);
        refused(account.users_in("no").map(drop), "NoSuchEntity", group);
    }

    #[test]
    fn keeps_a_group_that_has_something_left() {
        let mut account = Account::filled();
        account.add_user_to_group("dev", "alice").expect("added");
        refused(
            account.delete_group("dev"),
            "DeleteConflict",
            "Cannot delete entity, must remove users from group first.",
        );
        account.remove_user_from_group("dev", "alice").expect("removed");
        account
            .put_inline_policy(Holder::Group("dev"), "p", ALLOW)
            .expect("put");
        refused(
            account.delete_group("dev"),
            "DeleteConflict",
            "Cannot delete entity, must delete policies first.",
        );
        account
            .delete_inline_policy(Holder::Group("dev"), "p")
            .expect("deleted");
        assert_eq!(account.delete_group("dev"), Ok(()));
    }

    #[test]
    fn lists_groups_by_name_not_by_id() {
        let mut account = Account::filled();
        for name in ["Zoo", "app", "Mid"] {
            account.try_group(name).expect("created");
            account.add_user_to_group(name, "alice").expect("added");
        }
        let groups = account.groups_of("alice").expect("there");
        let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, ["app", "Mid", "Zoo"]);
    }
}
