//! What was decided, and by which statement.

use std::fmt;

/// The outcome of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed.
    Allow {
        /// The statement that allows; `None` for the root of an account, which needs none.
        by: Option<StatementName>,
    },
    /// A statement denies.
    ExplicitDeny {
        /// Where the statement stands.
        layer: Layer,
        /// The statement.
        by: StatementName,
    },
    /// Nothing allows.
    ImplicitDeny {
        /// The first layer that would have to.
        layer: Layer,
    },
}

/// The kinds of policies that have a say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Policies of the user, its groups or the role.
    Identity,
    /// The policy of the resource.
    Resource,
    /// The trust policy of a role.
    Trust,
    /// The permissions boundary.
    Boundary,
    /// The policies of the session.
    Session,
    /// The organization's policies.
    ServiceControl,
}

/// Names one statement of one policy; shows itself as `SSMDevAccess/DenySMtoProd` or `SSMDevAccess/Statement[0]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementName {
    /// The name of the policy.
    pub policy: String,
    /// The place of the statement, from 0.
    pub index: usize,
    /// The statement's own id.
    pub sid: Option<String>,
}

impl Verdict {
    /// Says whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// Returns the statement that decided; an implicit deny has none.
    pub fn statement(&self) -> Option<&StatementName> {
        match self {
            Self::Allow { by } => by.as_ref(),
            Self::ExplicitDeny { by, .. } => Some(by),
            Self::ImplicitDeny { .. } => None,
        }
    }
}

impl Layer {
    /// Returns AWS's name for the layer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Resource => "resource-based policy",
            Self::Trust => "role trust policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::ServiceControl => "service control policy",
        }
    }

    /// Returns the end of AWS's sentence about an explicit deny.
    pub(super) fn explicit(self) -> &'static str {
        match self {
            Self::Identity => "with an explicit deny in an identity-based policy",
            Self::Resource => "with an explicit deny in a resource-based policy",
            Self::Trust => "with an explicit deny in the role trust policy",
            Self::Boundary => "with an explicit deny in a permissions boundary",
            Self::Session => "with an explicit deny in a session policy",
            Self::ServiceControl => "with an explicit deny in a service control policy",
        }
    }
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, index, sid } = self;
        match sid {
            Some(sid) => write!(f, "{policy}/{sid}"),
            None => write!(f, "{policy}/Statement[{index}]"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow { by: Some(by) } => write!(f, "allowed by {by}"),
            Self::Allow { by: None } => f.write_str("allowed: the root of an account needs no policy"),
            Self::ExplicitDeny { layer, by } => write!(f, "denied by {by}, {}", layer.explicit()),
            Self::ImplicitDeny { layer } => write!(f, "denied because no {} allows it", layer.name()),
        }
    }
}
