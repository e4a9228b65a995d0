//! Decisions: may this principal do this to that?
//!
//! The engine reads IAM policy documents ([`Policy`]) and evaluates them for a [`Request`] over a [`PolicySet`]:
//! an explicit deny, then an allow, then the implicit deny. [`evaluate`] names the statement that decided and
//! [`explain`] says why each statement did or did not apply. Both are pure: the facts come in as a [`Context`].
//!
//! [`decide`] is what operations ask. Until policies are attached to users and roles, it evaluates the documents
//! that are built in. [`managed_policy`] finds the documents that people attach by ARN, and [`lint`] the statements that
//! do not do what they look like.

mod arn;
mod authorized;
mod builtin;
mod condition;
mod context;
mod date;
mod denied;
mod document;
mod error;
mod evaluate;
mod explain;
mod glob;
mod grantee;
mod identity;
mod json;
mod lint;
mod managed;
mod network;
mod operand;
mod operator;
mod parse;
mod request;
mod resource;
mod set;
mod template;
mod verdict;

pub use authorized::AuthorizedSession;
pub use context::Context;
pub use denied::Denied;
pub use document::{MAX_DOCUMENT_BYTES, Policy, PolicyKind};
pub use error::PolicyError;
pub use evaluate::evaluate;
pub use explain::{Explanation, Step, explain};
pub use identity::Identity;
pub use lint::{AttachedTo, Finding, Severity, lint};
pub use managed::{ManagedPolicy, managed_policies, managed_policy};
pub use request::Request;
pub use resource::Resource;
pub use set::{NamedPolicy, PolicySet, ResourcePolicy};
pub use verdict::{Layer, StatementName, Verdict};

use crate::ids::{NodeId, SessionId};
use crate::principal::Principal;

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
    statement: Option<StatementName>,
}

/// Decides by the built-in policies; there must be a resource, and every one must be allowed.
pub fn decide(principal: &Principal, action: &'static str, resources: &[Resource]) -> Decision {
    if resources.is_empty() {
        return Decision::Deny(Denied::implicit(principal, action, None));
    }
    let identity = Identity::from(principal);
    let policies = builtin::policies_of(principal);
    let mut statement = None;
    for resource in resources {
        let context = builtin::context_of(&identity, principal, resource);
        let request = Request::new(&identity, action, resource.arn(), &context);
        let verdict = evaluate(&request, policies);
        match Denied::by(&verdict, &principal.arn(), action, resource.arn()) {
            Some(denied) => return Decision::Deny(denied),
            None => statement = verdict.statement().cloned(),
        }
    }
    Decision::Allow(Allowed {
        principal: principal.clone(),
        action,
        resources: resources.to_vec(),
        statement,
    })
}

impl Allowed {
    /// Returns the statement that allowed it; `None` for the root of an account, which needs none.
    pub fn statement(&self) -> Option<&StatementName> {
        self.statement.as_ref()
    }

    /// Turns an allowed `ssm:StartSession` on a node into the right to open one session there.
    ///
    /// Returns `None` when the decision was about another action or another node.
    pub fn open_session(self, session: SessionId, node: NodeId) -> Option<AuthorizedSession> {
        let about_node = self
            .resources
            .iter()
            .any(|resource| resource.target_node() == Some(node.as_str()));
        (self.action == "ssm:StartSession" && about_node)
            .then(|| AuthorizedSession::new(session, node, &self.principal))
    }
}

#[cfg(test)]
mod tests;
