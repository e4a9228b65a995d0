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

    /// Returns the policies that a group gives to its users, `None` if there is none of that name.
    pub fn group_policies(&self, name: &str) -> Option<PrincipalPolicies> {
        let group = self.group(name).ok()?;
        let mut identity = Vec::new();
        self.collect(Holder::Group(&group.name), &group.policies, &mut identity);
        Some(PrincipalPolicies {
            identity,
            boundary: None,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Bounded;
    use crate::iam::tests::{ALLOW, AWS_POLICY, Account, account};
    use crate::policy::{Identity, PolicySet, Request, Verdict, evaluate};

    fn names(policies: &PrincipalPolicies) -> Vec<&str> {
        policies.identity.iter().map(NamedPolicy::name).collect()
    }

    fn decide(policies: PrincipalPolicies, action: &str) -> Verdict {
        let identity = Identity::user(account(), "/", "alice", "AIDAALICE");
        let context = identity.context();
        let set = PolicySet {
            identity: policies.identity,
            boundary: policies.boundary,
            ..PolicySet::default()
        };
        evaluate(&Request::new(&identity, action, "*", &context), &set)
    }

    #[test]
    fn a_users_own_policies_come_before_those_of_its_groups() {
        let mut account = Account::filled();
        let own = "arn:aws:iam::123456789012:policy/own";
        for group in ["ops", "dev"] {
            account.add_user_to_group(group, "alice").expect("added");
            account
                .put_inline_policy(Holder::Group(group), "p", ALLOW)
                .expect("put");
        }
        account
            .attach_policy(Holder::Group("ops"), own)
            .expect("attached");
        account
            .attach_policy(Holder::User("alice"), AWS_POLICY)
            .expect("attached");
        account
            .put_inline_policy(Holder::User("alice"), "p", ALLOW)
            .expect("put");
        account.put_boundary(Bounded::User("alice"), own).expect("put");

        let policies = account.user_policies("Alice").expect("there");
        assert_eq!(
            names(&policies),
            ["user/alice/p", AWS_POLICY, "group/dev/p", "group/ops/p", own]
        );
        assert_eq!(policies.boundary.as_ref().map(NamedPolicy::name), Some(own));
        let id = account.user("alice").expect("there").id.clone();
        let by_id = account.user_policies_by_id(id.as_str()).expect("there");
        assert_eq!(names(&by_id), names(&policies));
        assert_eq!(
            decide(policies, "ssm:StartSession").to_string(),
            "allowed by user/alice/p/Statement[0]"
        );
        assert!(names(&account.user_policies("bob").expect("there")).is_empty());
        assert!(account.user_policies("no").is_none());
        let group = account.group_policies("OPS").expect("there");
        assert_eq!(names(&group), ["group/ops/p", own]);
        assert!(account.group_policies("no").is_none());
    }

    #[test]
    fn a_role_has_its_own_policies_only() {
        let mut account = Account::filled();
        account
            .put_inline_policy(Holder::Role("web"), "p", ALLOW)
            .expect("put");
        account
            .attach_policy(Holder::Role("web"), AWS_POLICY)
            .expect("attached");
        let policies = account.role_policies("web").expect("there");
        assert_eq!(names(&policies), ["role/web/p", AWS_POLICY]);
        assert!(policies.boundary.is_none());
        let id = account.role("web").expect("there").id.clone();
        assert!(account.role_policies_by_id(id.as_str()).is_some());
        assert!(account.user_policies_by_id(id.as_str()).is_none());
        assert!(account.role_policies("no").is_none());
    }

    #[test]
    fn the_version_in_force_decides() {
        let mut account = Account::filled();
        let own = "arn:aws:iam::123456789012:policy/own";
        account
            .attach_policy(Holder::User("alice"), own)
            .expect("attached");
        let decided = |account: &Account| {
            let policies = account.user_policies("alice").expect("there");
            decide(policies, "ssm:StartSession").is_allowed()
        };
        assert!(decided(&account));
        let deny = ALLOW.replace("Allow", "Deny");
        account
            .create_policy_version(own, &deny, false, crate::iam::tests::now())
            .expect("created");
        assert!(decided(&account));
        account.set_default_policy_version(own, "v2").expect("set");
        assert!(!decided(&account));
    }

    #[test]
    fn what_is_missing_denies_everything() {
        let mut account = Account::filled();
        account
            .put_inline_policy(Holder::User("alice"), "p", ALLOW)
            .expect("put");
        let lost = PolicyArn::parse("arn:aws:iam::aws:policy/NotInThisRelease").expect("valid");
        let denied = |account: &Account| {
            let policies = account.user_policies("alice").expect("there");
            decide(policies, "ssm:StartSession").to_string()
        };
        account
            .edit::<User, _>("alice", |user| {
                user.boundary = Some(lost.clone());
                Ok(())
            })
            .expect("edited");
        assert_eq!(
            denied(&account),
            "denied by arn:aws:iam::aws:policy/NotInThisRelease/PolicyIsMissing, with an explicit deny in a \
             permissions boundary"
        );
        account
            .edit::<User, _>("alice", |user| {
                user.boundary = None;
                user.policies.attached.push(lost.clone());
                Ok(())
            })
            .expect("edited");
        assert!(denied(&account).ends_with("with an explicit deny in an identity-based policy"));
    }

    #[test]
    fn documents_are_shared_not_copied() {
        let mut account = Account::filled();
        account
            .put_inline_policy(Holder::User("alice"), "p", ALLOW)
            .expect("put");
        let document = account.inline_policy(Holder::User("alice"), "p").expect("there");
        let before = Arc::strong_count(document.policy());
        let policies = account.user_policies("alice").expect("there");
        assert_eq!(Arc::strong_count(document.policy()), before + 1);
        drop(policies);
    }
}
