//! Versions of the policies that an account manages.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::directory::Directory;
use super::documents::Document;
use super::error::IamError;
use super::policies::{CustomerPolicy, read_document};
use super::quotas;

/// One version of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Which.
    pub id: VersionId,
    /// What it says.
    pub document: Document,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Counts the versions of a policy; it shows itself as `v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionId(u32);

impl Directory {
    /// Adds a version to a policy, and puts it in force if `is_default` says so.
    pub fn create_policy_version(
        &mut self,
        arn: &str,
        document: &str,
        is_default: bool,
        now: Timestamp,
    ) -> Result<VersionId, IamError> {
        self.edit_policy(arn, |policy| {
            let document = read_document(document)?;
            if policy.others.len() + 1 >= quotas::POLICY_VERSIONS {
                return Err(IamError::LimitExceeded(format!(
                    "A managed policy can have up to {} versions. Before you create a new version, you must delete an \
                     existing version.",
                    quotas::POLICY_VERSIONS
                )));
            }
            let id = policy.next_version;
            policy.others.push(PolicyVersion {
                id,
                document,
                created_at: now,
            });
            policy.next_version = id.next();
            policy.updated_at = now;
            if is_default {
                policy.put_in_force(policy.others.len() - 1);
            }
            Ok(id)
        })
    }

    /// Puts a version of a policy in force.
    pub fn set_default_policy_version(&mut self, arn: &str, version: &str) -> Result<(), IamError> {
        self.edit_policy(arn, |policy| {
            if !policy.default.id.is(version) {
                let at = policy.position(version)?;
                policy.put_in_force(at);
            }
            Ok(())
        })
    }

    /// Deletes a version that is not in force.
    pub fn delete_policy_version(&mut self, arn: &str, version: &str) -> Result<(), IamError> {
        self.edit_policy(arn, |policy| {
            if policy.default.id.is(version) {
                return Err(IamError::conflict(
                    "Cannot delete the default version of a policy.",
                ));
            }
            let at = policy.position(version)?;
            policy.others.remove(at);
            Ok(())
        })
    }
}

impl CustomerPolicy {
    /// Returns where a version that is not in force stands among the others.
    fn position(&self, version: &str) -> Result<usize, IamError> {
        let found = self.others.iter().position(|other| other.id.is(version));
        found.ok_or_else(|| absent_version(self.arn.as_str(), version))
    }

    /// Exchanges the version in force for one of the others.
    fn put_in_force(&mut self, position: usize) {
        std::mem::swap(&mut self.default, &mut self.others[position]);
        self.others.sort_by_key(|version| version.id);
    }
}

impl VersionId {
    /// The version that a policy is created with.
    pub const FIRST: Self = Self(1);

    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('v')?;
        let id = Self(digits.parse().ok()?);
        id.is(text).then_some(id)
    }

    fn is(self, text: &str) -> bool {
        self.to_string() == text
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a version")))
    }
}

pub(super) fn absent_version(arn: &str, id: &str) -> IamError {
    IamError::NoSuchEntity(format!(
        "Policy {arn} version {id} does not exist or is not attachable."
    ))
}

#[cfg(test)]
mod tests {
    use crate::iam::VersionRef;
    use crate::iam::tests::{ALLOW, Account, now, refused};

    const OWN: &str = "arn:aws:iam::123456789012:policy/own";

    #[test]
    fn keeps_five_versions_and_never_counts_one_twice() {
        let mut account = Account::filled();
        let deny = ALLOW.replace("Allow", "Deny");
        for is_default in [false, true, false, false] {
            account
                .create_policy_version(OWN, &deny, is_default, now())
                .expect("created");
        }
        assert_eq!(versions(&account), ["v5", "v4", "v3*", "v2", "v1"]);
        assert_eq!(
            account.policy(OWN).expect("there").default_version().document,
            deny
        );
        refused(
            account.create_policy_version(OWN, ALLOW, true, now()),
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing \
             version.",
        );
        refused(
            account.delete_policy_version(OWN, "v3"),
            "DeleteConflict",
            "Cannot delete the default version of a policy.",
        );
        account.delete_policy_version(OWN, "v5").expect("deleted");
        account.set_default_policy_version(OWN, "v1").expect("set");
        account
            .set_default_policy_version(OWN, "v1")
            .expect("set already");
        account
            .create_policy_version(OWN, ALLOW, false, now())
            .expect("created");
        assert_eq!(versions(&account), ["v6", "v4", "v3", "v2", "v1*"]);
        for version in ["v5", "v01", "5", ""] {
            let message = format!("Policy {OWN} version {version} does not exist or is not attachable.");
            refused(
                account.delete_policy_version(OWN, version),
                "NoSuchEntity",
                &message,
            );
            refused(
                account.set_default_policy_version(OWN, version),
                "NoSuchEntity",
                &message,
            );
            refused(
                account.policy(OWN).expect("there").version(version),
                "NoSuchEntity",
                &message,
            );
        }
    }

    fn versions(account: &Account) -> Vec<String> {
        let versions = account.policy(OWN).expect("there").versions();
        let show =
            |version: &VersionRef<'_>| format!("{}{}", version.id, if version.is_default { "*" } else { "" });
        versions.iter().map(show).collect()
    }
}
