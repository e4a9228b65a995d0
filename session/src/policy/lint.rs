//! Policies that do not do what they look like.
//!
//! Where a rule is about what someone may do, it asks the engine about made-up requests rather than reading texts: a
//! deny elsewhere, a wildcard or another policy then counts as it does in a real decision. A rule that cannot be
//! sure says nothing.

mod actions;
mod document_check;
mod keys;
mod missing_keys;
mod never;
mod place;
mod scene;
mod sessions;
mod tags;
mod variables;
mod wide;

use std::cmp::Reverse;
use std::fmt;

use super::document::{Effect, PolicyKind, Statement};
use super::managed::managed_policy;
use super::set::{NamedPolicy, PolicySet};
use super::verdict::StatementName;
use place::Place;
use scene::Scene;

/// Something about a policy that its author may not have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the policy.
    pub policy: String,
    /// The statement; `None` for the policy as a whole.
    pub statement: Option<StatementName>,
    /// How bad it is.
    pub severity: Severity,
    /// The stable name of the rule, such as `tag-deny-misses-managed-instances`.
    pub rule: &'static str,
    /// What the policy does.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; may well be meant.
    Note,
    /// Does less than it says, or more than it seems.
    Warning,
    /// Leaves open what it looks like closing.
    Danger,
}

/// Who has the policies, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachedTo {
    /// A user or a group of users.
    User,
    /// A role.
    Role,
    /// Not known, such as for a document in a file.
    Unknown,
}

/// Judges policies that one user or role has together, and returns the worst findings first.
///
/// Policies of resources and trusts are judged by what stands in them alone. Findings within a policy that is named
/// by the ARN of one that AWS manages are left out, because nobody can mend those; what they grant still counts.
pub fn lint(policies: &[NamedPolicy], attached: AttachedTo) -> Vec<Finding> {
    let subject = Subject::new(policies, attached);
    let mut findings = Vec::new();
    for rule in RULES {
        rule(&subject, &mut findings);
    }
    findings.retain(|finding| managed_policy(&finding.policy).is_none());
    findings.sort_by_key(|finding| Reverse(finding.severity));
    findings
}

const RULES: &[fn(&Subject<'_>, &mut Vec<Finding>)] = &[
    tags::check_denies,
    tags::check_allows,
    document_check::check,
    sessions::check_owners,
    sessions::check_names,
    variables::check,
    actions::check,
    keys::check,
    missing_keys::check,
    never::check_conditions,
    never::check_resources,
    wide::check,
];

/// How many ways to be allowed are tried before a rule gives up, so that a document of many statements that all come
/// to nothing is still judged soon.
const MAX_QUESTIONS: usize = 64;

const START_SESSION: &str = "ssm:StartSession";

/// What is judged.
struct Subject<'a> {
    policies: &'a [NamedPolicy],
    attached: AttachedTo,
    /// Those that say what their holder may do.
    identity: PolicySet,
}

/// A statement and where it stands.
#[derive(Clone, Copy)]
struct Placed<'a> {
    policy: &'a NamedPolicy,
    index: usize,
    statement: &'a Statement,
}

impl<'a> Subject<'a> {
    fn new(policies: &'a [NamedPolicy], attached: AttachedTo) -> Self {
        let of_identity = |policy: &&NamedPolicy| policy.policy.kind() == PolicyKind::Identity;
        Self {
            policies,
            attached,
            identity: PolicySet {
                identity: policies.iter().filter(of_identity).cloned().collect(),
                ..PolicySet::default()
            },
        }
    }

    fn statements(&self) -> impl Iterator<Item = Placed<'a>> + use<'a> {
        self.policies.iter().flat_map(|policy| {
            let statements = policy.policy.statements.iter().enumerate();
            statements.map(move |(index, statement)| Placed {
                policy,
                index,
                statement,
            })
        })
    }

    /// Returns the statements of this effect that say what the holder of the policies may do.
    fn of_holder(&self, effect: Effect) -> impl Iterator<Item = Placed<'a>> + use<'a> {
        self.statements().filter(move |placed| {
            placed.policy.policy.kind() == PolicyKind::Identity && placed.statement.effect == effect
        })
    }

    /// Imagines the holder of the policies in an account, and nothing else known.
    fn scene(&self, place: &Place) -> Scene {
        Scene::new(place, self.attached)
    }

    /// Finds a statement by which the policies as a whole allow a request, whose facts may be added to.
    fn opening(&self, scene: &Scene, action: &str, arn: &str) -> Option<Placed<'a>> {
        let suits = |allow: Placed<'a>| {
            let scene = scene.clone().satisfy(allow.statement)?;
            scene
                .meets(allow.statement, action, arn)
                .then_some((allow, scene))
        };
        // Whoever meets no conditions asks the same question, whichever statement answers it.
        let plain = scene.verdict(&self.identity, action, arn).is_allowed();
        self.of_holder(Effect::Allow)
            .filter_map(suits)
            .filter(|(allow, _)| plain || !allow.statement.conditions.is_empty())
            .take(MAX_QUESTIONS)
            .find(|(_, scene)| scene.verdict(&self.identity, action, arn).is_allowed())
            .map(|(allow, _)| allow)
    }
}

impl Placed<'_> {
    fn name(&self) -> StatementName {
        self.policy.statement_name(self.index)
    }

    fn has_variables(&self) -> bool {
        self.policy.policy.variables
    }

    /// Returns what `Resource` names; nothing for `NotResource`.
    fn resources(&self) -> impl Iterator<Item = &str> {
        let resources = self
            .statement
            .resources
            .iter()
            .filter(|resources| !resources.negated);
        resources.flat_map(|resources| resources.entries.iter().map(|entry| entry.text()))
    }

    /// Returns every text of the statement that may hold variables.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let resources = self
            .statement
            .resources
            .iter()
            .flat_map(|resources| &resources.entries);
        let values = self
            .statement
            .conditions
            .iter()
            .flat_map(|condition| condition.values());
        resources
            .map(|entry| entry.text())
            .chain(values.map(String::as_str))
    }

    /// Says whether an action, in lower case with its vendor, is among those that the statement is about.
    fn is_about(&self, action: &str) -> bool {
        self.statement.actions.include(|pattern| pattern.covers(action))
    }

    fn finding(&self, severity: Severity, rule: &'static str, message: String, hint: String) -> Finding {
        Finding {
            policy: self.policy.name().to_owned(),
            statement: Some(self.name()),
            severity,
            rule,
            message,
            hint,
        }
    }
}

/// Says whether a condition key, in lower case, is a tag of what the request is about.
fn is_resource_tag(key: &str) -> bool {
    ["ssm:resourcetag/", "aws:resourcetag/"]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

impl Severity {
    /// Returns the word that messages begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity.name();
        match &self.statement {
            Some(statement) => write!(f, "{severity}: `{statement}` ")?,
            None => write!(f, "{severity}: `{}` ", self.policy)?,
        }
        write!(f, "{} ({})\nhint: {}", self.message, self.rule, self.hint)
    }
}

#[cfg(test)]
mod tests;
