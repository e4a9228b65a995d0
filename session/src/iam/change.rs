//! What changed, in the form in which it is stored.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::directory::{Record, Root};
use super::groups::Group;
use super::names::FoldedName;
use super::policies::CustomerPolicy;
use super::profiles::InstanceProfile;
use super::roles::Role;
use super::users::User;

/// One entity that is to be written, or removed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which.
    pub key: EntityKey,
    /// What it is; `None` when it is no more.
    pub entity: Option<Entity>,
}

/// Names an entity within its account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey {
    /// The kind.
    pub kind: EntityKind,
    /// The name without its case; empty for the root.
    pub name: FoldedName,
}

/// The kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// The account's root.
    Root,
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
    /// A policy that the account manages.
    Policy,
    /// An instance profile.
    InstanceProfile,
}

/// An entity of any kind; its JSON is the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entity {
    /// The account's root.
    Root(Arc<Root>),
    /// A user.
    User(Arc<User>),
    /// A group.
    Group(Arc<Group>),
    /// A role.
    Role(Arc<Role>),
    /// A policy that the account manages.
    Policy(Arc<CustomerPolicy>),
    /// An instance profile.
    InstanceProfile(Arc<InstanceProfile>),
}

impl EntityKey {
    pub(super) fn new(kind: EntityKind, name: &str) -> Self {
        Self {
            kind,
            name: FoldedName::new(name),
        }
    }

    pub(super) fn root() -> Self {
        Self::new(EntityKind::Root, "")
    }
}

impl EntityKind {
    /// Returns the word that the stored form has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::InstanceProfile => "instance-profile",
        }
    }
}

impl Entity {
    /// Returns under which key it is stored.
    pub fn key(&self) -> EntityKey {
        fn key<T: Record>(record: &T) -> EntityKey {
            EntityKey::new(T::KIND, record.name())
        }
        match self {
            Self::Root(_) => EntityKey::root(),
            Self::User(user) => key(&**user),
            Self::Group(group) => key(&**group),
            Self::Role(role) => key(&**role),
            Self::Policy(policy) => key(&**policy),
            Self::InstanceProfile(profile) => key(&**profile),
        }
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind.as_str(), self.name)
    }
}
