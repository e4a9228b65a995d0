//! Access keys of users and of the root.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::directory::Directory;
use super::error::IamError;
use super::quotas;
use super::users::User;
use crate::ids::{AccessKeyId, UniqueId};

/// A long-lived access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: AccessKeyId,
    /// The secret as the store seals it.
    pub sealed_secret: SealedSecret,
    /// Whether requests may be signed with it.
    pub active: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A secret that only the server's key opens; hex in JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(Vec<u8>);

/// An access key to be created; its id is drawn first, because the secret is sealed for it.
#[derive(Debug, Clone)]
pub struct NewAccessKey {
    /// The id, never used before.
    pub id: AccessKeyId,
    /// The sealed secret.
    pub sealed_secret: SealedSecret,
}

/// Names whose keys a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner<'a> {
    /// The root of the account.
    Root,
    /// A user by name.
    User(&'a str),
}

/// An access key and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct FoundAccessKey<'a> {
    /// The user; `None` for the root of the account.
    pub user: Option<&'a Arc<User>>,
    /// The key.
    pub key: &'a AccessKey,
}

/// Whose key it is, whatever the name is at the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IndexedOwner {
    Root,
    User(UniqueId),
}

impl SealedSecret {
    /// Takes sealed bytes.
    pub fn new(sealed: Vec<u8>) -> Self {
        Self(sealed)
    }

    /// Returns the sealed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedSecret({} bytes)", self.0.len())
    }
}

impl Serialize for SealedSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for SealedSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Directory {
    /// Adds an access key, which is active, to a user or the root.
    pub fn create_access_key(
        &mut self,
        owner: KeyOwner<'_>,
        new: NewAccessKey,
        now: Timestamp,
    ) -> Result<AccessKey, IamError> {
        let indexed = match owner {
            KeyOwner::Root => IndexedOwner::Root,
            KeyOwner::User(name) => IndexedOwner::User(self.user(name)?.id.clone()),
        };
        if self.keys.contains_key(&new.id) {
            let message = format!("Access Key with id {} already exists.", new.id);
            return Err(IamError::EntityAlreadyExists(message));
        }
        let key = AccessKey {
            id: new.id,
            sealed_secret: new.sealed_secret,
            active: true,
            created_at: now,
        };
        self.edit_keys(owner, |keys| {
            if keys.len() >= quotas::ACCESS_KEYS {
                return Err(IamError::quota("AccessKeysPerUser", quotas::ACCESS_KEYS));
            }
            keys.push(key.clone());
            Ok(())
        })?;
        Arc::make_mut(&mut self.keys).insert(key.id.clone(), indexed);
        Ok(key)
    }

    /// Lets requests be signed with a key, or not.
    pub fn update_access_key(&mut self, owner: KeyOwner<'_>, id: &str, active: bool) -> Result<(), IamError> {
        self.edit_keys(owner, |keys| {
            let at = position(keys, id)?;
            keys[at].active = active;
            Ok(())
        })
    }

    /// Deletes an access key.
    pub fn delete_access_key(&mut self, owner: KeyOwner<'_>, id: &str) -> Result<(), IamError> {
        let removed = self.edit_keys(owner, |keys| {
            let at = position(keys, id)?;
            Ok(keys.remove(at))
        })?;
        Arc::make_mut(&mut self.keys).remove(&removed.id);
        Ok(())
    }

    /// Returns the keys of a user or the root, the older first.
    pub fn access_keys(&self, owner: KeyOwner<'_>) -> Result<&[AccessKey], IamError> {
        match owner {
            KeyOwner::Root => Ok(&self.root.access_keys),
            KeyOwner::User(name) => Ok(&self.user(name)?.access_keys),
        }
    }

