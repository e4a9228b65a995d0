//! Who decides: what the operations need of the part of the server that knows everybody's policies.

use std::error::Error;

use async_trait::async_trait;

use crate::caller::Caller;
use crate::need::Need;
use crate::policy::Decision;

/// Decides on requests by the policies in force.
#[async_trait]
pub trait Authority: Send + Sync {
    /// Decides whether the caller may have all of the needs, each of which names its action.
    async fn decide(&self, caller: &Caller, needs: &[Need]) -> Result<Decision, AuthorityError>;
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
