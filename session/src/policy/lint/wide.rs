//! Grants that take in more than they name.

use super::place::Place;
use super::scene::UNNAMED;
use super::{Finding, Placed, Severity, Subject};
use crate::policy::document::Effect;

const PASS_ROLE: &str = "iam:PassRole";

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for allow in subject.of_holder(Effect::Allow) {
        if allow.statement.actions.negated {
            let message = "allows every action that it does not name, those of services to come included";
            let hint =
                "name the actions in `Action`, and deny what must stay closed in a statement of its own";
            findings.push(allow.finding(Severity::Warning, "not-action-allow", message.into(), hint.into()));
        }
        if allow
            .statement
            .resources
            .as_ref()
            .is_some_and(|resources| resources.negated)
        {
            let message = "allows every resource that it does not name, those of other accounts included";
            let hint = "name the resources in `Resource`, and deny the exceptions in a statement of its own";
            findings.push(allow.finding(
                Severity::Warning,
                "not-resource-allow",
                message.into(),
                hint.into(),
            ));
        }
        if allow.is_everything() {
            let message = "allows everything: whoever has it is an administrator";
            let hint = "name actions or resources, unless that is meant";
            findings.push(allow.finding(Severity::Note, "allow-everything", message.into(), hint.into()));
        } else if passes_any_role(subject, &allow) {
            let message =
                format!("allows {PASS_ROLE} on any role, an administrator's included, to any service");
            let hint = "name the role in `Resource`, and the service: {\"StringEquals\": {\"iam:PassedToService\": \
                        \"ssm.amazonaws.com\"}}";
            findings.push(allow.finding(Severity::Danger, "pass-role-any", message, hint.into()));
        }
    }
}

fn passes_any_role(subject: &Subject<'_>, allow: &Placed<'_>) -> bool {
    let place = Place::any();
    let scene = subject.scene(&place).with("iam:PassedToService", UNNAMED);
    let arn = format!("arn:aws:iam::{}:role/{UNNAMED}", place.account);
    scene.meets(allow.statement, PASS_ROLE, &arn)
        && scene.verdict(&subject.identity, PASS_ROLE, &arn).is_allowed()
}

impl Placed<'_> {
    fn is_everything(&self) -> bool {
        let actions = &self.statement.actions;
        let all = |text: &str| matches!(text, "*" | "*:*");
        !actions.negated
            && actions.entries.iter().any(|entry| all(entry.text()))
            && self.resources().any(|resource| resource == "*")
            && self.statement.conditions.is_empty()
    }
}
