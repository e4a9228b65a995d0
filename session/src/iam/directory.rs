//! The state of one account, and the few ways in which it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::access_keys::{AccessKey, IndexedOwner};
use super::change::{Change, Entity, EntityKey, EntityKind};
use super::error::IamError;
use super::groups::Group;
use super::names::{FoldedName, check_name};
use super::policies::CustomerPolicy;
use super::profiles::InstanceProfile;
use super::roles::Role;
use super::table::Table;
use super::users::User;
use crate::ids::{AccessKeyId, AccountId, UniqueId};

/// The identities of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Directory {
    pub(super) account: AccountId,
    pub(super) root: Arc<Root>,
    pub(super) users: Table<User>,
    pub(super) groups: Table<Group>,
    pub(super) roles: Table<Role>,
    pub(super) policies: Table<CustomerPolicy>,
    pub(super) profiles: Table<InstanceProfile>,
    /// The names of all entities that have a unique id.
    pub(super) ids: Arc<BTreeMap<UniqueId, FoldedName>>,
    /// Whose access key it is.
    pub(super) keys: Arc<BTreeMap<AccessKeyId, IndexedOwner>>,
    changed: BTreeSet<EntityKey>,
}

/// What the root of an account has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Root {
    /// At most two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_keys: Vec<AccessKey>,
}

