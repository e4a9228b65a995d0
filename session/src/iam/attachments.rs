//! Policies of users, groups and roles, and the attachment of managed ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::arn::PolicyArn;
use super::change::EntityKind;
use super::directory::Directory;
use super::documents::Document;
use super::error::IamError;
use super::groups::Group;
use super::quotas;
use super::users::User;

/// What one user, group or role has been given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HeldPolicies {
    /// The attached managed policies, at most ten, in the order of their attachment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<PolicyArn>,
    /// The inline policies by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, Document>,
}

/// Names an entity that can hold policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder<'a> {
    /// A user by name.
    User(&'a str),
    /// A group by name.
    Group(&'a str),
    /// A role by name.
    Role(&'a str),
}

impl Directory {
    /// Attaches a policy of the account or of AWS; one that is attached already stays.
    pub fn attach_policy(&mut self, holder: Holder<'_>, arn: &str) -> Result<(), IamError> {
        self.held_policies(holder)?;
        let arn = self.attachable(arn)?;
        self.edit_policies(holder, |held| {
            if held.attached.contains(&arn) {
                return Ok(());
            }
            if held.attached.len() >= quotas::ATTACHED_POLICIES {
                return Err(IamError::quota(
                    holder.attachment_quota(),
                    quotas::ATTACHED_POLICIES,
                ));
            }
            held.attached.push(arn);
            Ok(())
        })
    }

    /// Detaches a policy.
    pub fn detach_policy(&mut self, holder: Holder<'_>, arn: &str) -> Result<(), IamError> {
        let parsed = PolicyArn::parse(arn)?;
        self.edit_policies(holder, |held| {
            let Some(at) = held.attached.iter().position(|attached| *attached == parsed) else {
                return Err(IamError::absent(EntityKind::Policy, arn));
            };
            held.attached.remove(at);
            Ok(())
        })
    }

    /// Returns what a user, group or role has been given.
    pub fn held_policies(&self, holder: Holder<'_>) -> Result<&HeldPolicies, IamError> {
        match holder {
            Holder::User(name) => self.user(name).map(|user| &user.policies),
            Holder::Group(name) => self.group(name).map(|group| &group.policies),
            Holder::Role(name) => self.role(name).map(|role| &role.policies),
        }
    }

    pub(super) fn edit_policies(
        &mut self,
        holder: Holder<'_>,
        change: impl FnOnce(&mut HeldPolicies) -> Result<(), IamError>,
    ) -> Result<(), IamError> {
        match holder {
            Holder::User(name) => self.edit::<User, _>(name, |user| change(&mut user.policies)),
            Holder::Group(name) => self.edit::<Group, _>(name, |group| change(&mut group.policies)),
            Holder::Role(name) => self.edit_role(name, |role| change(&mut role.policies)),
        }
    }
}

impl HeldPolicies {
    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty() && self.inline.is_empty()
    }

    /// Refuses to let the holder be deleted while it holds anything.
    pub(super) fn check_none(&self) -> Result<(), IamError> {
        if !self.attached.is_empty() {
            return Err(IamError::conflict(
                "Cannot delete entity, must detach all policies first.",
            ));
        }
        if !self.inline.is_empty() {
            return Err(IamError::conflict(
                "Cannot delete entity, must delete policies first.",
            ));
        }
        Ok(())
    }
}

impl<'a> Holder<'a> {
    /// Returns the name of the holder.
    pub fn name(self) -> &'a str {
        match self {
            Self::User(name) | Self::Group(name) | Self::Role(name) => name,
        }
    }

    /// Returns the word for the kind of holder, as messages and the names of inline policies have it.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Group(_) => "group",
            Self::Role(_) => "role",
        }
    }

    fn attachment_quota(self) -> &'static str {
        match self {
            Self::User(_) => "PoliciesPerUser",
            Self::Group(_) => "PoliciesPerGroup",
            Self::Role(_) => "PoliciesPerRole",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{AWS_POLICY, Account, refused};

    const HOLDERS: [(Holder<'_>, &str); 3] = [
        (Holder::User("alice"), "User"),
        (Holder::Group("dev"), "Group"),
        (Holder::Role("web"), "Role"),
    ];
    const OWN: &str = "arn:aws:iam::123456789012:policy/own";

    #[test]
    fn attaches_policies_of_the_account_and_of_aws_once() {
        for (holder, _) in HOLDERS {
            let mut account = Account::filled();
            for arn in [AWS_POLICY, OWN, AWS_POLICY] {
                account.attach_policy(holder, arn).expect("attached");
            }
            let held = account.held_policies(holder).expect("there");
            let attached: Vec<_> = held.attached.iter().map(PolicyArn::as_str).collect();
            assert_eq!(attached, [AWS_POLICY, OWN]);
            account.detach_policy(holder, AWS_POLICY).expect("detached");
            refused(
                account.detach_policy(holder, AWS_POLICY),
                "NoSuchEntity",
                &format!("Policy {AWS_POLICY} was not found."),
            );
        }
    }

    #[test]
    fn attaches_ten_policies_at_most() {
        for (holder, noun) in HOLDERS {
            let mut account = Account::filled();
            for at in 0..quotas::ATTACHED_POLICIES {
                let arn = account.try_policy(&format!("p{at}")).expect("created");
                account.attach_policy(holder, &arn).expect("attached");
            }
            refused(
                account.attach_policy(holder, OWN),
                "LimitExceeded",
                &format!("Cannot exceed quota for PoliciesPer{noun}: 10"),
            );
        }
    }

    #[test]
    fn both_ends_of_an_attachment_must_exist() {
        let mut account = Account::filled();
        for arn in [
            "arn:aws:iam::aws:policy/No",
            "arn:aws:iam::123456789012:policy/x/own",
            "arn:aws:iam::210987654321:policy/own",
        ] {
            refused(
                account.attach_policy(Holder::User("alice"), arn),
                "NoSuchEntity",
                &format!("Policy {arn} does not exist or is not attachable."),
            );
        }
        refused(
            account.attach_policy(Holder::User("alice"), "own"),
            "ValidationError",
            "Invalid ARN: own could not be parsed.",
        );
        for (holder, noun) in [
            (Holder::User("no"), "user"),
            (Holder::Group("no"), "group"),
            (Holder::Role("no"), "role"),
        ] {
            let message = format!("The {noun} with name no cannot be found.");
            refused(
                account.attach_policy(holder, "arn:aws:iam::aws:policy/No"),
                "NoSuchEntity",
                &message,
            );
            refused(account.detach_policy(holder, OWN), "NoSuchEntity", &message);
        }
    }
}
