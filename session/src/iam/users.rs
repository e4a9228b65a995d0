//! Users.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::access_keys::AccessKey;
use super::arn::PolicyArn;
use super::attachments::HeldPolicies;
use super::change::{Entity, EntityKind};
use super::directory::{Directory, Record};
use super::error::IamError;
use super::listing::Listing;
use super::login::LoginProfile;
use super::names::{FoldedName, Path};
use super::quotas;
use super::table::Table;
use super::tags::{Tagged, Tags};
use crate::ids::{AccountId, UniqueId};
use crate::random::Random;
use crate::tag::Tag;

/// Someone with credentials of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// 1 to 64 characters, as written.
    pub name: String,
    /// The path.
    pub path: Path,
    /// `AIDA…`.
    pub id: UniqueId,
    /// When it was created.
    pub created_at: Timestamp,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The policy that limits what the others allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<PolicyArn>,
    /// The groups that it is in, at most ten, by unique id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<UniqueId>,
    /// Its own policies.
    #[serde(default, skip_serializing_if = "HeldPolicies::is_empty")]
    pub policies: HeldPolicies,
    /// At most two, the older first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_keys: Vec<AccessKey>,
    /// The password, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginProfile>,
}

/// What a request says of a user to be created.
#[derive(Debug, Clone, Default)]
pub struct NewUser<'a> {
    /// The name.
    pub name: &'a str,
    /// The path, `/` if left out.
    pub path: Option<&'a str>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<&'a str>,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl User {
    /// Returns the ARN.
    pub fn arn(&self, account: &AccountId) -> String {
        format!("arn:aws:iam::{account}:user{}{}", self.path, self.name)
    }
}

