//! Tags of users, roles, policies and instance profiles.

use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::error::IamError;
use super::policies::CustomerPolicy;
use super::profiles::InstanceProfile;
use super::quotas;
use super::roles::Role;
use super::users::User;
use crate::caller::Caller;
use crate::principal::Principal;
use crate::tag::Tag;

/// Tags in the order in which their keys were added; keys are unique whatever their case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(Vec<Tag>);

/// Names an entity that can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged<'a> {
    /// A user by name.
    User(&'a str),
    /// A role by name.
    Role(&'a str),
    /// A policy of the account by ARN.
    Policy(&'a str),
    /// An instance profile by name.
    InstanceProfile(&'a str),
}

impl Directory {
    /// Adds tags, in the place of those with the same keys.
    pub fn tag(&mut self, entity: Tagged<'_>, tags: Vec<Tag>) -> Result<(), IamError> {
        self.edit_tags(entity, |held| held.add(tags, entity.quota()))
    }

    /// Removes tags by their keys; keys that are not there are ignored.
    pub fn untag(&mut self, entity: Tagged<'_>, keys: &[String]) -> Result<(), IamError> {
        self.edit_tags(entity, |held| {
            held.0
                .retain(|tag| !keys.iter().any(|key| same_key(&tag.key, key)));
            Ok(())
        })
    }

    /// Returns the tags of an entity.
    pub fn tags(&self, entity: Tagged<'_>) -> Result<&Tags, IamError> {
        match entity {
            Tagged::User(name) => self.user(name).map(|user| &user.tags),
            Tagged::Role(name) => self.role(name).map(|role| &role.tags),
            Tagged::Policy(arn) => self.own_policy(arn).map(|policy| &policy.tags),
            Tagged::InstanceProfile(name) => self.instance_profile(name).map(|profile| &profile.tags),
        }
    }

    /// Returns the tags of whoever calls: those of the user or role, and those of the session, which win.
    pub fn principal_tags(&self, caller: &Caller) -> Vec<Tag> {
        let own = match &caller.principal {
            Principal::User { user, .. } => self.user_by_id(&user.id).map(|user| &user.tags),
            Principal::AssumedRole { role, .. } | Principal::Node { role, .. } => {
                self.role_by_id(&role.id).map(|role| &role.tags)
            }
            Principal::Root { .. } | Principal::Service { .. } | Principal::Anonymous { .. } => None,
        };
        let mut tags = own.map(|own| own.as_slice().to_vec()).unwrap_or_default();
        for tag in caller.grant.iter().flat_map(|grant| &grant.tags) {
            tags.retain(|own| !same_key(&own.key, &tag.key));
            tags.push(tag.clone());
        }
        tags
    }

    fn edit_tags(
        &mut self,
        entity: Tagged<'_>,
        change: impl FnOnce(&mut Tags) -> Result<(), IamError>,
    ) -> Result<(), IamError> {
        match entity {
            Tagged::User(name) => self.edit::<User, _>(name, |user| change(&mut user.tags)),
            Tagged::Role(name) => self.edit::<Role, _>(name, |role| change(&mut role.tags)),
            Tagged::Policy(arn) => {
                self.edit_policy(arn, |policy: &mut CustomerPolicy| change(&mut policy.tags))
            }
            Tagged::InstanceProfile(name) => {
                self.edit::<InstanceProfile, _>(name, |profile| change(&mut profile.tags))
            }
        }
    }
}

impl Tags {
    /// Takes the tags of an entity that is to be created.
    pub(super) fn of(entity: Tagged<'_>, tags: Vec<Tag>) -> Result<Self, IamError> {
        let mut held = Self::default();
        held.add(tags, entity.quota())?;
        Ok(held)
    }

    /// Returns the tags.
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }

    /// Returns the value of a key, whatever its case.
    pub fn value(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|tag| same_key(&tag.key, key))?;
        Some(&found.value)
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, tags: Vec<Tag>, quota: &'static str) -> Result<(), IamError> {
        if tags.len() > quotas::TAGS {
            let rule = format!("have length less than or equal to {}", quotas::TAGS);
            return Err(IamError::constraint(tags.len(), "tags", &rule));
        }
        for (at, tag) in tags.iter().enumerate() {
            check(tag, at)?;
            if tags[..at].iter().any(|before| same_key(&before.key, &tag.key)) {
                return Err(IamError::InvalidInput(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
                ));
            }
        }
        for tag in tags {
            match self.0.iter_mut().find(|held| same_key(&held.key, &tag.key)) {
                Some(held) => *held = tag,
                None => self.0.push(tag),
            }
        }
        if self.0.len() > quotas::TAGS {
            return Err(IamError::quota(quota, quotas::TAGS));
        }
        Ok(())
    }
}

impl Tagged<'_> {
    fn quota(self) -> &'static str {
        match self {
            Self::User(_) => "TagsPerUser",
            Self::Role(_) => "TagsPerRole",
            Self::Policy(_) => "TagsPerPolicy",
            Self::InstanceProfile(_) => "TagsPerInstanceProfile",
        }
    }
}

