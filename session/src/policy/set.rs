//! The policies that a decision is made over.

use std::sync::Arc;

use super::document::{Policy, PolicyKind};
use super::verdict::{Layer, StatementName};

/// A document under the name that decisions show: a managed policy's ARN, or an inline policy's name.
#[derive(Debug, Clone)]
pub struct NamedPolicy {
    name: String,
    pub(super) policy: Arc<Policy>,
}

/// Everything that has a say about one identity and one resource.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// Inline and managed policies of the user and its groups, or of the role; any of them may allow.
    pub identity: Vec<NamedPolicy>,
    /// The permissions boundary, which must allow as well.
    pub boundary: Option<NamedPolicy>,
    /// The session's own policies, of which one must allow as well.
    pub session: Option<Vec<NamedPolicy>>,
    /// The policy of the resource.
    pub resource: Option<ResourcePolicy>,
    /// Service-control policies by level, from the organization's root to the account; each level must allow.
    pub service_control: Vec<Vec<NamedPolicy>>,
}

/// The policy of a resource with the grants beside it, and whether it must agree even within its own account.
#[derive(Debug, Clone)]
pub struct ResourcePolicy {
    /// Its policy, then its grants; never empty.
    pub(super) policies: Vec<NamedPolicy>,
    layer: Layer,
    required: bool,
}

impl PolicySet {
    /// Returns the policies by layer, in the order in which explanations tell of them.
    pub(super) fn layers(&self) -> impl Iterator<Item = (Layer, &[NamedPolicy])> {
        let controls = self.service_control.iter();
        let resource = self.resource.iter();
        controls
            .map(|level| (Layer::ServiceControl, level.as_slice()))
            .chain(resource.map(|resource| (resource.layer(), resource.policies.as_slice())))
            .chain([
                (Layer::Identity, self.identity.as_slice()),
                (Layer::Boundary, self.boundary.as_slice()),
                (Layer::Session, self.session.as_deref().unwrap_or_default()),
            ])
    }
}

impl NamedPolicy {
    /// Gives a document its name.
    pub fn new(name: impl Into<String>, policy: Policy) -> Self {
        Self::shared(name, Arc::new(policy))
    }

    /// Gives a document its name that is kept elsewhere as well.
    pub fn shared(name: impl Into<String>, policy: Arc<Policy>) -> Self {
        Self {
            name: name.into(),
            policy,
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn statement_name(&self, index: usize) -> StatementName {
        StatementName {
            policy: self.name.clone(),
            index,
            sid: self
                .policy
                .statements
                .get(index)
                .and_then(|found| found.sid.clone()),
        }
    }
}

impl ResourcePolicy {
    /// Takes a policy that allows on its own, such as a bucket's; identity policies may allow without it.
    pub fn sufficient(policy: NamedPolicy) -> Self {
        Self::of(policy, false)
    }

    /// Takes a policy without which nobody is allowed, such as a key's or a role's trust.
    pub fn required(policy: NamedPolicy) -> Self {
        Self::of(policy, true)
    }

    /// Stands for the policy of a key that cannot be read: it names nobody.
    pub fn unreadable() -> Self {
        Self::required(NamedPolicy::new(
            "unreadable policy",
            Policy::empty(PolicyKind::Resource),
        ))
    }

    /// Stands for the trust policy of a role that is not there: it names nobody.
    pub fn trusting_nobody() -> Self {
        Self::required(NamedPolicy::new(
            "nobody's trust",
            Policy::empty(PolicyKind::Trust),
        ))
    }

    /// Stands for the policy of a bucket that may not be opened to everyone, and is: it names nobody.
    pub fn naming_nobody() -> Self {
        Self::required(NamedPolicy::new(
            "restricted public policy",
            Policy::empty(PolicyKind::Resource),
        ))
    }

    /// Adds a grant, which allows as a statement of the policy does.
    #[must_use]
    pub fn with_grant(mut self, grant: NamedPolicy) -> Self {
        self.policies.push(grant);
        self
    }

    fn of(policy: NamedPolicy, required: bool) -> Self {
        let layer = match policy.policy.kind() {
            PolicyKind::Trust => Layer::Trust,
            PolicyKind::Identity | PolicyKind::Resource => Layer::Resource,
        };
        Self {
            policies: vec![policy],
            layer,
            required,
        }
    }

    pub(super) fn is_required(&self) -> bool {
        self.required
    }

    pub(super) fn layer(&self) -> Layer {
        self.layer
    }
}
