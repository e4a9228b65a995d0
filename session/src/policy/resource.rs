//! What a request touches.

use crate::ids::{AccountId, Region};

/// What a request touches: its ARN, and the node it is about where that matters to the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    arn: String,
    node: Option<String>,
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

    /// Returns the node that the request is about, as the request calls it.
    pub(super) fn target_node(&self) -> Option<&str> {
        self.node.as_deref()
    }
}