/// What all kinds of named entities have in common.
pub(super) trait Record: Clone + PartialEq + 'static {
    const KIND: EntityKind;
    /// The field of requests that holds the name, and the longest name.
    const NAME: (&'static str, usize);
    /// The account's quota: AWS's name for it, and how many.
    const QUOTA: (&'static str, usize);

    fn name(&self) -> &str;
    fn path(&self) -> &str;
    fn id(&self) -> &UniqueId;
    fn into_entity(shared: Arc<Self>) -> Entity;
    fn table(directory: &Directory) -> &Table<Self>;
    fn table_mut(directory: &mut Directory) -> &mut Table<Self>;
}

impl Directory {
    /// Creates the directory of an account that has nobody yet.
    pub fn new(account: AccountId) -> Self {
        Self {
            account,
            root: Arc::default(),
            users: Table::default(),
            groups: Table::default(),
            roles: Table::default(),
            policies: Table::default(),
            profiles: Table::default(),
            ids: Arc::default(),
            keys: Arc::default(),
            changed: BTreeSet::new(),
        }
    }

    /// Returns what changed since the last call, each entity once, as it is at this moment.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let changed = std::mem::take(&mut self.changed);
        let change = |key: EntityKey| Change {
            entity: self.entity(&key),
            key,
        };
        changed.into_iter().map(change).collect()
    }

    /// Returns the account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Returns the account's root.
    pub fn root(&self) -> &Arc<Root> {
        &self.root
    }

    /// Returns everything in the form in which it is stored, in the order of kinds and names.
    pub fn entities(&self) -> impl Iterator<Item = Entity> {
        std::iter::once(Entity::Root(Arc::clone(&self.root)))
            .chain(self.users.iter().cloned().map(Entity::User))
            .chain(self.groups.iter().cloned().map(Entity::Group))
            .chain(self.roles.iter().cloned().map(Entity::Role))
            .chain(self.policies.iter().cloned().map(Entity::Policy))
            .chain(self.profiles.iter().cloned().map(Entity::InstanceProfile))
    }

    fn entity(&self, key: &EntityKey) -> Option<Entity> {
        fn entity<T: Record>(directory: &Directory, name: &FoldedName) -> Option<Entity> {
            let found = T::table(directory).find(name.as_str())?;
            Some(T::into_entity(Arc::clone(found)))
        }
        match key.kind {
            EntityKind::Root => Some(Entity::Root(Arc::clone(&self.root))),
            EntityKind::User => entity::<User>(self, &key.name),
            EntityKind::Group => entity::<Group>(self, &key.name),
            EntityKind::Role => entity::<Role>(self, &key.name),
            EntityKind::Policy => entity::<CustomerPolicy>(self, &key.name),
            EntityKind::InstanceProfile => entity::<InstanceProfile>(self, &key.name),
        }
    }

    pub(super) fn find<T: Record>(&self, name: &str) -> Result<&Arc<T>, IamError> {
        T::table(self)
            .find(name)
            .ok_or_else(|| IamError::absent(T::KIND, name))
    }

    /// Finds by unique id; who took the name of a deleted entity is not it.
    pub(super) fn find_by_id<T: Record>(&self, id: &str) -> Option<&Arc<T>> {
        let name = self.ids.get(id)?;
        T::table(self)
            .find(name.as_str())
            .filter(|found| found.id().as_str() == id)
    }

    /// Checks that a new entity may have this name, and that the account has room for it.
    pub(super) fn check_new<T: Record>(&self, name: &str) -> Result<(), IamError> {
        self.check_free::<T>(name)?;
        let (quota, limit) = T::QUOTA;
        if T::table(self).len() >= limit {
            return Err(IamError::quota(quota, limit));
        }
        Ok(())
    }

    pub(super) fn check_free<T: Record>(&self, name: &str) -> Result<(), IamError> {
        let (field, longest) = T::NAME;
        check_name(name, field, longest)?;
        match T::table(self).find(name) {
            Some(taken) => Err(IamError::taken(T::KIND, taken.name())),
            None => Ok(()),
        }
    }

    /// Adds an entity whose name is known to be free.
    pub(super) fn add<T: Record>(&mut self, entity: T) -> Arc<T> {
        let entity = Arc::new(entity);
        let key = EntityKey::new(T::KIND, entity.name());
        Arc::make_mut(&mut self.ids).insert(entity.id().clone(), key.name.clone());
        T::table_mut(self).insert(key.name.clone(), Arc::clone(&entity));
        self.changed.insert(key);
        entity
    }

    /// Removes an entity that nothing depends on.
    pub(super) fn remove<T: Record>(&mut self, name: &str) {
        let key = EntityKey::new(T::KIND, name);
        if let Some(removed) = T::table_mut(self).remove(&key.name) {
            Arc::make_mut(&mut self.ids).remove(removed.id());
            self.changed.insert(key);
        }
    }

    /// Changes a copy of an entity and puts it in the entity's place, unless the change fails or changes nothing.
    ///
    /// A new name must be known to be free.
    pub(super) fn edit<T: Record, R>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut T) -> Result<R, IamError>,
    ) -> Result<R, IamError> {
        let before = self.find::<T>(name)?;
        let mut after = T::clone(before);
        let result = change(&mut after)?;
        if after != **before {
            if FoldedName::new(after.name()) != FoldedName::new(name) {
                self.remove::<T>(name);
            }
            self.add(after);
        }
        Ok(result)
    }

    pub(super) fn edit_root<R>(
        &mut self,
        change: impl FnOnce(&mut Root) -> Result<R, IamError>,
    ) -> Result<R, IamError> {
        let mut after = Root::clone(&self.root);
        let result = change(&mut after)?;
        if after != *self.root {
            self.root = Arc::new(after);
            self.changed.insert(EntityKey::root());
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::Account;

    #[test]
    fn a_clone_is_a_snapshot_that_shares_what_did_not_change() {
        let mut account = Account::filled();
        let snapshot = account.directory.clone();
        account.update_user("alice", None, Some("/x/")).expect("updated");
        assert_eq!(snapshot.user("alice").expect("there").path.as_str(), "/");
        assert_eq!(account.user("alice").expect("there").path.as_str(), "/x/");
        let shared = |name: &str| {
            Arc::ptr_eq(
                snapshot.user(name).expect("there"),
                account.user(name).expect("there"),
            )
        };
        assert!(shared("bob") && !shared("alice"));
        assert_eq!(account.changed(), ["user alice"]);
    }

    #[test]
    fn tells_each_change_once_as_it_came_to_be() {
        let mut account = Account::filled();
        account
            .update_user("alice", Some("carol"), None)
            .expect("renamed");
        account
            .update_user("carol", Some("alice"), None)
            .expect("renamed back");
        account.delete_user("bob").expect("deleted");
        account.try_user("bob").expect("created");
        account.try_user("dave").expect("created");
        account.delete_user("dave").expect("deleted");
        assert_eq!(
            account.changed(),
            ["user alice", "user bob", "-user carol", "-user dave"]
        );
    }

    #[test]
    fn a_change_to_the_same_is_none() {
        let mut account = Account::filled();
        account
            .update_user("alice", Some("alice"), Some("/"))
            .expect("updated");
        account.update_role("web", None, Some(3600)).expect("updated");
        assert_eq!(account.changed(), [""; 0]);
    }
}
