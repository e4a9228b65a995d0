//! Tags of nodes: a deny that covers one kind of node only, and an allow that another one makes pointless.

use super::place::{NodeKind, Place};
use super::scene::UNNAMED;
use super::{Finding, Placed, START_SESSION, Severity, Subject, is_resource_tag};
use crate::policy::document::Effect;

/// Finds denies by tag on EC2's instances that leave registered nodes with the same tag open, and the reverse.
pub(super) fn check_denies(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let by_tag = |deny: &Placed<'_>| deny.tag_keys().next().is_some();
    for deny in subject.of_holder(Effect::Deny).filter(by_tag) {
        let kinds = [
            (
                NodeKind::Instance,
                NodeKind::ManagedInstance,
                "tag-deny-misses-managed-instances",
            ),
            (
                NodeKind::ManagedInstance,
                NodeKind::Instance,
                "tag-deny-misses-instances",
            ),
        ];
        for (closed, open, rule) in kinds {
            if let Some(allow) = gap(subject, &deny, closed, open) {
                let message = format!(
                    "denies {START_SESSION} by tag on {} nodes only: a node `{}` with the same tag is open by `{}`",
                    closed.prefix(),
                    open.pattern(),
                    allow.name()
                );
                let hint = format!("add `{}` to `Resource`", open.pattern());
                findings.push(deny.finding(Severity::Danger, rule, message, hint));
            }
        }
    }
}

/// Returns what allows a session on an open node, where the deny closes the other kind under the same facts.
fn gap<'a>(subject: &Subject<'a>, deny: &Placed<'a>, closed: NodeKind, open: NodeKind) -> Option<Placed<'a>> {
    deny.resources().map(Place::within).find_map(|place| {
        let scene = subject.scene(&place).satisfy(deny.statement)?;
        let covers = |kind: NodeKind| scene.meets(deny.statement, START_SESSION, &kind.arn(&place));
        if !covers(closed) || covers(open) {
            return None;
        }
        subject.opening(&scene, START_SESSION, &open.arn(&place))
    })
}

/// Finds allows by tag where another statement allows the same without the tag.
pub(super) fn check_allows(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for allow in subject.of_holder(Effect::Allow) {
        if let Some((kind, other)) = bypass(subject, &allow) {
            let message = format!(
                "allows {START_SESSION} by tag, but `{}` allows it on `{}` whatever the tags",
                other.name(),
                kind.pattern()
            );
            let hint = format!(
                "take {START_SESSION} out of `{}`, or give it the same condition",
                other.name()
            );
            findings.push(allow.finding(Severity::Warning, "tag-allow-bypassed", message, hint));
        }
    }
}

/// Returns the kind of node, and the statement that opens it without the tag that this one asks for.
fn bypass<'a>(subject: &Subject<'a>, allow: &Placed<'a>) -> Option<(NodeKind, Placed<'a>)> {
    let keys: Vec<_> = allow.tag_keys().collect();
    if keys.is_empty() {
        return None;
    }
    let named: Vec<_> = allow.resources().map(Place::within).collect();
    let kinds = [NodeKind::Instance, NodeKind::ManagedInstance];
    let mut cases = named.iter().flat_map(|place| kinds.map(|kind| (place, kind)));
    cases.find_map(|(place, kind)| {
        let arn = kind.arn(place);
        let scene = subject
            .scene(place)
            .with("ssm:SessionDocumentAccessCheck", "true");
        let tagged = scene.clone().satisfy(allow.statement)?;
        let foreign = keys
            .iter()
            .fold(scene.clone(), |scene, key| scene.with(key, UNNAMED));
        let restricts = tagged.meets(allow.statement, START_SESSION, &arn)
            && !scene.meets(allow.statement, START_SESSION, &arn)
            && !foreign.meets(allow.statement, START_SESSION, &arn);
        if !restricts
            || !foreign
                .verdict(&subject.identity, START_SESSION, &arn)
                .is_allowed()
        {
            return None;
        }
        let verdict = scene.verdict(&subject.identity, START_SESSION, &arn);
        let by = verdict.statement().filter(|_| verdict.is_allowed())?;
        let other = subject
            .of_holder(Effect::Allow)
            .find(|other| other.name() == *by)?;
        other.tag_keys().next().is_none().then_some((kind, other))
    })
}

impl Placed<'_> {
    /// Returns the tags of nodes that the statement's conditions look at.
    fn tag_keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.statement.conditions.iter().map(|condition| condition.key());
        keys.filter(|key| is_resource_tag(key) && !key.contains("/aws:ssmmessages:"))
    }
}

impl NodeKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Instance => "`i-…`",
            Self::ManagedInstance => "`mi-…`",
        }
    }
}
