//! The declaration of an operation: its name, what it needs to be allowed, and its handler.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::caller::{Caller, SignedWith};
use crate::policy::{self, Allowed, Decision, Denied, Resource};

/// The answer to come of a handler.
pub type Answer<E> = Pin<Box<dyn Future<Output = Result<Value, E>> + Send>>;

/// One operation of a service `S`, failing with `E`.
///
/// The only way to the handler is [`Operation::authorize`], because a [`Call`] cannot be built without its decision.
pub struct Operation<S, E> {
    /// The name on the wire, such as `StartSession`.
    pub name: &'static str,
    /// The action that policies name, such as `ssm:StartSession`.
    pub action: &'static str,
    /// The signature it takes.
    pub signed_with: SignedWith,
    /// The resources that the request touches; each of them must be allowed.
    pub resources: fn(&Caller, &Value) -> Vec<Resource>,
    /// What it does.
    pub handler: fn(Arc<S>, Call) -> Answer<E>,
}

impl<S, E> Operation<S, E> {
    /// Decides whether the caller may, and makes the call if so.
    pub fn authorize(&self, caller: Caller, input: Value) -> Result<Call, Denied> {
        let resources = (self.resources)(&caller, &input);
        if caller.signed_with != self.signed_with {
            return Err(Denied::implicit(
                &caller.principal,
                self.action,
                resources.first(),
            ));
        }
        match policy::decide(&caller.principal, self.action, &resources) {
            Decision::Allow(allowed) => Ok(Call {
                caller,
                allowed,
                input,
            }),
            Decision::Deny(denied) => Err(denied),
        }
    }
}

impl<S, E> fmt::Debug for Operation<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("name", &self.name)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

/// A request that a decision allowed.
#[derive(Debug)]
pub struct Call {
    caller: Caller,
    allowed: Allowed,
    input: Value,
}

impl Call {
    /// Returns who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Takes the call apart into who calls, the decision and the input.
    pub fn into_parts(self) -> (Caller, Allowed, Value) {
        (self.caller, self.allowed, self.input)
    }
}
