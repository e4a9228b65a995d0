//! Who calls.

use crate::ids::{AccountId, NodeId};

/// Names who made a request, as policies and audit events do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The account's root.
    Root {
        /// The account.
        account: AccountId,
    },
    /// A user with a long-lived access key.
    User {
        /// The user's account.
        account: AccountId,
        /// The user's name, 1 to 64 characters of `[\w+=,.@-]`.
        name: String,
        /// The user's unique id, `AIDA…`.
        id: String,
    },
    /// Someone who assumed a role.
    AssumedRole {
        /// The role's account.
        account: AccountId,
        /// The role's name without its path.
        role: String,
        /// The name given to this use of the role, 2 to 64 characters.
        session_name: String,
        /// The role's unique id, `AROA…`.
        id: String,
    },
    /// A managed node, which holds its role under its own id as the session name.
    Node {
        /// The node's account.
        account: AccountId,
        /// The name of the node's role.
        role: String,
        /// The node.
        node: NodeId,
    },
    /// Nobody: the request carried no signature.
    Anonymous {
        /// The account that the endpoint serves.
        account: AccountId,
    },
}

/// Names the role that serves every node until roles are objects of their own.
pub const NODE_ROLE: &str = "DrawbridgeNodeRole";

/// The unique id of [`NODE_ROLE`].
const NODE_ROLE_ID: &str = "AROADRAWBRIDGENODE001";

impl Principal {
    /// Returns the account that the principal belongs to.
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Root { account }
            | Self::User { account, .. }
            | Self::AssumedRole { account, .. }
            | Self::Node { account, .. }
            | Self::Anonymous { account } => account,
        }
    }

    /// Returns the caller's ARN as STS `GetCallerIdentity` shows it; a role's has no path.
    pub fn arn(&self) -> String {
        match self {
            Self::Root { account } => format!("arn:aws:iam::{account}:root"),
            Self::User { account, name, .. } => format!("arn:aws:iam::{account}:user/{name}"),
            Self::AssumedRole {
                account,
                role,
                session_name,
                ..
            } => {
                format!("arn:aws:sts::{account}:assumed-role/{role}/{session_name}")
            }
            Self::Node { account, role, node } => {
                format!("arn:aws:sts::{account}:assumed-role/{role}/{node}")
            }
            Self::Anonymous { .. } => "anonymous".to_owned(),
        }
    }

    /// Returns `aws:userid`: the user's id, or the role's id and the session name.
    pub fn user_id(&self) -> String {
        match self {
            Self::Root { account } | Self::Anonymous { account } => account.to_string(),
            Self::User { id, .. } => id.clone(),
            Self::AssumedRole { id, session_name, .. } => format!("{id}:{session_name}"),
            Self::Node { node, .. } => format!("{NODE_ROLE_ID}:{node}"),
        }
    }

    /// Returns what the ids of this principal's sessions start with.
    pub fn session_prefix(&self) -> &str {
        match self {
            Self::Root { .. } => "root",
            Self::User { name, .. } => name,
            Self::AssumedRole { session_name, .. } => session_name,
            Self::Node { node, .. } => node.as_str(),
            Self::Anonymous { .. } => "anonymous",
        }
    }

    /// Returns the node behind the principal, if it is one.
    pub fn node(&self) -> Option<&NodeId> {
        match self {
            Self::Node { node, .. } => Some(node),
            Self::Root { .. } | Self::User { .. } | Self::AssumedRole { .. } | Self::Anonymous { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountId {
        AccountId::parse("123456789012").expect("valid")
    }

    #[test]
    fn shows_itself_as_sts_does() {
        let user = Principal::User {
            account: account(),
            name: "alice".into(),
            id: "AIDAEXAMPLE".into(),
        };
        assert_eq!(user.arn(), "arn:aws:iam::123456789012:user/alice");
        assert_eq!(user.user_id(), "AIDAEXAMPLE");
        assert_eq!(user.session_prefix(), "alice");

        let role = Principal::AssumedRole {
            account: account(),
            role: "Ops".into(),
            session_name: "bob@x".into(),
            id: "AROAEXAMPLE".into(),
        };
        assert_eq!(role.arn(), "arn:aws:sts::123456789012:assumed-role/Ops/bob@x");
        assert_eq!(role.user_id(), "AROAEXAMPLE:bob@x");

        let node = Principal::Node {
            account: account(),
            role: NODE_ROLE.into(),
            node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
        };
        assert_eq!(
            node.arn(),
            "arn:aws:sts::123456789012:assumed-role/DrawbridgeNodeRole/mi-0a1b2c3d4e5f67890"
        );
        assert_eq!(Principal::Root { account: account() }.session_prefix(), "root");
    }
}