    /// Finds a key, active or not, and whose it is.
    pub fn find_access_key(&self, id: &AccessKeyId) -> Option<FoundAccessKey<'_>> {
        let (user, keys) = match self.keys.get(id)? {
            IndexedOwner::Root => (None, &self.root.access_keys),
            IndexedOwner::User(owner) => {
                let user = self.user_by_id(owner.as_str())?;
                (Some(user), &user.access_keys)
            }
        };
        let key = keys.iter().find(|key| key.id == *id)?;
        Some(FoundAccessKey { user, key })
    }

    fn edit_keys<R>(
        &mut self,
        owner: KeyOwner<'_>,
        change: impl FnOnce(&mut Vec<AccessKey>) -> Result<R, IamError>,
    ) -> Result<R, IamError> {
        match owner {
            KeyOwner::Root => self.edit_root(|root| change(&mut root.access_keys)),
            KeyOwner::User(name) => self.edit::<User, _>(name, |user| change(&mut user.access_keys)),
        }
    }
}

fn position(keys: &[AccessKey], id: &str) -> Result<usize, IamError> {
    let found = keys.iter().position(|key| key.id.as_str() == id);
    found.ok_or_else(|| IamError::NoSuchEntity(format!("The Access Key with id {id} cannot be found.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{Account, now, refused};

    const ALICE: KeyOwner<'_> = KeyOwner::User("alice");

    #[test]
    fn finds_a_key_and_whose_it_is() {
        let mut account = Account::filled();
        let own = account.try_key(ALICE).expect("created");
        let root = account.try_key(KeyOwner::Root).expect("created");
        assert_eq!(account.changed(), ["root ", "user alice"]);
        let found = account.find_access_key(&own).expect("there");
        assert_eq!(found.user.map(|user| user.name.as_str()), Some("alice"));
        assert_eq!(
            (&found.key.id, found.key.active, found.key.created_at),
            (&own, true, now())
        );
        assert!(account.find_access_key(&root).expect("there").user.is_none());

        account.delete_access_key(ALICE, own.as_str()).expect("deleted");
        account
            .delete_access_key(KeyOwner::Root, root.as_str())
            .expect("deleted");
        assert!(account.find_access_key(&own).is_none() && account.find_access_key(&root).is_none());
        assert_eq!(account.access_keys(ALICE), Ok(&[][..]));
    }

    #[test]
    fn two_keys_are_enough() {
        let mut account = Account::filled();
        for owner in [ALICE, KeyOwner::Root] {
            for _ in 0..2 {
                account.try_key(owner).expect("created");
            }
            refused(
                account.try_key(owner),
                "LimitExceeded",
                "Cannot exceed quota for AccessKeysPerUser: 2",
            );
            assert_eq!(account.access_keys(owner).map(<[_]>::len), Ok(2));
        }
    }

    #[test]
    fn a_key_is_switched_off_and_on() {
        let mut account = Account::filled();
        let id = account.try_key(ALICE).expect("created");
        for active in [false, true] {
            account
                .update_access_key(ALICE, id.as_str(), active)
                .expect("updated");
            assert_eq!(account.find_access_key(&id).expect("there").key.active, active);
        }
    }

    #[test]
    fn nobody_touches_the_key_of_another() {
        let mut account = Account::filled();
        let id = account.try_key(ALICE).expect("created");
        let message = format!("The Access Key with id {id} cannot be found.");
        for owner in [KeyOwner::User("bob"), KeyOwner::Root] {
            refused(
                account.update_access_key(owner, id.as_str(), false),
                "NoSuchEntity",
                &message,
            );
            refused(
                account.delete_access_key(owner, id.as_str()),
                "NoSuchEntity",
                &message,
            );
        }
        let again = NewAccessKey {
            id: id.clone(),
            sealed_secret: SealedSecret::new(Vec::new()),
        };
        let message = format!("Access Key with id {id} already exists.");
        refused(
            account.create_access_key(KeyOwner::User("bob"), again, now()),
            "EntityAlreadyExists",
            &message,
        );
        refused(
            account.try_key(KeyOwner::User("no")),
            "NoSuchEntity",
            "The user with name no cannot be found.",
        );
    }
}
