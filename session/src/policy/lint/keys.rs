//! Condition keys that requests for the statement's actions never carry.

use super::{Finding, Placed, Severity, Subject, is_resource_tag};
use crate::policy::condition::Condition;
use crate::policy::document::{ActionPattern, Effect};
use crate::policy::operator::{Quantifier, Test};

/// Services whose condition keys only their own requests carry; in lower case, with the colon.
const SERVICES: &[&str] = &[
    "cloudtrail:",
    "ec2:",
    "events:",
    "iam:",
    "kms:",
    "logs:",
    "s3:",
    "sns:",
    "ssm:",
    "sts:",
];
/// Keys of one service that requests to others carry: they tell where the caller's credentials come from.
const ANYWHERE: &[&str] = &[
    "ec2:roledelivery",
    "ec2:sourceinstancearn",
    "ssm:sourceinstancearn",
];
/// Services that are asked about the objects of Systems Manager.
const MANAGERS: &[&str] = &["ec2messages:", "ssm:", "ssmmessages:"];
/// Actions that are asked about `*`, which has no tags.
const WITHOUT_RESOURCE: &[&str] = &[
    "describeactivations",
    "describeinstanceinformation",
    "describeinstanceproperties",
    "describesessions",
    "getconnectionstatus",
    "listdocuments",
];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for placed in subject
        .statements()
        .filter(|placed| !placed.statement.actions.negated)
    {
        for condition in placed
            .statement
            .conditions
            .iter()
            .filter(|condition| needs_key(condition))
        {
            let actions = &placed.statement.actions.entries;
            let dead: Vec<_> = actions
                .iter()
                .filter(|action| !may_carry(action, condition.key()))
                .map(|action| format!("`{}`", action.text()))
                .collect();
            if !dead.is_empty() {
                findings.push(never_present(&placed, condition, &dead.join(", ")));
            }
        }
    }
}

fn never_present(placed: &Placed<'_>, condition: &Condition, actions: &str) -> Finding {
    let key = condition.key_name();
    let (severity, effect) = match placed.statement.effect {
        Effect::Allow => (Severity::Warning, "allows"),
        Effect::Deny => (Severity::Danger, "denies"),
    };
    let message = format!("never {effect} {actions}: such a request does not carry `{key}`");
    let hint = match condition.key().strip_prefix("ec2:resourcetag/") {
        Some(_) => format!("use `ssm:resourceTag/{}`", &key["ec2:resourcetag/".len()..]),
        None => format!("take the condition on `{key}` out, or give these actions their own statement"),
    };
    placed.finding(severity, "condition-key-never-present", message, hint)
}

/// Says whether a condition can only hold where the key is there.
fn needs_key(condition: &Condition) -> bool {
    let operator = condition.operator();
    operator.test != Test::Null
        && !operator.if_exists
        && match operator.quantifier {
            Quantifier::Single => !operator.negated,
            Quantifier::Any => true,
            Quantifier::All => false,
        }
}

/// Says whether some request for the action may carry the key, in lower case.
fn may_carry(action: &ActionPattern, key: &str) -> bool {
    let Some(vendor) = action.vendor() else {
        return true;
    };
    if is_resource_tag(key) && vendor == "ssm:" {
        return !is_without_resource(action);
    }
    let Some(service) = SERVICES.iter().find(|service| key.starts_with(**service)) else {
        return true;
    };
    // What the keys of a service's own requests are is known of these alone.
    let is_known = SERVICES.contains(&vendor) || MANAGERS.contains(&vendor);
    !is_known
        || ANYWHERE.contains(&key)
        || *service == vendor
        || (*service == "iam:" && vendor == "sts:")
        || (*service == "ssm:" && MANAGERS.contains(&vendor))
}

/// Says whether the pattern is one action, and one that is asked about no resource.
fn is_without_resource(action: &ActionPattern) -> bool {
    let text = action.text().to_ascii_lowercase();
    let name = text.split_once(':').map_or("", |(_, name)| name);
    WITHOUT_RESOURCE.contains(&name)
}