fn check(tag: &Tag, at: usize) -> Result<(), IamError> {
    let place = at + 1;
    let (key, value) = (tag.key.chars().count(), tag.value.chars().count());
    if !(1..=128).contains(&key) {
        let rule = "have length between 1 and 128";
        return Err(IamError::constraint(
            &tag.key,
            &format!("tags.{place}.member.key"),
            rule,
        ));
    }
    if value > 256 {
        let rule = "have length less than or equal to 256";
        return Err(IamError::constraint(
            &tag.value,
            &format!("tags.{place}.member.value"),
            rule,
        ));
    }
    if tag
        .key
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
    {
        return Err(IamError::InvalidInput(format!(
            "Tag key {} is not valid. Tag keys that begin with aws: are reserved for system use.",
            tag.key
        )));
    }
    Ok(())
}

/// Compares keys as names are compared; letters beyond ASCII keep their case, in every place that folds keys.
fn same_key(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{Account, refused};

    const KINDS: [Tagged<'_>; 4] = [
        Tagged::User("alice"),
        Tagged::Role("web"),
        Tagged::Policy("arn:aws:iam::123456789012:policy/own"),
        Tagged::InstanceProfile("web"),
    ];

    #[test]
    fn a_key_is_replaced_whatever_its_case() {
        for entity in KINDS {
            let mut account = Account::filled();
            let tag = |account: &mut Account, key: &str, value: &str| {
                account.tag(entity, vec![Tag::new(key, value)]).expect("tagged");
            };
            tag(&mut account, "Team", "blue");
            tag(&mut account, "env", "dev");
            tag(&mut account, "TEAM", "red");
            let tags = account.tags(entity).expect("there");
            assert_eq!(tags.as_slice(), [Tag::new("TEAM", "red"), Tag::new("env", "dev")]);
            assert_eq!(tags.value("team"), Some("red"));
            account.take_changes();
            account
                .untag(entity, &["Env".to_owned(), "no".to_owned()])
                .expect("untagged");
            assert_eq!(
                account.tags(entity).expect("there").as_slice(),
                [Tag::new("TEAM", "red")]
            );
            assert_eq!(account.changed().len(), 1);
        }
    }

    #[test]
    fn refuses_a_key_twice_and_keys_that_are_reserved() {
        let mut account = Account::filled();
        let mut tag = |tags: &[(&str, &str)]| {
            let tags = tags.iter().map(|(key, value)| Tag::new(*key, *value)).collect();
            account.tag(KINDS[0], tags)
        };
        refused(
            tag(&[("Team", "blue"), ("team", "blue")]),
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        );
        assert_eq!(
            tag(&[("AWS:x", "y")]).expect_err("reserved").code(),
            "InvalidInput"
        );
        assert_eq!(tag(&[("aws", "y"), ("awsx", ""), ("ééé", "é")]), Ok(()));
        for (key, value) in [("", ""), (&*"k".repeat(129), ""), ("k", &*"v".repeat(257))] {
            assert_eq!(
                tag(&[(key, value)]).expect_err("length").code(),
                "ValidationError"
            );
        }
        assert_eq!(tag(&[(&"é".repeat(128), &"é".repeat(256))]), Ok(()));
    }

    #[test]
    fn an_entity_has_fifty_tags_at_most() {
        let numbered =
            |range: std::ops::Range<usize>| range.map(|at| Tag::new(format!("k{at}"), "v")).collect();
        for (entity, quota) in KINDS
            .into_iter()
            .zip(["User", "Role", "Policy", "InstanceProfile"])
        {
            let mut account = Account::filled();
            account.tag(entity, numbered(0..50)).expect("tagged");
            account.tag(entity, numbered(0..50)).expect("the same");
            refused(
                account.tag(entity, numbered(50..51)),
                "LimitExceeded",
                &format!("Cannot exceed quota for TagsPer{quota}: 50"),
            );
            let error = account.tag(entity, numbered(0..51)).expect_err("too many");
            assert_eq!(error.code(), "ValidationError");
        }
    }
}
