//! What an account has from its beginning: somebody who may do everything in it, and a role for its nodes.

use jiff::Timestamp;

use super::access_keys::{KeyOwner, NewAccessKey};
use super::attachments::Holder;
use super::directory::Directory;
use super::error::IamError;
use super::roles::NewRole;
use super::users::NewUser;
use crate::policy::managed_policies;
use crate::random::Random;

/// The user who may do everything.
pub const ADMINISTRATOR: &str = "admin";

/// The role that activations name where nobody made one.
pub const NODE_ROLE: &str = "DrawbridgeNodeRole";

/// What nodes may do at the least: the name of AWS's policy, and of the one with the same words that the role has.
const CORE: &str = "AmazonSSMManagedInstanceCore";

const SSM_MAY_ASSUME: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

impl Directory {
    /// Makes the role that lets managed nodes do what nodes do.
    pub fn add_node_role(&mut self, now: Timestamp, random: &dyn Random) -> Result<(), IamError> {
        let role = NewRole {
            name: NODE_ROLE,
            trust: SSM_MAY_ASSUME,
            description: Some("What managed nodes may do"),
            ..NewRole::default()
        };
        self.create_role(role, &|_| true, now, random)?;
        // Not attached: Terraform's `aws_iam_policy_attachment` takes a policy from every role that it does not name, and
        // would take AWS's from the nodes.
        let core = managed_policies().find(|policy| policy.name == CORE);
        let core = core.ok_or_else(|| IamError::NoSuchEntity(format!("There is no policy {CORE}.")))?;
        self.put_inline_policy(Holder::Role(NODE_ROLE), CORE, core.document)
    }

    /// Gives the administrator an access key, and makes the administrator first where there is none.
    pub fn give_administrator_key(
        &mut self,
        key: NewAccessKey,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<(), IamError> {
        if self.user(ADMINISTRATOR).is_err() {
            let user = NewUser {
                name: ADMINISTRATOR,
                ..NewUser::default()
            };
            self.create_user(user, now, random)?;
            self.attach_policy(
                Holder::User(ADMINISTRATOR),
                "arn:aws:iam::aws:policy/AdministratorAccess",
            )?;
        }
        self.create_access_key(KeyOwner::User(ADMINISTRATOR), key, now)
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::SealedSecret;
    use crate::iam::tests::{Account, now};
    use crate::ids::AccessKeyId;
    use crate::policy::managed_policy;

    fn key(account: &Account) -> NewAccessKey {
        NewAccessKey {
            id: AccessKeyId::generate(&account.random),
            sealed_secret: SealedSecret::new(Vec::new()),
        }
    }

    fn attached(policies: Option<crate::iam::PrincipalPolicies>) -> Vec<String> {
        let policies = policies.expect("there").identity;
        policies.iter().map(|policy| policy.name().to_owned()).collect()
    }

    #[test]
    fn nodes_have_a_role_that_their_service_may_assume() {
        let mut account = Account::new();
        account
            .directory
            .add_node_role(now(), &account.random)
            .expect("made");
        assert_eq!(
            attached(account.role_policies(NODE_ROLE)),
            [format!("role/{NODE_ROLE}/{CORE}")]
        );
        let arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
        assert_eq!(managed_policy(arn).map(|policy| policy.name), Some(CORE));
        assert!(
            account
                .role(NODE_ROLE)
                .expect("there")
                .trust
                .text()
                .contains("ssm.amazonaws.com")
        );
    }

    #[test]
    fn the_administrator_is_made_once_and_given_keys() {
        let mut account = Account::new();
        for count in 1..=2 {
            let key = key(&account);
            account
                .directory
                .give_administrator_key(key, now(), &account.random)
                .expect("given");
            let keys = account.access_keys(KeyOwner::User(ADMINISTRATOR));
            assert_eq!(keys.map(<[_]>::len), Ok(count));
        }
        assert_eq!(
            attached(account.user_policies(ADMINISTRATOR)),
            ["arn:aws:iam::aws:policy/AdministratorAccess"]
        );
    }
}
