//! The right to open a session.

use crate::ids::{AccountId, NodeId, SessionId};
use crate::principal::Principal;
use crate::record::Session;

/// The right to join two ends in one session; nothing but an allow decision, or the record of one, makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedSession {
    session: SessionId,
    node: NodeId,
    account: AccountId,
    owner_arn: String,
    owner_id: String,
}

impl AuthorizedSession {
    /// Takes the right from a decision that was about this node.
    pub(super) fn new(session: SessionId, node: NodeId, owner: &Principal) -> Self {
        Self {
            session,
            node,
            account: owner.account().clone(),
            owner_arn: owner.arn(),
            owner_id: owner.user_id(),
        }
    }

    /// Recalls the right of a session that was started before this process was.
    ///
    /// A record is only ever created from an [`AuthorizedSession`], and stored by this server.
    pub fn recall(record: &Session) -> Self {
        Self {
            session: record.id.clone(),
            node: record.node.clone(),
            account: record.account.clone(),
            owner_arn: record.owner_arn.clone(),
            owner_id: record.owner_id.clone(),
        }
    }

    /// Returns the session.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// Returns the node that it runs on.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Returns the account that it belongs to.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// Returns the ARN of who started it.
    pub fn owner_arn(&self) -> &str {
        &self.owner_arn
    }

    /// Returns the `aws:userid` of who started it.
    pub fn owner_id(&self) -> &str {
        &self.owner_id
    }
}
