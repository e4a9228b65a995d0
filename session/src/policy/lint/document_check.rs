//! Session documents: whoever may name only some must not get around that by naming none.

use super::place::{NodeKind, Place, example};
use super::{Finding, Placed, START_SESSION, Severity, Subject};
use crate::policy::document::Effect;

/// Whether the request named a document that was checked.
const CHECK: &str = "ssm:SessionDocumentAccessCheck";
/// What a session without a document name runs.
const DEFAULT_DOCUMENT: &str = "document/SSM-SessionManagerRunShell";

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if !limits_documents(subject) {
        return;
    }
    for allow in subject.of_holder(Effect::Allow) {
        let open = allow.resources().any(|resource| {
            let place = Place::within(resource);
            let kinds = [NodeKind::Instance, NodeKind::ManagedInstance].map(|kind| kind.arn(&place));
            let named = Some(example(resource)).filter(|arn| is_node(arn));
            let mut nodes = kinds.into_iter().chain(named);
            nodes.any(|arn| is_open(subject, &allow, &place, &arn)) && !may_use_default(subject, &place)
        });
        if open {
            let message = format!(
                "allows {START_SESSION} without a document name, which runs `SSM-SessionManagerRunShell`, although \
                 that document is not allowed by name"
            );
            let hint = format!("add the condition {{\"BoolIfExists\": {{\"{CHECK}\": \"true\"}}}}");
            findings.push(allow.finding(Severity::Danger, "document-check-missing", message, hint));
        }
    }
}

/// Says whether the policies name documents that may be used, or deny the default one by its name.
fn limits_documents(subject: &Subject<'_>) -> bool {
    let mut statements = subject
        .of_holder(Effect::Allow)
        .chain(subject.of_holder(Effect::Deny));
    statements.any(|placed| {
        let resources = placed
            .statement
            .resources
            .iter()
            .flat_map(|resources| &resources.entries);
        let mut documents = resources
            .map(|entry| entry.text())
            .filter(|text| text.contains(":document/"));
        placed.is_about("ssm:startsession")
            && documents.any(|text| {
                let place = Place::within(text);
                let scene = subject.scene(&place).with(CHECK, "true");
                let default = place.arn("ssm", DEFAULT_DOCUMENT);
                let denied = scene.meets(placed.statement, START_SESSION, &default);
                placed.statement.effect == Effect::Deny && denied
                    || subject.opening(&scene, START_SESSION, &example(text)).is_some()
            })
    })
}

/// Says whether the statement allows a session on a node by a request without a document name.
fn is_open(subject: &Subject<'_>, allow: &Placed<'_>, place: &Place, arn: &str) -> bool {
    let scene = subject.scene(place).with(CHECK, "false").satisfy(allow.statement);
    scene.is_some_and(|scene| {
        scene.meets(allow.statement, START_SESSION, arn)
            && scene.verdict(&subject.identity, START_SESSION, arn).is_allowed()
    })
}

fn may_use_default(subject: &Subject<'_>, place: &Place) -> bool {
    let scene = subject.scene(place).with(CHECK, "true");
    let arn = place.arn("ssm", DEFAULT_DOCUMENT);
    subject.opening(&scene, START_SESSION, &arn).is_some()
}

fn is_node(arn: &str) -> bool {
    arn.contains(":instance/") || arn.contains(":managed-instance/")
}
