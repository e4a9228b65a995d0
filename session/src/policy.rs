//! Decisions: may this principal do this to that?
//!
//! The engine reads IAM policy documents ([`Policy`]) and evaluates them for a [`Request`] over a [`PolicySet`]:
//! an explicit deny, then an allow, then the implicit deny. [`evaluate`] names the statement that decided and
//! [`explain`] says why each statement did or did not apply. Both are pure: the facts come in as a [`Context`].
//!
//! [`decide`] is what the server's authority asks once it has gathered, for each need of a request, the policies and
//! the facts; only it makes an [`Allowed`]. [`managed_policy`] finds the documents that people attach by ARN, and
//! [`lint`] the statements that do not do what they look like.

mod arn;
mod asked;
mod authorized;
mod bucket;
mod builtin;
mod condition;
mod context;
mod date;
mod denied;
mod document;
mod error;
mod evaluate;
mod explain;
pub(crate) mod glob;
mod grantee;
mod identity;
mod json;
mod lint;
mod managed;
pub(crate) mod network;
mod operand;
mod operator;
mod parse;
mod positions;
mod public;
mod request;
mod resource;
mod set;
mod template;
mod verdict;

pub use asked::missing_keys;
pub use authorized::AuthorizedSession;
pub use builtin::{
    add_nodes, administrator, anonymous, node_guard, node_key, session_token, shared_document,
};
pub use context::Context;
pub use denied::Denied;
pub use document::{MAX_DOCUMENT_BYTES, Policy, PolicyKind};
pub use error::PolicyError;
pub use evaluate::evaluate;
pub use explain::{Explanation, Step, applying, explain};
pub use identity::Identity;
pub use lint::{AttachedTo, Finding, Severity, lint};
pub use managed::{ManagedPolicy, managed_policies, managed_policy};
pub use positions::{Position, Span};
pub use request::Request;
pub use resource::{Resource, Subject};
pub use set::{NamedPolicy, PolicySet, ResourcePolicy};
pub use verdict::{Layer, StatementName, Verdict};

use crate::ids::{NodeId, SessionId};
use crate::need::Need;
use crate::principal::Principal;

/// The outcome of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The request may go on, and this is the proof.
    Allow(Allowed),
    /// It may not, and this is why.
    Deny(Denied),
}

/// Proves that a decision allowed what a request needs; only [`decide`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    principal: Principal,
    needs: Vec<Need>,
    statement: Option<StatementName>,
}

/// One need of a request with everything that has a say about it.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The need, with its action, and the resource at the ARN that it really has.
    pub need: &'a Need,
    /// The facts: of the caller, the transport, the resource and the need.
    pub context: Context,
    /// The policies.
    pub policies: PolicySet,
}

/// Decides on every need of a request; all must be allowed, and there must be one.
pub fn decide(principal: &Principal, questions: Vec<Question<'_>>) -> Decision {
    let Some(first) = questions.first() else {
        return Decision::Deny(Denied::implicit(principal, "nothing", None));
    };
    let action = first.need.action();
    debug_assert!(!action.is_empty(), "a need is asked about with its action");
    let identity = Identity::from(principal);
    let mut needs = Vec::with_capacity(questions.len());
    let mut statement = None;
    for Question {
        need,
        mut context,
        policies,
    } in questions
    {
        add_nodes(&mut context, principal, need.resource());
        let request = Request::on(&identity, need.action(), need.resource(), &context);
        let verdict = evaluate(&request, &policies);
        let named = need.resource().named();
        if let Some(denied) = Denied::by(&verdict, &principal.arn(), need.action(), named) {
            let told = verdict.statement().and_then(builtin::reason);
            return Decision::Deny(match told {
                Some(reason) => denied.told(reason),
                None if request.crosses_accounts() => denied.without_reason(),
                None => denied,
            });
        }
        if statement.is_none() {
            statement = verdict.statement().cloned();
        }
        needs.push(need.clone());
    }
    Decision::Allow(Allowed {
        principal: principal.clone(),
        needs,
        statement,
    })
}

impl Allowed {
    /// Allows what needs a signature only.
    pub(crate) fn by_signature(principal: &Principal) -> Self {
        Self {
            principal: principal.clone(),
            needs: Vec::new(),
            statement: None,
        }
    }

    /// Returns what was needed, each resource at the ARN that it had when it was decided on.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// Returns the statement that allowed the first need; `None` for the root of an account, which needs none, and
    /// where a signature is enough.
    pub fn statement(&self) -> Option<&StatementName> {
        self.statement.as_ref()
    }

    /// Turns an allowed `ssm:StartSession` on a node into the right to open one session there.
    ///
    /// Returns `None` when the decision was about another action or another node.
    pub fn open_session(self, session: SessionId, node: NodeId) -> Option<AuthorizedSession> {
        let about_node = |need: &Need| {
            need.action() == "ssm:StartSession" && need.resource().target_node() == Some(node.as_str())
        };
        self.needs
            .iter()
            .any(about_node)
            .then(|| AuthorizedSession::new(session, node, &self.principal))
    }
}

#[cfg(test)]
mod tests;
