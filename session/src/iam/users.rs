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
