//! Where policies are used.

use std::collections::HashMap;
use std::sync::Arc;

use super::arn::PolicyArn;
use super::attachments::HeldPolicies;
use super::directory::Directory;
use super::error::IamError;
use super::groups::Group;
use super::roles::Role;
use super::users::User;

/// How often a policy is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The users, groups and roles that it is attached to.
    pub attachments: usize,
    /// The users and roles that it limits.
    pub boundaries: usize,
}

/// The ways to use a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyUse {
    /// It is attached.
    Attachment,
    /// It is a permissions boundary.
    Boundary,
}

/// Who uses a policy, in the order of names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyEntities<'a> {
    /// Users.
    pub users: Vec<&'a Arc<User>>,
    /// Groups.
    pub groups: Vec<&'a Arc<Group>>,
    /// Roles.
    pub roles: Vec<&'a Arc<Role>>,
}

impl Usage {
    /// Says whether it is used at all.
    pub fn is_used(self) -> bool {
        self != Self::default()
    }
}

impl Directory {
    /// Returns who uses a policy, in one way or in either.
    pub fn entities_for_policy(
        &self,
        arn: &str,
        how: Option<PolicyUse>,
    ) -> Result<PolicyEntities<'_>, IamError> {
        self.policy(arn)?;
        let arn = PolicyArn::parse(arn)?;
        let uses = |held: &HeldPolicies, boundary: Option<&PolicyArn>| {
            let attached = how != Some(PolicyUse::Boundary) && held.attached.contains(&arn);
            attached || how != Some(PolicyUse::Attachment) && boundary == Some(&arn)
        };
        let (users, groups, roles) = (self.users.iter(), self.groups.iter(), self.roles.iter());
        Ok(PolicyEntities {
            users: users
                .filter(|user| uses(&user.policies, user.boundary.as_ref()))
                .collect(),
            groups: groups.filter(|group| uses(&group.policies, None)).collect(),
            roles: roles
                .filter(|role| uses(&role.policies, role.boundary.as_ref()))
                .collect(),
        })
    }

    /// Counts the uses of one policy.
    pub fn usage_of(&self, arn: &PolicyArn) -> Usage {
        let mut usage = Usage::default();
        for (held, boundary) in self.policy_users() {
            usage.attachments += usize::from(held.attached.contains(arn));
            usage.boundaries += usize::from(boundary == Some(arn));
        }
        usage
    }

    /// Counts the uses of all policies at once, for lists; unused ones are left out.
    pub fn usages(&self) -> HashMap<&PolicyArn, Usage> {
        let mut usages = HashMap::<_, Usage>::new();
        for (held, boundary) in self.policy_users() {
            for arn in &held.attached {
                usages.entry(arn).or_default().attachments += 1;
            }
            if let Some(arn) = boundary {
                usages.entry(arn).or_default().boundaries += 1;
            }
        }
        usages
    }

    /// Returns what every user, group and role holds, and its boundary.
    fn policy_users(&self) -> impl Iterator<Item = (&HeldPolicies, Option<&PolicyArn>)> {
        let users = self
            .users
            .iter()
            .map(|user| (&user.policies, user.boundary.as_ref()));
        let groups = self.groups.iter().map(|group| (&group.policies, None));
        let roles = self
            .roles
            .iter()
            .map(|role| (&role.policies, role.boundary.as_ref()));
        users.chain(groups).chain(roles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{AWS_POLICY, Account, refused};
    use crate::iam::{Bounded, Holder};

    #[test]
    fn counts_and_names_who_uses_a_policy() {
        let mut account = Account::filled();
        for holder in [Holder::User("alice"), Holder::Group("dev"), Holder::Role("web")] {
            account.attach_policy(holder, AWS_POLICY).expect("attached");
        }
        for entity in [Bounded::User("bob"), Bounded::Role("web")] {
            account.put_boundary(entity, AWS_POLICY).expect("put");
        }
        let arn = PolicyArn::parse(AWS_POLICY).expect("valid");
        let usage = Usage {
            attachments: 3,
            boundaries: 2,
        };
        assert_eq!(account.usage_of(&arn), usage);
        assert_eq!(account.usages(), HashMap::from([(&arn, usage)]));

        let names = |how| {
            let found = account.entities_for_policy(AWS_POLICY, how).expect("there");
            let users = found.users.iter().map(|user| user.name.as_str());
            let groups = found.groups.iter().map(|group| group.name.as_str());
            let roles = found.roles.iter().map(|role| role.name.as_str());
            users.chain(groups).chain(roles).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(None), "alice bob dev web");
        assert_eq!(names(Some(PolicyUse::Attachment)), "alice dev web");
        assert_eq!(names(Some(PolicyUse::Boundary)), "bob web");
        let absent = "arn:aws:iam::aws:policy/No";
        refused(
            account.entities_for_policy(absent, None),
            "NoSuchEntity",
            "Policy arn:aws:iam::aws:policy/No was not found.",
        );
        let own = PolicyArn::parse("arn:aws:iam::123456789012:policy/own").expect("valid");
        assert!(!account.usage_of(&own).is_used());
    }
}
