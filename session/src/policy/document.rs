//! A policy after it was read: types, and whether a statement applies.

use super::arn::ResourcePattern;
use super::condition::Condition;
use super::error::PolicyError;
use super::glob::Glob;
use super::grantee::{Closeness, Grantees};
use super::request::Request;

/// The longest document that is read, in bytes: what AWS's APIs accept on the wire.
pub const MAX_DOCUMENT_BYTES: usize = 131_072;

/// What a document is attached to, which decides on the elements that it must and must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A user, group, role, session, boundary or organization: no `Principal`, always a `Resource`.
    Identity,
    /// A resource such as a bucket or key: always a `Principal`.
    Resource,
    /// A role's trust: always a `Principal`, never a `Resource`.
    Trust,
}

/// A parsed policy document.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub(super) kind: PolicyKind,
    /// Whether `${…}` is a variable, which depends on the version.
    pub(super) variables: bool,
    pub(super) statements: Vec<Statement>,
}

/// What a statement does where it applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principal: Option<Grantees>,
    pub(super) actions: Elements<ActionPattern>,
    /// `None` stands for the resource that the policy is attached to.
    pub(super) resources: Option<Elements<ResourcePattern>>,
    pub(super) conditions: Vec<Condition>,
}

/// The entries of an element, or of its `Not…` form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Elements<T> {
    pub(super) negated: bool,
    pub(super) entries: Vec<T>,
}

/// A pattern for actions, which have no case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ActionPattern {
    /// As the policy writes it.
    text: String,
    /// In lower case and with its colon; `None` for every vendor.
    vendor: Option<String>,
    /// In lower case.
    whole: Glob,
}

/// Why a statement does not apply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    Action,
    Principal,
    Resource,
    /// The condition at this place.
    Condition(usize),
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Names the first mistake and where it is.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        super::parse::parse(text, kind)
    }

    /// Says nothing about anything.
    pub(super) fn empty(kind: PolicyKind) -> Self {
        Self {
            kind,
            variables: true,
            statements: Vec::new(),
        }
    }

    /// Returns what the document was read as.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// Returns the users, roles and sessions that its principals name by ARN or unique id.
    pub fn named_principals(&self) -> impl Iterator<Item = &str> {
        self.statements
            .iter()
            .filter_map(|statement| statement.principal.as_ref())
            .flat_map(Grantees::named)
    }
}

impl Statement {
    /// Says whether the action of a request is among those that the statement is about.
    pub(super) fn is_about(&self, request: &Request<'_>) -> bool {
        self.actions.include(|pattern| pattern.covers(request.action()))
    }

    /// Returns how closely the statement names who asks, or why it does not apply.
    pub(super) fn applies(&self, request: &Request<'_>) -> Result<Closeness, Mismatch> {
        if !self.is_about(request) {
            return Err(Mismatch::Action);
        }
        let closeness = match &self.principal {
            None => Closeness::Direct,
            Some(principal) => principal.names(request.identity()).ok_or(Mismatch::Principal)?,
        };
        if !self.touches(request) {
            return Err(Mismatch::Resource);
        }
        let failed = self
            .conditions
            .iter()
            .position(|condition| !condition.holds(request.context(), self.effect));
        match failed {
            None => Ok(closeness),
            Some(index) => Err(Mismatch::Condition(index)),
        }
    }

    fn touches(&self, request: &Request<'_>) -> bool {
        let Some(resources) = &self.resources else {
            return true;
        };
        // As in conditions: what a variable without a value would have excepted must not be opened.
        let open_exception = resources.negated
            && self.effect == Effect::Allow
            && resources
                .entries
                .iter()
                .any(|pattern| pattern.unresolved(request.context()).is_some());
        !open_exception && resources.include(|pattern| pattern.matches(request.arn(), request.context()))
    }
}

impl<T> Elements<T> {
    pub(super) fn include(&self, matches: impl Fn(&T) -> bool) -> bool {
        self.entries.iter().any(matches) != self.negated
    }
}

impl ActionPattern {
    pub(super) fn parse(text: &str) -> Result<Self, PolicyError> {
        let name = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'?' | b'-' | b'_'))
        };
        let valid = match text.split_once(':') {
            None => text == "*",
            Some((vendor, action)) => {
                (vendor == "*" || (name(vendor) && !vendor.contains(['*', '?']))) && name(action)
            }
        };
        if !valid {
            return Err(PolicyError::new(format!(
                "`{text}` is not an action. Actions/Conditions must be prefixed by a vendor, e.g., iam, sdb, ec2, etc."
            )));
        }
        let lower = text.to_ascii_lowercase();
        let vendor = &lower[..lower.find(':').map_or(0, |colon| colon + 1)];
        Ok(Self {
            text: text.to_owned(),
            vendor: (!matches!(vendor, "" | "*:")).then(|| vendor.to_owned()),
            whole: Glob::wild(&lower),
        })
    }

    /// Says whether the pattern covers an action, such as `ssm:startsession`, in lower case.
    pub(super) fn covers(&self, action: &str) -> bool {
        self.whole.matches(action)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the vendor in lower case and with its colon, `None` for every vendor.
    pub(super) fn vendor(&self) -> Option<&str> {
        self.vendor.as_deref()
    }

    /// Says whether the pattern takes in all of a vendor, as `ssm:*` does.
    pub(super) fn is_general(&self) -> bool {
        self.text.ends_with(":*") || self.text == "*"
    }
}

impl Effect {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}
