//! Conditions on tags that hold for what has no such tag.

use super::{Finding, Placed, Severity, Subject, is_resource_tag};
use crate::policy::condition::Condition;
use crate::policy::context::Context;
use crate::policy::document::Effect;
use crate::policy::operator::Test;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for placed in subject.statements() {
        for condition in &placed.statement.conditions {
            if !is_tag(condition.key()) || !holds_without_key(&placed, condition) {
                continue;
            }
            let finding = match (placed.statement.effect, condition.operator().negated) {
                (effect, true) => negated(&placed, condition, effect),
                (Effect::Allow, false) => optional(&placed, condition),
                (Effect::Deny, false) => continue,
            };
            findings.push(finding);
        }
    }
}

fn negated(placed: &Placed<'_>, condition: &Condition, effect: Effect) -> Finding {
    let (operator, key) = (condition.operator_name(), condition.key_name());
    let rule = "negated-condition-on-missing-key";
    match effect {
        Effect::Allow => {
            let message =
                format!("allows whatever has no `{key}` at all: `{operator}` holds where the key is missing");
            let hint = format!("say which values are allowed, or add {{\"Null\": {{\"{key}\": \"false\"}}}}");
            placed.finding(Severity::Warning, rule, message, hint)
        }
        Effect::Deny => {
            let message = format!(
                "denies whatever has no `{key}` as well: `{operator}` holds where the key is missing"
            );
            let hint = format!("if that is not meant, add {{\"Null\": {{\"{key}\": \"false\"}}}}");
            placed.finding(Severity::Note, rule, message, hint)
        }
    }
}

fn optional(placed: &Placed<'_>, condition: &Condition) -> Finding {
    let (operator, key) = (condition.operator_name(), condition.key_name());
    let message =
        format!("allows whatever has no `{key}` at all: `{operator}` holds where the key is missing");
    let hint = "take `IfExists` or `ForAllValues:` off the operator".to_owned();
    placed.finding(Severity::Warning, "optional-tag-condition", message, hint)
}

/// Says whether the statement's conditions on this key hold, and its variables have values, where a request does not
/// have it.
fn holds_without_key(placed: &Placed<'_>, condition: &Condition) -> bool {
    let nothing = Context::new();
    let variable = format!("${{{}}}", condition.key());
    let mut same_key = placed
        .statement
        .conditions
        .iter()
        .filter(|other| other.key() == condition.key());
    condition.operator().test != Test::Null
        && !condition.values().iter().any(|value| value.contains("${"))
        && !placed
            .texts()
            .any(|text| text.to_ascii_lowercase().contains(&variable))
        && same_key.all(|other| other.holds(&nothing, placed.statement.effect))
}

fn is_tag(key: &str) -> bool {
    is_resource_tag(key) || key.starts_with("aws:principaltag/") || key.starts_with("aws:requesttag/")
}
