//! Refusals, in AWS's words.

use std::fmt;

use super::resource::Resource;
use super::verdict::{Layer, StatementName, Verdict};
use crate::principal::Principal;

/// A refusal, in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    principal_arn: String,
    action: String,
    resource_arn: String,
    reason: Reason,
    statement: Option<StatementName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Explicit(Layer),
    Implicit(Layer),
    Told(&'static str),
    Untold,
}

impl Denied {
    /// Refuses because nothing allows it.
    pub fn implicit(principal: &Principal, action: &'static str, resource: Option<&Resource>) -> Self {
        Self {
            principal_arn: principal.arn(),
            action: action.to_owned(),
            resource_arn: resource.map_or("*", Resource::arn).to_owned(),
            reason: Reason::Implicit(Layer::Identity),
            statement: None,
        }
    }

    /// Refuses for the reason of a verdict; `None` for one that allows.
    pub fn by(verdict: &Verdict, principal_arn: &str, action: &str, resource_arn: &str) -> Option<Self> {
        let reason = match verdict {
            Verdict::Allow { .. } => return None,
            Verdict::ExplicitDeny { layer, .. } => Reason::Explicit(*layer),
            Verdict::ImplicitDeny { layer } => Reason::Implicit(*layer),
        };
        Some(Self {
            principal_arn: principal_arn.to_owned(),
            action: action.to_owned(),
            resource_arn: resource_arn.to_owned(),
            reason,
            statement: verdict.statement().cloned(),
        })
    }

    /// Says why in words of ours.
    #[must_use]
    pub(super) fn told(self, reason: &'static str) -> Self {
        Self {
            reason: Reason::Told(reason),
            ..self
        }
    }

    /// Leaves out why: another account's policies, and whether it has the resource at all, are not the caller's to know.
    #[must_use]
    pub fn without_reason(self) -> Self {
        Self {
            reason: Reason::Untold,
            statement: None,
            ..self
        }
    }

    /// Returns the action that was asked for.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Returns the ARN of the resource.
    pub fn resource_arn(&self) -> &str {
        &self.resource_arn
    }

    /// Returns the statement that denies; an implicit denial has none.
    pub fn statement(&self) -> Option<&StatementName> {
        self.statement.as_ref()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            principal_arn,
            action,
            resource_arn,
            reason,
            statement: _,
        } = self;
        write!(
            f,
            "User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn}"
        )?;
        match reason {
            Reason::Explicit(layer) => write!(f, " {}", layer.explicit()),
            Reason::Implicit(layer) => write!(f, " because no {} allows the {action} action", layer.name()),
            Reason::Told(why) => write!(f, " {why}"),
            Reason::Untold => Ok(()),
        }
    }
}

impl std::error::Error for Denied {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_layer_in_awss_words() {
        let text = |verdict: &Verdict| {
            let denied =
                Denied::by(verdict, "arn:aws:iam::1:user/a", "ssm:StartSession", "*").expect("denied");
            denied.to_string()
        };
        let start =
            "User: arn:aws:iam::1:user/a is not authorized to perform: ssm:StartSession on resource: * ";
        for (layer, implicit, explicit) in [
            (
                Layer::Identity,
                "no identity-based policy",
                "an identity-based policy",
            ),
            (
                Layer::Resource,
                "no resource-based policy",
                "a resource-based policy",
            ),
            (Layer::Trust, "no role trust policy", "the role trust policy"),
            (
                Layer::Boundary,
                "no permissions boundary",
                "a permissions boundary",
            ),
            (Layer::Session, "no session policy", "a session policy"),
            (
                Layer::ServiceControl,
                "no service control policy",
                "a service control policy",
            ),
        ] {
            let by = StatementName {
                policy: "p".to_owned(),
                index: 0,
                sid: None,
            };
            assert_eq!(
                text(&Verdict::ImplicitDeny { layer }),
                format!("{start}because {implicit} allows the ssm:StartSession action")
            );
            assert_eq!(
                text(&Verdict::ExplicitDeny { layer, by }),
                format!("{start}with an explicit deny in {explicit}")
            );
        }
        assert_eq!(
            Denied::by(&Verdict::Allow { by: None }, "a", "ssm:StartSession", "*"),
            None
        );
    }
}
