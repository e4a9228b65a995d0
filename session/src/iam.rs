//! The identities of one account: users, groups, roles, managed policies and instance profiles.
//!
//! A [`Directory`] holds them and the rules that bind them: what must exist, what must be unique, what is in the way of
//! a deletion, how much there may be. Its methods take what a request says and answer with AWS's errors; a method that
//! fails leaves the directory as it was. It refuses to know the wire, the store and the clock. What changed is told by
//! [`Directory::take_changes`], entity by entity, in the form in which it is stored.
//!
//! Entities are shared: a clone of a directory costs a few pointers, so a server keeps one for its readers, edits a
//! clone and puts that in its place.
//!
//! ```text
//!   User ──groups──▶ Group           by unique id: a rename touches one entity
//!   InstanceProfile ──role──▶ Role   by unique id
//!   User, Group, Role ──attached──▶ policy of the account, or of AWS    by ARN
//!   User, Role ──boundary──▶ policy                                     by ARN
//! ```

mod access_keys;
mod arn;
mod attachments;
mod boundaries;
mod change;
mod decisions;
mod directory;
mod documents;
mod error;
mod furnish;
mod groups;
mod inline;
mod listing;
mod login;
mod names;
mod policies;
mod policy_ref;
mod profiles;
pub mod quotas;
mod restore;
mod roles;
mod summary;
mod table;
mod tags;
mod trust;
mod usage;
mod users;
mod versions;

pub use access_keys::{AccessKey, FoundAccessKey, KeyOwner, NewAccessKey, SealedSecret};
pub use arn::PolicyArn;
pub use attachments::{HeldPolicies, Holder};
pub use boundaries::Bounded;
pub use change::{Change, Entity, EntityKey, EntityKind};
pub use decisions::PrincipalPolicies;
pub use directory::{Directory, Root};
pub use documents::Document;
pub use error::IamError;
pub use furnish::{ADMINISTRATOR, NODE_ROLE};
pub use groups::{Group, NewGroup};
pub use listing::Listing;
pub use login::{LoginProfile, check_password};
pub use names::{FoldedName, Path};
pub use policies::{CustomerPolicy, NewPolicy};
pub use policy_ref::{PolicyRef, VersionRef};
pub use profiles::{InstanceProfile, NewInstanceProfile};
pub use restore::{RestoreError, RestoreFault};
pub use roles::{NewRole, Role};
pub use tags::{Tagged, Tags};
pub use usage::{PolicyEntities, PolicyUse, Usage};
pub use users::{NewUser, User};
pub use versions::{PolicyVersion, VersionId};

#[cfg(test)]
mod tests;
