//! The policies that decisions about a user or role are made over.

use std::sync::{Arc, LazyLock};

use super::arn::PolicyArn;
use super::attachments::{HeldPolicies, Holder};
use super::directory::Directory;
use super::roles::Role;
use super::users::User;
use crate::policy::{NamedPolicy, Policy, PolicyKind};

/// What a user or role has been given, and what limits it.
#[derive(Debug, Clone, Default)]
pub struct PrincipalPolicies {
    /// Inline policies, named `user/alice/Name`, `group/…` or `role/…`, and managed ones, named by ARN.
    ///
    /// A user's own come before those of its groups.
    pub identity: Vec<NamedPolicy>,
    /// The permissions boundary, named by ARN.
    pub boundary: Option<NamedPolicy>,
}

/// Stands for a policy that is no more: what it denied is not known, so everything is.
static MISSING: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let text =
        r#"{"Statement": {"Sid": "PolicyIsMissing", "Effect": "Deny", "Action": "*", "Resource": "*"}}"#;
    Arc::new(Policy::parse(text, PolicyKind::Identity).expect("a built-in document is valid"))
});

impl Directory {
    /// Returns the policies of a user by name, `None` if there is none of that name.
    pub fn user_policies(&self, name: &str) -> Option<PrincipalPolicies> {
        self.user(name).ok().map(|user| self.policies_of_user(user))
    }

    /// Returns the policies of a user by unique id, `None` if it was deleted.
    pub fn user_policies_by_id(&self, id: &str) -> Option<PrincipalPolicies> {
        self.user_by_id(id).map(|user| self.policies_of_user(user))
    }

    /// Returns the policies of a role by name, `None` if there is none of that name.
    pub fn role_policies(&self, name: &str) -> Option<PrincipalPolicies> {
        self.role(name).ok().map(|role| self.policies_of_role(role))
    }

    /// Returns the policies of a role by unique id, `None` if it was deleted.
    pub fn role_policies_by_id(&self, id: &str) -> Option<PrincipalPolicies> {
        self.role_by_id(id).map(|role| self.policies_of_role(role))
    }

    fn policies_of_user(&self, user: &User) -> PrincipalPolicies {
        let mut identity = Vec::new();
        self.collect(Holder::User(&user.name), &user.policies, &mut identity);
        for group in self.groups_of_user(user) {
            self.collect(Holder::Group(&group.name), &group.policies, &mut identity);
        }
        PrincipalPolicies {
            identity,
            boundary: user.boundary.as_ref().map(|arn| self.managed(arn)),
        }
    }

    fn policies_of_role(&self, role: &Role) -> PrincipalPolicies {
        let mut identity = Vec::new();
        self.collect(Holder::Role(&role.name), &role.policies, &mut identity);
        PrincipalPolicies {
            identity,
            boundary: role.boundary.as_ref().map(|arn| self.managed(arn)),
        }
    }

    fn collect(&self, holder: Holder<'_>, held: &HeldPolicies, into: &mut Vec<NamedPolicy>) {
        into.extend(held.inline.iter().map(|(name, document)| {
            let name = format!("{}/{}/{name}", holder.noun(), holder.name());
            NamedPolicy::shared(name, Arc::clone(document.policy()))
        }));
        into.extend(held.attached.iter().map(|arn| self.managed(arn)));
    }

    fn managed(&self, arn: &PolicyArn) -> NamedPolicy {
        let policy = match self.find_policy(arn) {
            Some(found) => found.policy(),
            None => Arc::clone(&MISSING),
        };
        NamedPolicy::shared(arn.as_str(), policy)
    }
}
