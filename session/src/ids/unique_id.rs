//! Ids that tell an IAM entity from another that had its name before.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ParseError, base32, id};
use crate::random::Random;

id!(
    /// Names an IAM entity for ever: `AIDA…` a user, `AROA…` a role, `AGPA…` a group, `ANPA…` a policy, `AIPA…` an
    /// instance profile.
    UniqueId, "a unique id", "`AIDA`, `AROA`, `AGPA`, `ANPA` or `AIPA` and 12 to 124 upper-case letters or digits",
    |text| (16..=128).contains(&text.len())
        && ["AIDA", "AROA", "AGPA", "ANPA", "AIPA"].iter().any(|prefix| text.starts_with(prefix))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
);

impl UniqueId {
    /// Draws the id of a user.
    pub fn user(random: &dyn Random) -> Self {
        Self::draw("AIDA", random)
    }

    /// Draws the id of a role.
    pub fn role(random: &dyn Random) -> Self {
        Self::draw("AROA", random)
    }

    /// Draws the id of a group.
    pub fn group(random: &dyn Random) -> Self {
        Self::draw("AGPA", random)
    }

    /// Draws the id of a managed policy.
    pub fn policy(random: &dyn Random) -> Self {
        Self::draw("ANPA", random)
    }

    /// Draws the id of an instance profile.
    pub fn instance_profile(random: &dyn Random) -> Self {
        Self::draw("AIPA", random)
    }

    fn draw(prefix: &str, random: &dyn Random) -> Self {
        Self(base32::<17>(prefix, random).into())
    }
}

impl Borrow<str> for UniqueId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn accepts_what_it_generates() {
        let random = SeededRandom::new(1);
        for id in [
            UniqueId::user(&random),
            UniqueId::role(&random),
            UniqueId::group(&random),
            UniqueId::policy(&random),
            UniqueId::instance_profile(&random),
        ] {
            assert_eq!(id.as_str().len(), 21);
            assert_eq!(UniqueId::parse(id.as_str()), Ok(id));
        }
    }

    #[test]
    fn refuses_keys_and_other_texts() {
        for text in [
            "",
            "AIDA",
            "AKIAIOSFODNN7EXAMPLE",
            "aidaiosfodnn7example1",
            "AIDA/../../../../etc",
        ] {
            assert!(UniqueId::parse(text).is_err(), "{text}");
        }
    }
}
