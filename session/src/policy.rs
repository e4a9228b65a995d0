//! Decisions: may this principal do this to that?
//!
//! Until policies are objects of their own, the rules are built in: users and the root of an account are its
//! administrators; a node may do what agents do, to itself; a request without a signature may register a node, for
//! which the activation's code is the proof; nobody else may do anything.

use std::fmt;

use crate::ids::{AccountId, NodeId, Region, SessionId};
use crate::principal::Principal;
use crate::record::Session;

/// The outcome of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request may go on, and this is the proof.
    Allow(Allowed),
    /// It may not, and this is why.
    Deny(Denied),
}

/// Proves that a decision allowed an action on resources; only [`decide`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    principal: Principal,
    action: &'static str,
    resources: Vec<Resource>,
    statement: &'static str,
}

/// What a request touches: its ARN, and the node it is about where that matters to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    arn: String,
    node: Option<String>,
}

/// A refusal, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    principal_arn: String,
    action: &'static str,
    resource_arn: String,
}

/// Decides by the built-in rules; every one of the resources must be allowed.
pub fn decide(principal: &Principal, action: &'static str, resources: &[Resource]) -> Decision {
    let mut statement = "";
    for resource in resources {
        match allowing_statement(principal, action, resource) {
            Some(found) => statement = found,
            None => return Decision::Deny(Denied::implicit(principal, action, Some(resource))),
        }
    }
    if statement.is_empty() {
        return Decision::Deny(Denied::implicit(principal, action, None));
    }
    Decision::Allow(Allowed {
        principal: principal.clone(),
        action,
        resources: resources.to_vec(),
        statement,
    })
}

/// The actions of agents, each only on the node that calls.
const NODE_ACTIONS: &[&str] = &[
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:PutComplianceItems",
    "ssm:PutInventory",
    "ssm:RequestManagedInstanceRoleToken",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
    "ssm:UpdateManagedInstancePublicKey",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

fn allowing_statement(principal: &Principal, action: &str, resource: &Resource) -> Option<&'static str> {
    match principal {
        Principal::Anonymous { .. } => (action == "ssm:RegisterManagedInstance").then_some("registration"),
        // To ask who one is needs no permission, only a signature.
        _ if action == "sts:GetCallerIdentity" => Some("own identity"),
        Principal::Root { .. } | Principal::User { .. } => Some("administrator"),
        Principal::Node { node, .. } => (NODE_ACTIONS.contains(&action)
            && resource.node.as_deref() == Some(node.as_str()))
        .then_some("node role"),
        Principal::AssumedRole { .. } => None,
    }
}

impl Resource {
    /// Names everything, `*`, for operations without a resource.
    pub fn any() -> Self {
        Self {
            arn: "*".to_owned(),
            node: None,
        }
    }

    /// Names a managed node by what the request calls it, valid or not.
    pub fn node(region: &Region, account: &AccountId, node: &str) -> Self {
        let arn = if node.starts_with("i-") {
            format!("arn:aws:ec2:{region}:{account}:instance/{node}")
        } else {
            format!("arn:aws:ssm:{region}:{account}:managed-instance/{node}")
        };
        Self {
            arn,
            node: Some(node.to_owned()),
        }
    }

    /// Names the message channels of a node, which policies know as `arn:aws:ssmmessages:…:*`.
    pub fn message_channel(region: &Region, account: &AccountId, node: &str) -> Self {
        Self {
            arn: format!("arn:aws:ssmmessages:{region}:{account}:*"),
            node: Some(node.to_owned()),
        }
    }

    /// Names the queue of a node, which policies know as `*`.
    pub fn message_queue(node: &str) -> Self {
        Self {
            arn: "*".to_owned(),
            node: Some(node.to_owned()),
        }
    }

    /// Names a session by what the request calls it.
    pub fn session(region: &Region, account: &AccountId, session: &str) -> Self {
        Self {
            arn: format!("arn:aws:ssm:{region}:{account}:session/{session}"),
            node: None,
        }
    }

    /// Names a session document of the account.
    pub fn document(region: &Region, account: &AccountId, name: &str) -> Self {
        Self {
            arn: format!("arn:aws:ssm:{region}:{account}:document/{name}"),
            node: None,
        }
    }

    /// Returns the ARN that policies match and denials show.
    pub fn arn(&self) -> &str {
        &self.arn
    }
}

impl Allowed {
    /// Returns the name of the statement that allowed it.
    pub fn statement(&self) -> &'static str {
        self.statement
    }

    /// Turns an allowed `ssm:StartSession` on a node into the right to open one session there.
    ///
    /// Returns `None` when the decision was about another action or another node.
    pub fn open_session(self, session: SessionId, node: NodeId) -> Option<AuthorizedSession> {
        let about_node = self
            .resources
            .iter()
            .any(|resource| resource.node.as_deref() == Some(node.as_str()));
        (self.action == "ssm:StartSession" && about_node).then(|| AuthorizedSession {
            session,
            node,
            account: self.principal.account().clone(),
            owner_arn: self.principal.arn(),
            owner_id: self.principal.user_id(),
        })
    }
}

impl Denied {
    /// Refuses because nothing allows it.
    pub fn implicit(principal: &Principal, action: &'static str, resource: Option<&Resource>) -> Self {
        Self {
            principal_arn: principal.arn(),
            action,
            resource_arn: resource.map_or("*", Resource::arn).to_owned(),
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            principal_arn,
            action,
            resource_arn,
        } = self;
        write!(
            f,
            "User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn} because no \
             identity-based policy allows the {action} action"
        )
    }
}

impl std::error::Error for Denied {}

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

#[cfg(test)]
mod tests;
