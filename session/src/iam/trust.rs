//! Who may assume a role.

use std::sync::Arc;

use super::directory::Directory;
use super::documents::Document;
use super::error::IamError;
use super::quotas;
use super::roles::Role;
use crate::ids::AccountId;
use crate::policy::{Context, Identity, NamedPolicy, PolicySet, Request, ResourcePolicy, evaluate};

impl Directory {
    /// Puts another trust policy in the place of a role's; see [`Directory::create_role`] for `principal_exists`.
    pub fn update_trust(
        &mut self,
        name: &str,
        trust: &str,
        principal_exists: &dyn Fn(&str) -> bool,
    ) -> Result<(), IamError> {
        self.edit_role(name, |role| {
            role.trust = read_trust(trust, principal_exists)?;
            Ok(())
        })
    }

    /// Says whether this account has the user or role that an ARN or unique id of a trust policy names.
    ///
    /// A session of a role exists if its role does.
    pub fn has_principal(&self, name: &str) -> bool {
        let prefix = format!("arn:aws:iam::{}:", self.account);
        let sessions = format!("arn:aws:sts::{}:assumed-role/", self.account);
        let last = || name.rsplit('/').next().unwrap_or_default();
        if let Some(resource) = name.strip_prefix(&prefix) {
            return match resource.split_once('/') {
                Some(("user", _)) => self
                    .user(last())
                    .is_ok_and(|user| user.arn(&self.account) == name),
                Some(("role", _)) => self
                    .role(last())
                    .is_ok_and(|role| role.arn(&self.account) == name),
                _ => false,
            };
        }
        if let Some((role, _)) = name.strip_prefix(&sessions).and_then(|rest| rest.split_once('/')) {
            return self.role(role).is_ok();
        }
        self.user_by_id(name).is_some() || self.role_by_id(name).is_some()
    }
}

impl Role {
    /// Says whether the trust policy lets a service, such as `ssm.amazonaws.com`, take the role on for a resource of
    /// its account.
    pub fn trusts_service(&self, service: &str, account: &AccountId, resource_arn: &str) -> bool {
        let context = Context::new()
            .with("aws:SourceAccount", account.to_string())
            .with("aws:SourceArn", resource_arn);
        let (identity, arn) = (Identity::service(service), self.arn(account));
        let request = Request::new(&identity, "sts:AssumeRole", &arn, &context);
        let trust = NamedPolicy::shared("trust", Arc::clone(self.trust.policy()));
        let policies = PolicySet {
            resource: Some(ResourcePolicy::required(trust)),
            ..PolicySet::default()
        };
        evaluate(&request, &policies).is_allowed()
    }
}

/// Reads a trust policy whose principals exist.
pub(super) fn read_trust(text: &str, principal_exists: &dyn Fn(&str) -> bool) -> Result<Document, IamError> {
    let trust = Document::trust(text)?;
    if trust.size() > quotas::TRUST_POLICY_SIZE {
        return Err(IamError::quota("ACLSizePerRole", quotas::TRUST_POLICY_SIZE));
    }
    let stranger = trust
        .policy()
        .named_principals()
        .find(|name| !principal_exists(name));
    match stranger {
        Some(name) => Err(IamError::MalformedPolicyDocument(format!(
            "Invalid principal in policy: \"AWS\":\"{name}\""
        ))),
        None => Ok(trust),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::tests::{ALLOW, Account, TRUST, refused};

    #[test]
    fn a_trust_policy_is_one_and_not_too_long() {
        let mut account = Account::filled();
        refused(
            account.update_trust("web", ALLOW, &|_| true),
            "MalformedPolicyDocument",
            "Statement[0]: Has prohibited field Resource",
        );
        let sid = |length: usize| {
            TRUST.replacen(
                "\"Effect\"",
                &format!("\"Sid\":\"{}\",\"Effect\"", "a".repeat(length)),
                1,
            )
        };
        let room = quotas::TRUST_POLICY_SIZE - sid(0).len();
        let spaced = sid(room).replace("\"Effect\"", "   \"Effect\"");
        assert_eq!(account.update_trust("web", &spaced, &|_| true), Ok(()));
        refused(
            account.update_trust("web", &sid(room + 1), &|_| true),
            "LimitExceeded",
            "Cannot exceed quota for ACLSizePerRole: 2048",
        );
        assert_eq!(account.role("web").expect("there").trust.text(), spaced);
    }

    #[test]
    fn a_trust_policy_names_principals_that_exist() {
        let mut account = Account::filled();
        let id = account.user("alice").expect("there").id.clone();
        let trust = |name: &str| {
            TRUST.replace(
                r#""Service":"ec2.amazonaws.com""#,
                &format!(r#""AWS":["210987654321","{name}"]"#),
            )
        };
        for (name, known) in [
            ("arn:aws:iam::123456789012:user/alice", true),
            ("arn:aws:iam::123456789012:role/web", true),
            ("arn:aws:sts::123456789012:assumed-role/web/i-1", true),
            (id.as_str(), true),
            ("arn:aws:iam::123456789012:user/x/alice", false),
            ("arn:aws:iam::123456789012:role/alice", false),
            ("arn:aws:sts::123456789012:assumed-role/alice/i-1", false),
            ("arn:aws:iam::210987654321:user/alice", false),
            ("AIDANOBODYNOBODY12345", false),
        ] {
            let before = account.directory.clone();
            let updated = account.update_trust("web", &trust(name), &|name| before.has_principal(name));
            if known {
                assert_eq!(updated, Ok(()));
            } else {
                let message = format!("Invalid principal in policy: \"AWS\":\"{name}\"");
                refused(updated, "MalformedPolicyDocument", &message);
            }
        }
    }

    #[test]
    fn a_role_is_taken_on_by_the_services_that_it_names_for_the_resources_that_it_names() {
        let mut account = Account::filled();
        let arn = "arn:aws:ssm:us-east-1:123456789012:*";
        let trusts = |account: &Account, service: &str| {
            let role = account.role("web").expect("there");
            role.trusts_service(service, account.account(), arn)
        };
        assert!(trusts(&account, "ec2.amazonaws.com"));
        assert!(!trusts(&account, "ssm.amazonaws.com"));
        for (trust, expected) in [
            (
                r#"{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","ssm.amazonaws.com"]},"Action":"sts:AssumeRole"}"#,
                true,
            ),
            (
                r#"{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:TagSession"}"#,
                false,
            ),
            (
                r#"{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}"#,
                false,
            ),
            (
                r#"{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{
                    "StringEquals":{"aws:SourceAccount":"123456789012"},
                    "ArnEquals":{"aws:SourceArn":"arn:aws:ssm:us-east-1:123456789012:*"}}}"#,
                true,
            ),
            (
                r#"{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{
                    "StringEquals":{"aws:SourceAccount":"210987654321"}}}"#,
                false,
            ),
        ] {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":{trust}}}"#);
            let updated = account.update_trust("web", &document, &|_| true);
            assert_eq!(updated, Ok(()));
            assert_eq!(trusts(&account, "ssm.amazonaws.com"), expected, "{trust}");
        }
    }
}
