//! Whose sessions someone may end or take over.

use super::place::Place;
use super::variables::uses_user_name;
use super::{AttachedTo, Finding, Placed, Severity, Subject};
use crate::policy::document::Effect;

/// The actions on sessions that exist, as people write them and in lower case.
const ACTIONS: [(&str, &str); 2] = [
    ("ssm:TerminateSession", "ssm:terminatesession"),
    ("ssm:ResumeSession", "ssm:resumesession"),
];
/// The tag that holds the `aws:userid` of who started a session.
const OWNER_TAG: &str = "ssm:resourcetag/aws:ssmmessages:session-id";

/// Finds grants to end or resume anyone's sessions, where the policies speak of one's own or name the action.
pub(super) fn check_owners(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let place = Place::any();
    let arn = place.arn("ssm", "session/someone-else-0d4ab41d6e0000000");
    for allow in subject.of_holder(Effect::Allow) {
        let scene = subject.scene(&place).with(OWNER_TAG, "AIDASOMEONEELSE000000");
        let opened: Vec<_> = ACTIONS
            .into_iter()
            .filter(|(action, _)| {
                scene.meets(allow.statement, action, &arn)
                    && scene.verdict(&subject.identity, action, &arn).is_allowed()
            })
            .collect();
        let Some((action, _)) = opened.first() else {
            continue;
        };
        let own = subject.of_holder(Effect::Allow).find(|other| {
            other.speaks_of_own_sessions() && opened.iter().any(|(_, lower)| other.is_about(lower))
        });
        let message = match own {
            Some(own) => format!(
                "allows {action} on anyone's sessions, although `{}` names one's own",
                own.name()
            ),
            None if allow.names_session_action() => format!("allows {action} on anyone's sessions"),
            None => continue,
        };
        let severity = if own.is_some() {
            Severity::Warning
        } else {
            Severity::Note
        };
        let hint = "limit it to one's own sessions: {\"StringLike\": {\"ssm:resourceTag/aws:ssmmessages:session-id\": \
                    \"${aws:userid}\"}}";
        findings.push(allow.finding(severity, "terminate-any-session", message, hint.to_owned()));
    }
}

/// Finds one's own sessions written as `session/${aws:username}-*`, which sessions of roles never match.
pub(super) fn check_names(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let severity = match subject.attached {
        AttachedTo::User => return,
        AttachedTo::Role => Severity::Warning,
        AttachedTo::Unknown => Severity::Note,
    };
    for placed in subject
        .of_holder(Effect::Allow)
        .chain(subject.of_holder(Effect::Deny))
    {
        let about_sessions = ACTIONS.iter().any(|(_, lower)| placed.is_about(lower));
        let concerned = about_sessions || subject.attached == AttachedTo::Role;
        if concerned && placed.has_variables() && placed.texts().any(uses_user_name) {
            let message =
                "uses `${aws:username}`, which an assumed role does not have, so it applies to users only";
            let hint = "for roles use `${aws:userid}`; one's own sessions are {\"StringLike\": \
                        {\"ssm:resourceTag/aws:ssmmessages:session-id\": \"${aws:userid}\"}}";
            findings.push(placed.finding(
                severity,
                "username-variable-for-roles",
                message.into(),
                hint.into(),
            ));
        }
    }
}

impl Placed<'_> {
    fn speaks_of_own_sessions(&self) -> bool {
        let by_name =
            |text: &str| text.contains(":session/") && text.to_ascii_lowercase().contains("${aws:user");
        self.resources().any(by_name)
            || self
                .statement
                .conditions
                .iter()
                .any(|condition| condition.key() == OWNER_TAG)
    }

    /// Says whether an action pattern is about sessions, and not about everything.
    fn names_session_action(&self) -> bool {
        let actions = &self.statement.actions;
        let named = |lower| {
            actions
                .entries
                .iter()
                .any(|entry| !entry.is_general() && entry.covers(lower))
        };
        !actions.negated && ACTIONS.iter().any(|(_, lower)| named(lower))
    }
}
