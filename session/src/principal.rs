//! Who calls.

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, NodeId};

/// Names who made a request, as policies and audit events do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Principal {
    /// The account's root.
    Root {
        /// The account.
        account: AccountId,
    },
    /// A user.
    User {
        /// The user's account.
        account: AccountId,
        /// The user.
        user: EntityName,
    },
    /// Someone who assumed a role.
    AssumedRole {
        /// The role's account.
        account: AccountId,
        /// The role.
        role: EntityName,
        /// The name given to this use of the role, 2 to 64 characters.
        session_name: String,
    },
    /// A managed node, which holds its role under its own id as the session name.
    Node {
        /// The node's account.
        account: AccountId,
        /// The node's role.
        role: EntityName,
        /// The node.
        node: NodeId,
    },
    /// A service of this server that acts for itself, such as `logs.us-east-1.amazonaws.com`.
    Service {
        /// The account whose resource it acts on.
        account: AccountId,
        /// The name by which policies allow it.
        name: String,
    },
    /// Nobody: the request carried no signature.
    Anonymous {
        /// The account that the endpoint serves.
        account: AccountId,
    },
}

/// The names of one user or role: one that is deleted and made again has another id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityName {
    /// `/`, or `/…/`.
    pub path: String,
    /// 1 to 64 characters of `[\w+=,.@-]`.
    pub name: String,
    /// The unique id, `AIDA…` or `AROA…`; empty for a role that is named and does not exist.
    pub id: String,
}

impl EntityName {
    /// Names an entity without a path.
    pub fn new(name: impl Into<String>, id: impl Into<String>) -> Self {
        Self::at("/", name, id)
    }

    /// Names an entity under a path, `/` or `/…/`.
    pub fn at(path: impl Into<String>, name: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            name: name.into(),
            id: id.into(),
        }
    }
}

impl Principal {
    /// Returns the account that the principal belongs to.
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Root { account }
            | Self::User { account, .. }
            | Self::AssumedRole { account, .. }
            | Self::Node { account, .. }
            | Self::Service { account, .. }
            | Self::Anonymous { account } => account,
        }
    }

    /// Returns the caller's ARN as STS `GetCallerIdentity` shows it; a role's session has no path.
    pub fn arn(&self) -> String {
        match self {
            Self::Root { account } => format!("arn:aws:iam::{account}:root"),
            Self::User { account, user } => format!("arn:aws:iam::{account}:user{}{}", user.path, user.name),
            Self::AssumedRole {
                account,
                role,
                session_name,
            } => {
                format!("arn:aws:sts::{account}:assumed-role/{}/{session_name}", role.name)
            }
            Self::Node { account, role, node } => {
                format!("arn:aws:sts::{account}:assumed-role/{}/{node}", role.name)
            }
            Self::Service { name, .. } => name.clone(),
            Self::Anonymous { .. } => "anonymous".to_owned(),
        }
    }

    /// Returns `aws:userid`: the user's id, or the role's id and the session name.
    pub fn user_id(&self) -> String {
        match self {
            Self::Root { account } | Self::Service { account, .. } | Self::Anonymous { account } => {
                account.to_string()
            }
            Self::User { user, .. } => user.id.clone(),
            Self::AssumedRole {
                role, session_name, ..
            } => format!("{}:{session_name}", role.id),
            Self::Node { role, node, .. } => format!("{}:{node}", role.id),
        }
    }

    /// Returns what the ids of this principal's sessions start with.
    pub fn session_prefix(&self) -> &str {
        match self {
            Self::Root { .. } => "root",
            Self::User { user, .. } => &user.name,
            Self::AssumedRole { session_name, .. } => session_name,
            Self::Node { node, .. } => node.as_str(),
            Self::Service { name, .. } => name,
            Self::Anonymous { .. } => "anonymous",
        }
    }

    /// Returns the node behind the principal, if it is one.
    pub fn node(&self) -> Option<&NodeId> {
        match self {
            Self::Node { node, .. } => Some(node),
            Self::Root { .. }
            | Self::User { .. }
            | Self::AssumedRole { .. }
            | Self::Service { .. }
            | Self::Anonymous { .. } => None,
        }
    }

    /// Returns the role behind the principal, if it acts through one.
    pub fn role(&self) -> Option<&EntityName> {
        match self {
            Self::AssumedRole { role, .. } | Self::Node { role, .. } => Some(role),
            Self::Root { .. } | Self::User { .. } | Self::Service { .. } | Self::Anonymous { .. } => None,
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
            user: EntityName::at("/ops/", "alice", "AIDAEXAMPLE"),
        };
        assert_eq!(user.arn(), "arn:aws:iam::123456789012:user/ops/alice");
        assert_eq!(user.user_id(), "AIDAEXAMPLE");
        assert_eq!(user.session_prefix(), "alice");

        let role = Principal::AssumedRole {
            account: account(),
            role: EntityName::at("/team/", "Ops", "AROAEXAMPLE"),
            session_name: "bob@x".into(),
        };
        assert_eq!(role.arn(), "arn:aws:sts::123456789012:assumed-role/Ops/bob@x");
        assert_eq!(role.user_id(), "AROAEXAMPLE:bob@x");

        let node = Principal::Node {
            account: account(),
            role: EntityName::new("NodeRole", "AROANODE"),
            node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
        };
        assert_eq!(
            node.arn(),
            "arn:aws:sts::123456789012:assumed-role/NodeRole/mi-0a1b2c3d4e5f67890"
        );
        assert_eq!(node.user_id(), "AROANODE:mi-0a1b2c3d4e5f67890");
        assert_eq!(Principal::Root { account: account() }.session_prefix(), "root");
    }
}
