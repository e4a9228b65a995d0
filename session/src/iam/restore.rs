//! A directory from what was stored.

use std::sync::Arc;

use super::access_keys::{AccessKey, IndexedOwner};
use super::attachments::HeldPolicies;
use super::change::{Entity, EntityKey};
use super::directory::{Directory, Record, Root};
use super::names::FoldedName;
use crate::ids::{AccessKeyId, AccountId, UniqueId};

/// Says which stored entity does not fit with the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot restore the {entity} of account {account}")]
pub struct RestoreError {
    /// The account.
    pub account: AccountId,
    /// The entity.
    pub entity: EntityKey,
    /// What is wrong with it.
    pub source: RestoreFault,
}

/// What is wrong with a stored entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreFault {
    /// Another entity of its kind has its name.
    #[error("its name is there twice")]
    NameTwice,
    /// Another entity has its unique id.
    #[error("its unique id `{0}` is there twice")]
    IdTwice(UniqueId),
    /// Another user has its access key.
    #[error("its access key `{0}` is there twice")]
    AccessKeyTwice(AccessKeyId),
    /// It belongs to a group that is not there.
    #[error("there is no group `{0}`")]
    NoGroup(UniqueId),
    /// It has a role that is not there.
    #[error("there is no role `{0}`")]
    NoRole(UniqueId),
    /// A policy of the account is attached to it that is not there.
    #[error("there is no policy `{0}`")]
    NoPolicy(String),
    /// Its ARN names another account.
    #[error("its ARN `{0}` names another account")]
    OtherAccount(String),
}

impl Directory {
    /// Puts stored entities together again, in any order.
    ///
    /// # Errors
    ///
    /// Names the first entity that does not fit. A boundary that is not there is no error: it denies everything.
    pub fn restore(
        account: &AccountId,
        entities: impl IntoIterator<Item = Entity>,
    ) -> Result<Self, RestoreError> {
        let mut directory = Self::new(account.clone());
        let refuse = |entity: &Entity, source| RestoreError {
            account: account.clone(),
            entity: entity.key(),
            source,
        };
        for entity in entities {
            directory.load(&entity).map_err(|fault| refuse(&entity, fault))?;
        }
        for entity in directory.entities() {
            directory
                .check_references(&entity)
                .map_err(|fault| refuse(&entity, fault))?;
        }
        Ok(directory)
    }

    fn load(&mut self, entity: &Entity) -> Result<(), RestoreFault> {
        match entity {
            Entity::Root(_) if *self.root != Root::default() => Err(RestoreFault::NameTwice),
            Entity::Root(root) => {
                self.root = Arc::clone(root);
                self.index_keys(&root.access_keys, &IndexedOwner::Root)
            }
            Entity::User(user) => {
                self.load_record(user)?;
                self.index_keys(&user.access_keys, &IndexedOwner::User(user.id.clone()))
            }
            Entity::Group(group) => self.load_record(group),
            Entity::Role(role) => self.load_record(role),
            Entity::Policy(policy) if policy.arn.owner() == self.account.as_str() => self.load_record(policy),
            Entity::Policy(policy) => Err(RestoreFault::OtherAccount(policy.arn.to_string())),
            Entity::InstanceProfile(profile) => self.load_record(profile),
        }
    }

    fn load_record<T: Record>(&mut self, record: &Arc<T>) -> Result<(), RestoreFault> {
        let name = FoldedName::new(record.name());
        let id = record.id().clone();
        if Arc::make_mut(&mut self.ids)
            .insert(id.clone(), name.clone())
            .is_some()
        {
            return Err(RestoreFault::IdTwice(id));
        }
        match T::table_mut(self).insert(name, Arc::clone(record)) {
            Some(_) => Err(RestoreFault::NameTwice),
            None => Ok(()),
        }
    }

    fn index_keys(&mut self, keys: &[AccessKey], owner: &IndexedOwner) -> Result<(), RestoreFault> {
        for key in keys {
            let before = Arc::make_mut(&mut self.keys).insert(key.id.clone(), owner.clone());
            if before.is_some() {
                return Err(RestoreFault::AccessKeyTwice(key.id.clone()));
            }
        }
        Ok(())
    }

    fn check_references(&self, entity: &Entity) -> Result<(), RestoreFault> {
        match entity {
            Entity::User(user) => {
                let lost = |id: &&UniqueId| self.group_by_id(id.as_str()).is_none();
                match user.groups.iter().find(lost) {
                    Some(id) => Err(RestoreFault::NoGroup(id.clone())),
                    None => self.check_attached(&user.policies),
                }
            }
            Entity::Group(group) => self.check_attached(&group.policies),
            Entity::Role(role) => self.check_attached(&role.policies),
            Entity::InstanceProfile(profile) => match &profile.role {
                Some(id) if self.role_by_id(id.as_str()).is_none() => Err(RestoreFault::NoRole(id.clone())),
                _ => Ok(()),
            },
            Entity::Root(_) | Entity::Policy(_) => Ok(()),
        }
    }

    /// AWS's policies may go with a release of the server; until they are detached they deny everything.
    fn check_attached(&self, held: &HeldPolicies) -> Result<(), RestoreFault> {
        let lost = held
            .attached
            .iter()
            .find(|arn| !arn.is_aws() && self.find_policy(arn).is_none());
        match lost {
            Some(arn) => Err(RestoreFault::NoPolicy(arn.to_string())),
            None => Ok(()),
        }
    }
}
