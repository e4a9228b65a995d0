//! What the tests of this module start from, and the tests of the whole.

use std::ops::{Deref, DerefMut};

use jiff::Timestamp;

use super::{Change, Directory, IamError, KeyOwner, NewAccessKey, NewGroup, NewInstanceProfile, NewPolicy};
use super::{NewRole, NewUser, SealedSecret};
use crate::ids::{AccessKeyId, AccountId};
use crate::random::SeededRandom;

mod sequences;
mod stored;

pub(super) const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:*","Resource":"*"}]}"#;
pub(super) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
pub(super) const AWS_POLICY: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

pub(super) fn account() -> AccountId {
    AccountId::parse("123456789012").expect("valid")
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_767_323_045).expect("valid")
}

/// Returns a valid document with this many characters that count.
pub(super) fn document_of(size: usize) -> String {
    let empty = ALLOW.replace("ssm:*", "ssm:");
    ALLOW.replace("ssm:*", &format!("ssm:{}", "a".repeat(size - empty.len())))
}

/// Checks a refusal's code and message.
#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T, IamError>, code: &str, message: &str) {
    let error = result.expect_err("refused");
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
}

/// A directory that is quick to fill.
pub(super) struct Account {
    pub(super) directory: Directory,
    pub(super) random: SeededRandom,
}

impl Account {
    pub(super) fn new() -> Self {
        Self {
            directory: Directory::new(account()),
            random: SeededRandom::new(1),
        }
    }

    /// Creates the users alice and bob, the groups dev and ops, the roles web and db, the policy own and the profile
    /// web, none of which knows another.
    pub(super) fn filled() -> Self {
        let mut account = Self::new();
        for name in ["alice", "bob"] {
            account.try_user(name).expect("created");
        }
        for name in ["dev", "ops"] {
            account.try_group(name).expect("created");
        }
        for name in ["web", "db"] {
            account.try_role(name).expect("created");
        }
        account.try_policy("own").expect("created");
        account.try_profile("web").expect("created");
        account.take_changes();
        account
    }

    pub(super) fn try_user(&mut self, name: &str) -> Result<(), IamError> {
        let new = NewUser {
            name,
            ..NewUser::default()
        };
        self.directory.create_user(new, now(), &self.random).map(drop)
    }

    pub(super) fn try_group(&mut self, name: &str) -> Result<(), IamError> {
        let new = NewGroup { name, path: None };
        self.directory.create_group(new, now(), &self.random).map(drop)
    }

    pub(super) fn try_role(&mut self, name: &str) -> Result<(), IamError> {
        let new = NewRole {
            name,
            trust: TRUST,
            ..NewRole::default()
        };
        self.directory
            .create_role(new, &|_| true, now(), &self.random)
            .map(drop)
    }

    pub(super) fn try_policy(&mut self, name: &str) -> Result<String, IamError> {
        let new = NewPolicy {
            name,
            document: ALLOW,
            ..NewPolicy::default()
        };
        let created = self.directory.create_policy(new, now(), &self.random);
        created.map(|policy| policy.arn.to_string())
    }

    pub(super) fn try_profile(&mut self, name: &str) -> Result<(), IamError> {
        let new = NewInstanceProfile {
            name,
            ..NewInstanceProfile::default()
        };
        let created = self.directory.create_instance_profile(new, now(), &self.random);
        created.map(drop)
    }

    pub(super) fn try_key(&mut self, owner: KeyOwner<'_>) -> Result<AccessKeyId, IamError> {
        let new = NewAccessKey {
            id: AccessKeyId::generate(&self.random),
            sealed_secret: SealedSecret::new(vec![1, 2, 0xff]),
        };
        let created = self.directory.create_access_key(owner, new, now());
        created.map(|key| key.id)
    }

    /// Returns the keys of what changed, `-` before what is no more.
    pub(super) fn changed(&mut self) -> Vec<String> {
        let show = |Change { key, entity }: Change| match entity {
            Some(entity) => {
                assert_eq!(entity.key(), key);
                format!("{} {}", key.kind.as_str(), key.name)
            }
            None => format!("-{} {}", key.kind.as_str(), key.name),
        };
        self.directory.take_changes().into_iter().map(show).collect()
    }
}

impl Deref for Account {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl DerefMut for Account {
    fn deref_mut(&mut self) -> &mut Directory {
        &mut self.directory
    }
}
