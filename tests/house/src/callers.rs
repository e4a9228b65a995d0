//! Callers of every kind.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use drawbridge_session::{
    AccountId, Caller, Clock as _, EntityName, ManagedNode, Principal, Random as _, SessionGrant, SignedWith,
};
use drawbridge_store::Directories as _;

use crate::House;

impl House {
    /// The account's administrator.
    pub fn admin(&self) -> Caller {
        self.user("admin")
    }

    /// A user of the account, who must be there.
    pub fn user(&self, name: &str) -> Caller {
        self.user_of(&self.account, name)
    }

    /// A user of another account, who must be there.
    pub fn user_of(&self, account: &AccountId, name: &str) -> Caller {
        let directory = self.store.directory(account).expect("an account");
        let user = directory.user(name).expect("a user");
        self.caller(
            Principal::User {
                account: account.clone(),
                user: EntityName::at(user.path.as_str(), user.name.as_str(), user.id.as_str()),
            },
            SignedWith::AccessKey,
        )
    }

    /// Someone who assumed a role of the account, which must be there.
    pub fn role(&self, name: &str, session_name: &str) -> Caller {
        let principal = Principal::AssumedRole {
            account: self.account.clone(),
            role: self.role_name(&self.account, name),
            session_name: session_name.to_owned(),
        };
        Caller {
            grant: Some(Arc::new(SessionGrant::plain(self.clock.now()))),
            ..self.caller(principal, SignedWith::AccessKey)
        }
    }

    /// A node with its role's credentials.
    pub fn node_role(&self, node: &ManagedNode) -> Caller {
        self.caller(self.node_principal(node), SignedWith::AccessKey)
    }

    /// A node with its own key.
    pub fn node_key(&self, node: &ManagedNode) -> Caller {
        self.caller(self.node_principal(node), SignedWith::NodeKey)
    }

    /// The root of the account.
    pub fn root_user(&self) -> Caller {
        let account = self.account.clone();
        self.caller(Principal::Root { account }, SignedWith::AccessKey)
    }

    /// Nobody.
    pub fn anonymous(&self) -> Caller {
        let account = self.account.clone();
        self.caller(Principal::Anonymous { account }, SignedWith::Nothing)
    }

    /// Whoever it is, from this machine, now.
    pub fn caller(&self, principal: Principal, signed_with: SignedWith) -> Caller {
        Caller {
            account: principal.account().clone(),
            principal,
            signed_with,
            access_key_id: None,
            grant: None,
            region: self.region.clone(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: "test/1".to_owned(),
            request_id: self.random.uuid(),
            host: "bridge.example:8443".to_owned(),
            received_at: self.clock.now(),
        }
    }

    fn node_principal(&self, node: &ManagedNode) -> Principal {
        let directory = self.store.directory(&node.account).expect("an account");
        let role = match directory.role_of_node(node) {
            Some(role) => EntityName::at(role.path.as_str(), role.name.as_str(), role.id.as_str()),
            None => EntityName::new(node.iam_role.as_str(), ""),
        };
        Principal::Node {
            account: node.account.clone(),
            role,
            node: node.id.clone(),
        }
    }

    fn role_name(&self, account: &AccountId, name: &str) -> EntityName {
        let directory = self.store.directory(account).expect("an account");
        match directory.role(name) {
            Ok(role) => EntityName::at(role.path.as_str(), role.name.as_str(), role.id.as_str()),
            Err(_) => EntityName::new(name, ""),
        }
    }
}