impl Record for User {
    const KIND: EntityKind = EntityKind::User;
    const NAME: (&'static str, usize) = ("userName", 64);
    const QUOTA: (&'static str, usize) = ("UsersPerAccount", quotas::USERS);

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
        Entity::User(shared)
    }

    fn table(directory: &Directory) -> &Table<Self> {
        &directory.users
    }

    fn table_mut(directory: &mut Directory) -> &mut Table<Self> {
        &mut directory.users
    }
}

impl Directory {
    /// Creates a user.
    pub fn create_user(
        &mut self,
        new: NewUser<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Arc<User>, IamError> {
        let path = Path::parse_or_root(new.path)?;
        let tags = Tags::of(Tagged::User(new.name), new.tags)?;
        self.check_new::<User>(new.name)?;
        let boundary = new.boundary.map(|arn| self.attachable(arn)).transpose()?;
        Ok(self.add(User {
            name: new.name.to_owned(),
            path,
            id: UniqueId::user(random),
            created_at: now,
            tags,
            boundary,
            groups: BTreeSet::new(),
            policies: HeldPolicies::default(),
            access_keys: Vec::new(),
            login: None,
        }))
    }

    /// Gives a user another name, another path, or both; memberships, policies and keys stay.
    pub fn update_user(
        &mut self,
        name: &str,
        new_name: Option<&str>,
        new_path: Option<&str>,
    ) -> Result<(), IamError> {
        let path = new_path.map(Path::parse).transpose()?;
        self.check_rename::<User>(name, new_name)?;
        self.edit::<User, _>(name, |user| {
            if let Some(new_name) = new_name {
                new_name.clone_into(&mut user.name);
            }
            if let Some(path) = path {
                user.path = path;
            }
            Ok(())
        })
    }

    /// Deletes a user who has nothing left: no policies, keys, password or groups.
    pub fn delete_user(&mut self, name: &str) -> Result<(), IamError> {
        let user = self.user(name)?;
        user.policies.check_none()?;
        if !user.access_keys.is_empty() {
            return Err(IamError::conflict(
                "Cannot delete entity, must delete access keys first.",
            ));
        }
        if user.login.is_some() {
            return Err(IamError::conflict(
                "Cannot delete entity, must delete login profile first.",
            ));
        }
        if !user.groups.is_empty() {
            return Err(IamError::conflict(
                "Cannot delete entity, must remove users from group first.",
            ));
        }
        self.remove::<User>(name);
        Ok(())
    }

    /// Finds a user by name.
    pub fn user(&self, name: &str) -> Result<&Arc<User>, IamError> {
        self.find(name)
    }

    /// Finds a user by unique id.
    pub fn user_by_id(&self, id: &str) -> Option<&Arc<User>> {
        self.find_by_id(id)
    }

    /// Returns users in the order of their names.
    pub fn users(&self, listing: Listing<'_>) -> impl Iterator<Item = &Arc<User>> {
        self.list(listing)
    }

    /// Checks that the name an entity is to get is free, or its own in another case.
    pub(super) fn check_rename<T: Record>(&self, name: &str, new_name: Option<&str>) -> Result<(), IamError> {
        let current = self.find::<T>(name)?;
        match new_name {
            Some(new_name) if FoldedName::new(new_name) != FoldedName::new(current.name()) => {
                self.check_free::<T>(new_name)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{AWS_POLICY, Account, now, refused};
    use crate::iam::{Holder, KeyOwner};
    use crate::secret::Secret;

    #[test]
    fn creates_a_user_as_asked() {
        let mut account = Account::new();
        let new = NewUser {
            name: "Alice",
            path: Some("/people/"),
            boundary: Some(AWS_POLICY),
            tags: vec![Tag::new("Team", "blue")],
        };
        let user = account
            .directory
            .create_user(new, now(), &account.random)
            .expect("created");
        assert_eq!(
            user.arn(account.account()),
            "arn:aws:iam::123456789012:user/people/Alice"
        );
        assert!(user.id.as_str().starts_with("AIDA"));
        assert_eq!((user.created_at, user.tags.value("team")), (now(), Some("blue")));
        assert_eq!(user.boundary.as_ref().map(PolicyArn::as_str), Some(AWS_POLICY));
        assert_eq!(account.user("ALICE"), Ok(&user));
        assert_eq!(account.user_by_id(user.id.as_str()), Some(&user));
        assert_eq!(account.changed(), ["user alice"]);
        assert_eq!(account.changed(), [""; 0]);
    }

    #[test]
    fn a_name_is_taken_whatever_its_case() {
        let mut account = Account::filled();
        refused(
            account.try_user("ALICE"),
            "EntityAlreadyExists",
            "User with name alice already exists.",
        );
        refused(
            account.update_user("bob", Some("Alice"), None),
            "EntityAlreadyExists",
            "User with name alice already exists.",
        );
        assert_eq!(account.update_user("alice", Some("Alice"), None), Ok(()));
        assert_eq!(account.user("alice").expect("there").name, "Alice");
        assert_eq!(account.changed(), ["user alice"]);
    }

    #[test]
    fn refuses_values_of_the_wrong_shape() {
        let mut account = Account::new();
        for (name, path) in [
            ("a/b", None),
            ("", None),
            ("a", Some("people")),
            ("a", Some("//")),
        ] {
            let new = NewUser {
                name,
                path,
                ..NewUser::default()
            };
            let error = account
                .directory
                .create_user(new, now(), &account.random)
                .expect_err(name);
            assert_eq!(error.code(), "ValidationError");
        }
        let long = "a".repeat(65);
        assert_eq!(
            account.try_user(&long).expect_err("long").code(),
            "ValidationError"
        );
        assert_eq!(account.try_user(&long[1..]), Ok(()));
    }

    #[test]
    fn a_boundary_must_exist() {
        let mut account = Account::new();
        let new = NewUser {
            name: "alice",
            boundary: Some("arn:aws:iam::123456789012:policy/no"),
            ..NewUser::default()
        };
        refused(
            account.directory.create_user(new, now(), &account.random),
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/no does not exist or is not attachable.",
        );
        assert_eq!(account.changed(), [""; 0]);
    }

    #[test]
    fn a_rename_carries_groups_keys_and_policies() {
        let mut account = Account::filled();
        account.add_user_to_group("dev", "alice").expect("added");
        account
            .attach_policy(Holder::User("alice"), AWS_POLICY)
            .expect("attached");
        let key = account.try_key(KeyOwner::User("alice")).expect("created");
        let before = account.user("alice").expect("there").clone();
        account.take_changes();

        account
            .update_user("alice", Some("Carol"), Some("/x/"))
            .expect("renamed");
        let after = account.user("carol").expect("there");
        assert_eq!(after.id, before.id);
        assert_eq!(
            (&after.groups, &after.policies),
            (&before.groups, &before.policies)
        );
        let found = account.find_access_key(&key).expect("there");
        assert_eq!(found.user.map(|user| user.name.as_str()), Some("Carol"));
        assert_eq!(account.users_in("dev").expect("there").count(), 1);
        refused(
            account.user("alice"),
            "NoSuchEntity",
            "The user with name alice cannot be found.",
        );
        assert_eq!(account.changed(), ["-user alice", "user carol"]);
    }

    #[test]
    fn keeps_a_user_who_has_something_left() {
        let mut account = Account::filled();
        let conflict = |account: &mut Account, message: &str| {
            refused(account.delete_user("alice"), "DeleteConflict", message);
        };
        account
            .attach_policy(Holder::User("alice"), AWS_POLICY)
            .expect("attached");
        conflict(
            &mut account,
            "Cannot delete entity, must detach all policies first.",
        );
        account
            .detach_policy(Holder::User("alice"), AWS_POLICY)
            .expect("detached");

        account
            .put_inline_policy(Holder::User("alice"), "p", crate::iam::tests::ALLOW)
            .expect("put");
        conflict(&mut account, "Cannot delete entity, must delete policies first.");
        account
            .delete_inline_policy(Holder::User("alice"), "p")
            .expect("deleted");

        let key = account.try_key(KeyOwner::User("alice")).expect("created");
        conflict(
            &mut account,
            "Cannot delete entity, must delete access keys first.",
        );
        account
            .delete_access_key(KeyOwner::User("alice"), key.as_str())
            .expect("deleted");

        account
            .create_login_profile("alice", Secret::new("$"), false, now())
            .expect("created");
        conflict(
            &mut account,
            "Cannot delete entity, must delete login profile first.",
        );
        account.delete_login_profile("alice").expect("deleted");

        account.add_user_to_group("dev", "alice").expect("added");
        conflict(
            &mut account,
            "Cannot delete entity, must remove users from group first.",
        );
        account.remove_user_from_group("dev", "alice").expect("removed");

        account.take_changes();
        assert_eq!(account.delete_user("ALICE"), Ok(()));
        assert_eq!(account.changed(), ["-user alice"]);
        refused(
            account.delete_user("alice"),
            "NoSuchEntity",
            "The user with name alice cannot be found.",
        );
    }

    #[test]
    fn who_takes_the_name_of_a_deleted_user_is_someone_else() {
        let mut account = Account::filled();
        let id = account.user("alice").expect("there").id.clone();
        account.delete_user("alice").expect("deleted");
        account.try_user("alice").expect("created");
        assert_eq!(account.user_by_id(id.as_str()), None);
        assert!(account.user_policies_by_id(id.as_str()).is_none());
        assert_ne!(account.user("alice").expect("there").id, id);
    }

    #[test]
    fn lists_in_the_order_of_names_from_a_name_on_and_by_path() {
        let mut account = Account::new();
        for (name, path) in [("bob", "/"), ("Alice", "/x/y/"), ("carol", "/x/")] {
            let new = NewUser {
                name,
                path: Some(path),
                ..NewUser::default()
            };
            account
                .directory
                .create_user(new, now(), &account.random)
                .expect("created");
        }
        let names = |path_prefix, after| {
            let users = account.users(Listing { path_prefix, after });
            users.map(|user| user.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(None, None), ["Alice", "bob", "carol"]);
        assert_eq!(names(None, Some("ALICE")), ["bob", "carol"]);
        assert_eq!(names(None, Some("b")), ["bob", "carol"]);
        assert_eq!(names(Some("/x/"), None), ["Alice", "carol"]);
        assert_eq!(names(Some("/x/"), Some("alice")), ["carol"]);
    }

    #[test]
    fn an_account_has_room_for_so_many_users_only() {
        let mut account = Account::new();
        for at in 0..quotas::USERS {
            account.try_user(&format!("u{at}")).expect("created");
        }
        refused(
            account.try_user("one-more"),
            "LimitExceeded",
            "Cannot exceed quota for UsersPerAccount: 5000",
        );
        refused(
            account.try_user("U1"),
            "EntityAlreadyExists",
            "User with name u1 already exists.",
        );
    }
}
