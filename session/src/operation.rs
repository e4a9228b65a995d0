//! The declaration of an operation: its name, what it needs to be allowed, what is kept of it, and its handler.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::authority::{Authority, AuthorityError};
use crate::caller::{Caller, SignedWith};
use crate::need::{Need, Needs};
use crate::policy::{Allowed, Decision, Denied};

/// The answer to come of a handler.
pub type Answer<E, O = Value> = Pin<Box<dyn Future<Output = Result<O, E>> + Send>>;

/// One operation of a service `S`, failing with `E`.
///
/// The only way to the handler is [`Declaration::authorize`], because a [`Call`] cannot be built without its decision.
/// Where JSON has no room for what an operation takes or gives, such as a stream, `I` carries it beside the call and `O`
/// is the answer.
pub struct Operation<S, E, I = Call, O = Value> {
    /// The name on the wire, such as `StartSession`.
    pub name: &'static str,
    /// The action that policies name, such as `ssm:StartSession`.
    pub action: &'static str,
    /// The signature it takes.
    pub signed_with: SignedWith,
    /// What must be allowed for a request; the input has passed its model.
    pub needs: fn(&Caller, &Value) -> Needs,
    /// What the audit log keeps of it.
    pub audit: Audit,
    /// What it does.
    pub handler: fn(Arc<S>, I) -> Answer<E, O>,
}

/// An operation without its handler: what the decision and the audit log know of it.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// The name on the wire.
    pub name: &'static str,
    /// The action that policies name.
    pub action: &'static str,
    /// The signature it takes.
    pub signed_with: SignedWith,
    /// What must be allowed for a request.
    pub needs: fn(&Caller, &Value) -> Needs,
    /// What the audit log keeps of it.
    pub audit: Audit,
}

/// What the audit log keeps of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audit {
    /// Whether it changes anything; `None` for heartbeats and polls, which leave no event.
    pub effect: Option<Effect>,
    /// Whether the answer is kept, too.
    pub keeps_answer: bool,
    /// Members of input and output, at any depth, whose values are replaced.
    pub hides: &'static [&'static str],
}

/// Whether an operation changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only answers.
    Read,
    /// It may change something.
    Write,
}

impl Audit {
    /// Keeps a call that only answers.
    pub const READ: Self = Self::of(Some(Effect::Read));
    /// Keeps a call that may change something, with its answer.
    pub const WRITE: Self = Self::of(Some(Effect::Write));
    /// Keeps nothing: heartbeats and polls.
    pub const OFF: Self = Self::of(None);

    const fn of(effect: Option<Effect>) -> Self {
        Self {
            effect,
            keeps_answer: matches!(effect, Some(Effect::Write)),
            hides: &[],
        }
    }

    /// Keeps the answer of a call that only answers, as that of one that hands out something to be recognized by.
    #[must_use]
    pub const fn with_answer(self) -> Self {
        Self {
            keeps_answer: true,
            ..self
        }
    }

    /// Replaces the values of these members.
    #[must_use]
    pub const fn hiding(self, hides: &'static [&'static str]) -> Self {
        Self { hides, ..self }
    }
}

/// Why a call was not made.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The decision.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There was none.
    #[error(transparent)]
    Undecided(#[from] AuthorityError),
}

impl<S, E, I, O> Operation<S, E, I, O> {
    /// Returns the operation without its handler.
    pub const fn declaration(&self) -> Declaration {
        Declaration {
            name: self.name,
            action: self.action,
            signed_with: self.signed_with,
            needs: self.needs,
            audit: self.audit,
        }
    }

    /// Asks whether the caller may, and makes the call if so.
    pub async fn authorize(
        &self,
        caller: Caller,
        input: Value,
        authority: &dyn Authority,
    ) -> Result<Call, Refusal> {
        self.declaration().authorize(caller, input, authority).await
    }
}

impl Declaration {
    /// Asks whether the caller may, and makes the call if so.
    pub async fn authorize(
        &self,
        caller: Caller,
        input: Value,
        authority: &dyn Authority,
    ) -> Result<Call, Refusal> {
        let needs = match (self.needs)(&caller, &input) {
            Needs::Signature => Vec::new(),
            Needs::All(needs) if needs.is_empty() => {
                return Err(Denied::implicit(&caller.principal, self.action, None).into());
            }
            Needs::All(needs) => needs
                .into_iter()
                .map(|need| need.or_action(self.action))
                .collect(),
        };
        if !self.signed_with.covers(caller.signed_with) {
            let resource = needs.first().map(Need::resource);
            return Err(Denied::implicit(&caller.principal, self.action, resource).into());
        }
        let allowed = if needs.is_empty() {
            Allowed::by_signature(&caller.principal)
        } else {
            match authority.decide(&caller, &needs).await? {
                Decision::Allow(allowed) => allowed,
                Decision::Deny(denied) => return Err(denied.into()),
            }
        };
        Ok(Call {
            caller,
            needs,
            allowed,
            input,
        })
    }
}

impl<S, E, I, O> fmt::Debug for Operation<S, E, I, O> {
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
    needs: Vec<Need>,
    allowed: Allowed,
    input: Value,
}

impl Call {
    /// Returns who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns what was needed and allowed; empty where a signature was enough.
    pub fn needs(&self) -> &[Need] {
        &self.needs
    }

    /// Returns the decision.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Returns what was asked, as the decision saw it.
    pub fn input(&self) -> &Value {
        &self.input
    }

    /// Takes the call apart into who calls, the decision and the input.
    pub fn into_parts(self) -> (Caller, Allowed, Value) {
        (self.caller, self.allowed, self.input)
    }
}
