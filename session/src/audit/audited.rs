//! What the audit log keeps of an operation.

use crate::operation::{Declaration, Effect, Operation};

/// What the audit log keeps of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audited {
    pub(super) name: &'static str,
    action: &'static str,
    effect: Effect,
    pub(super) keeps_answer: bool,
    pub(super) hides: &'static [&'static str],
}

/// Where our own operations and events are from: the names under `amazonaws.com` are not ours to give.
pub(super) const OURS: &str = "drawbridge";

impl<S, E, I, O> Operation<S, E, I, O> {
    /// Returns what the audit log keeps of the operation; `None` for heartbeats and polls.
    pub fn audited(&self) -> Option<Audited> {
        self.declaration().audited()
    }
}

impl Declaration {
    /// Returns what the audit log keeps of the operation; `None` for heartbeats and polls.
    pub fn audited(&self) -> Option<Audited> {
        Some(Audited {
            name: self.name,
            action: self.action,
            effect: self.audit.effect?,
            keeps_answer: self.audit.keeps_answer,
            hides: self.audit.hides,
        })
    }
}

impl Audited {
    /// Returns whether the operation may change something, so that its intent is stored before it is carried out.
    pub fn is_write(&self) -> bool {
        self.effect == Effect::Write
    }

    /// Returns whether the operation acts on what belongs to no region: principals, policies and accounts.
    ///
    /// Requests for it may be signed for any region, so that the signature must not choose where the event is found.
    pub fn is_global(&self) -> bool {
        match self.action.split_once(':') {
            Some(("iam" | "sts" | "organizations", _)) => true,
            Some((OURS, name)) => matches!(name, "CreateAccount" | "ListAccounts"),
            Some(_) | None => false,
        }
    }

    /// Names who answers: `ssm.amazonaws.com` for `ssm:…`.
    pub(super) fn source(&self) -> String {
        match self.action.split_once(':') {
            Some((OURS, _)) | None => OURS.to_owned(),
            Some((vendor, _)) => format!("{vendor}.amazonaws.com"),
        }
    }
}
