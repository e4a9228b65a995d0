//! Who decides, and who explains: what the operations need of the part of the server that knows everybody's policies.

use std::error::Error;

use async_trait::async_trait;

use crate::caller::Caller;
use crate::grounds::Grounds;
use crate::need::Need;
use crate::policy::{Context, Decision, Explanation, ResourcePolicy, Verdict};

/// Decides on requests by the policies in force.
#[async_trait]
pub trait Authority: Send + Sync {
    /// Decides whether the caller may have all of the needs, each of which names its action.
    async fn decide(&self, caller: &Caller, needs: &[Need]) -> Result<Decision, AuthorityError>;

    /// Says whether the caller could still have a need if the resource had this policy, as far as the policies of the
    /// caller do not stand in the way: whether the policy names the caller, or leaves it to the caller's account.
    async fn would_admit(
        &self,
        caller: &Caller,
        need: &Need,
        policy: ResourcePolicy,
    ) -> Result<bool, AuthorityError>;

    /// Says why a request that was allowed would not be any more; `None` where it still is.
    ///
    /// The policies, tags, roles and keys are those of now, the rest is as the request brought it.
    async fn objection(&self, grounds: &Grounds) -> Result<Option<String>, AuthorityError>;
}

/// Says how decisions would come out on requests that nobody has made.
///
/// In both methods `facts` take the place of what such a request would say of the same keys.
#[async_trait]
pub trait Explainer: Send + Sync {
    /// Decides on a need as on a request, and says what each statement about its action said.
    async fn explain(
        &self,
        caller: &Caller,
        need: &Need,
        facts: &Context,
    ) -> Result<Explanation, AuthorityError>;

    /// Decides on each need for each caller; all callers act in one account and region.
    ///
    /// The answer has a list for each caller, with a verdict for each need.
    async fn survey(
        &self,
        callers: &[Caller],
        needs: &[Need],
        facts: &Context,
    ) -> Result<Vec<Vec<Verdict>>, AuthorityError>;
}

/// Says that a decision could not be made, which refuses the request without an answer to whether it is allowed.
#[derive(Debug, thiserror::Error)]
#[error("cannot decide on a request")]
pub struct AuthorityError(#[source] Box<dyn Error + Send + Sync>);

impl AuthorityError {
    /// Takes the cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
