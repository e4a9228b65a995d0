//! Statements that can never apply.

use super::{Finding, Placed, Severity, Subject};
use crate::policy::condition::Condition;
use crate::policy::context::Context;
use crate::policy::document::{ActionPattern, Effect};
use crate::policy::operator::{Quantifier, Test};

const RULE: &str = "never-applies";

/// Finds conditions on one key that exclude each other.
pub(super) fn check_conditions(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for placed in subject.statements() {
        let conditions = &placed.statement.conditions;
        let dead = conditions
            .iter()
            .find(|condition| is_exact(condition) && excluded(&placed, condition));
        if let Some(condition) = dead {
            let message = format!(
                "never applies: its conditions on `{}` exclude each other",
                condition.key_name()
            );
            let hint = "keep one of them, or write two statements".to_owned();
            findings.push(placed.finding(severity(&placed), RULE, message, hint));
        }
    }
}

/// Says whether the condition holds for one of its own values, or for a missing key, and for nothing else.
fn is_exact(condition: &Condition) -> bool {
    let operator = condition.operator();
    let several = ["keys", "paths", "calledvia"]
        .iter()
        .any(|end| condition.key().ends_with(end));
    matches!(operator.test, Test::Text | Test::Bool)
        && !operator.negated
        && operator.quantifier == Quantifier::Single
        && !several
}

/// Says whether no value of an exact condition, and not its absence either, suits all conditions on its key.
fn excluded(placed: &Placed<'_>, exact: &Condition) -> bool {
    let conditions = &placed.statement.conditions;
    let same_key: Vec<_> = conditions
        .iter()
        .filter(|other| other.key() == exact.key())
        .collect();
    if same_key
        .iter()
        .any(|condition| condition.values().iter().any(|value| value.contains("${")))
    {
        return false;
    }
    let suits = |context: &Context| {
        same_key
            .iter()
            .all(|other| other.holds(context, placed.statement.effect))
    };
    let contexts = exact
        .values()
        .iter()
        .map(|value| Context::new().with(exact.key(), value.as_str()));
    same_key.len() > 1 && !contexts.chain([Context::new()]).any(|context| suits(&context))
}

/// Finds actions that are never asked about the resources beside them, and resources that no action beside them is
/// asked about.
pub(super) fn check_resources(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for placed in subject.statements() {
        let actions = &placed.statement.actions;
        let resources: Vec<_> = placed.resources().collect();
        if actions.negated || resources.is_empty() {
            continue;
        }
        for action in &actions.entries {
            if !resources.iter().any(|resource| may_concern(action, resource)) {
                let message = format!(
                    "never applies to `{}`, which is not asked about `{}`",
                    action.text(),
                    resources.join("`, `")
                );
                findings.push(placed.finding(severity(&placed), RULE, message, hint(action)));
            }
        }
        for resource in &resources {
            let concerned = |action: &&ActionPattern| may_concern(action, resource);
            let any_alive = actions
                .entries
                .iter()
                .any(|action| resources.iter().any(|resource| may_concern(action, resource)));
            if any_alive && !actions.entries.iter().any(|action| concerned(&action)) {
                let message = format!("names `{resource}`, which none of its actions is asked about");
                let hint = actions.entries.first().map(hint).unwrap_or_default();
                findings.push(placed.finding(severity(&placed), RULE, message, hint));
            }
        }
    }
}

/// What one action is asked about: the service and the beginning of the resource, in an ARN.
struct Asked {
    action: &'static str,
    about: &'static [(&'static str, &'static str)],
}

const SESSION: &[(&str, &str)] = &[("ssm", "session/")];
const ANY: &[(&str, &str)] = &[];
const ASKED: &[Asked] = &[
    Asked {
        action: "ssm:startsession",
        about: &[
            ("ec2", "instance/"),
            ("ssm", "managed-instance/"),
            ("ssm", "document/"),
            ("ecs", "task/"),
            ("eks", "cluster/"),
        ],
    },
    Asked {
        action: "ssm:terminatesession",
        about: SESSION,
    },
    Asked {
        action: "ssm:resumesession",
        about: SESSION,
    },
    Asked {
        action: "ssm:describesessions",
        about: ANY,
    },
    Asked {
        action: "ssm:getconnectionstatus",
        about: ANY,
    },
    Asked {
        action: "ssm:describeinstanceinformation",
        about: ANY,
    },
    Asked {
        action: "ssm:describeinstanceproperties",
        about: ANY,
    },
    Asked {
        action: "iam:passrole",
        about: &[("iam", "role/")],
    },
];
/// The services whose ARNs a vendor's actions are asked about.
const SERVICES: &[(&str, &[&str])] = &[
    (
        "ssm:",
        &["ec2", "ecs", "eks", "iot", "rds", "resource-groups", "s3", "ssm"],
    ),
    ("ssmmessages:", &["ssm", "ssmmessages"]),
    ("iam:", &["iam", "sts"]),
    ("kms:", &["kms"]),
    ("logs:", &["logs"]),
    ("s3:", &["s3"]),
];

/// Says whether the action may be asked about what the pattern covers; yes where it is not known.
fn may_concern(action: &ActionPattern, resource: &str) -> bool {
    let parts: Vec<_> = resource.splitn(6, ':').collect();
    if resource == "*" {
        return true;
    }
    let &[_, _, service, _, _, name] = parts.as_slice() else {
        return true;
    };
    let vague = |text: &str| text.contains(['*', '?', '$']);
    let lower = action.text().to_ascii_lowercase();
    if let Some(asked) = ASKED.iter().find(|asked| asked.action == lower) {
        let fixed = name.split(['*', '?', '$']).next().unwrap_or_default();
        return asked.about.iter().any(|(about, kind)| {
            (vague(service) || service == *about) && (fixed.starts_with(kind) || kind.starts_with(fixed))
        });
    }
    let services = SERVICES
        .iter()
        .find(|(vendor, _)| action.vendor() == Some(vendor));
    match services {
        // Commands may write to buckets; nothing else of the service is asked about one.
        Some((vendor, _)) if *vendor == "ssm:" && service == "s3" => action.covers("ssm:sendcommand"),
        Some((_, services)) => vague(service) || services.contains(&service),
        None => true,
    }
}

fn hint(action: &ActionPattern) -> String {
    let lower = action.text().to_ascii_lowercase();
    match ASKED.iter().find(|asked| asked.action == lower) {
        Some(Asked { about: [], .. }) => format!("`{}` is asked about `*`", action.text()),
        Some(asked) => {
            let patterns = asked.about.iter().map(|(service, kind)| match *service {
                "iam" => format!("`arn:aws:iam::*:{kind}*`"),
                service => format!("`arn:aws:{service}:*:*:{kind}*`"),
            });
            format!(
                "`{}` is asked about {}",
                action.text(),
                patterns.collect::<Vec<_>>().join(", ")
            )
        }
        None => "name resources of the same service as the actions".to_owned(),
    }
}

fn severity(placed: &Placed<'_>) -> Severity {
    match placed.statement.effect {
        Effect::Allow => Severity::Warning,
        Effect::Deny => Severity::Danger,
    }
}
