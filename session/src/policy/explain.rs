//! A decision with the reason of every statement that is about the action.

use std::fmt;

use super::document::{Mismatch, Statement};
use super::evaluate::evaluate;
use super::request::Request;
use super::set::PolicySet;
use super::verdict::{Layer, StatementName, Verdict};

/// A decision and how each policy came to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was decided.
    pub verdict: Verdict,
    /// The statements about the action, in the order of layers, policies and statements.
    pub steps: Vec<Step>,
}

/// What one statement said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where the statement stands.
    pub layer: Layer,
    /// The statement.
    pub statement: StatementName,
    /// `Allow` or `Deny`.
    pub effect: &'static str,
    /// Why it does not apply, `None` where it does.
    pub obstacle: Option<String>,
}

/// Decides on a request and says why each statement about the action did or did not apply.
///
/// This takes longer than [`evaluate`], which comes to the same verdict.
pub fn explain(request: &Request<'_>, policies: &PolicySet) -> Explanation {
    let steps = steps(request, policies, |statement, mismatch| {
        (mismatch != Mismatch::Action).then(|| obstacle(statement, mismatch, request))
    });
    Explanation {
        verdict: evaluate(request, policies),
        steps,
    }
}

/// Returns the statements that apply to a request, in the order of layers, policies and statements.
pub fn applying(request: &Request<'_>, policies: &PolicySet) -> Vec<Step> {
    steps(request, policies, |_, _| None)
}

/// Returns the statements that apply, and those whose mismatch is told.
fn steps(
    request: &Request<'_>,
    policies: &PolicySet,
    tell: impl Fn(&Statement, Mismatch) -> Option<String>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (layer, policies) in policies.layers() {
        for policy in policies {
            for (index, statement) in policy.policy.statements.iter().enumerate() {
                let obstacle = match statement.applies(request) {
                    Ok(_) => None,
                    Err(mismatch) => match tell(statement, mismatch) {
                        Some(obstacle) => Some(obstacle),
                        None => continue,
                    },
                };
                steps.push(Step {
                    layer,
                    statement: policy.statement_name(index),
                    effect: statement.effect.name(),
                    obstacle,
                });
            }
        }
    }
    steps
}

fn obstacle(statement: &Statement, mismatch: Mismatch, request: &Request<'_>) -> String {
    match mismatch {
        Mismatch::Action => "it is about other actions".to_owned(),
        Mismatch::Principal => format!("it does not name {}", request.identity().arn()),
        Mismatch::Resource => obstacle_of_resources(statement, request),
        Mismatch::Condition(index) => statement
            .conditions
            .get(index)
            .map(|condition| condition.describe(request.context()))
            .unwrap_or_default(),
    }
}

fn obstacle_of_resources(statement: &Statement, request: &Request<'_>) -> String {
    let Some(resources) = &statement.resources else {
        return String::new();
    };
    let texts: Vec<_> = resources.entries.iter().map(|pattern| pattern.text()).collect();
    let verb = if resources.negated { "excepts" } else { "names" };
    let mut reason = format!(
        "{} is not covered: it {verb} {}",
        request.resource(),
        texts.join(", ")
    );
    let unresolved = resources
        .entries
        .iter()
        .find_map(|pattern| pattern.unresolved(request.context()));
    if let Some(variable) = unresolved {
        reason.push_str(&format!("; ${{{variable}}} has no value"));
    }
    reason
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.verdict)?;
        for step in &self.steps {
            let Step {
                layer,
                statement,
                effect,
                obstacle,
            } = step;
            write!(f, "  {}, {statement}, {effect}: ", layer.name())?;
            match obstacle {
                None => writeln!(f, "applies")?,
                Some(obstacle) => writeln!(f, "does not apply: {obstacle}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;
    use crate::policy::{Denied, Identity, NamedPolicy, Policy, PolicyKind};

    const DEVELOPER: &str = r#"{
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"},
            {"Effect": "Allow", "Action": "ssm:Describe*", "Resource": "*"},
            {"Sid": "OwnNodes", "Effect": "Allow", "Action": "ssm:*",
             "Resource": "arn:aws:ec2:*:*:instance/${aws:PrincipalTag/node}"},
            {"Sid": "NotOnSunday", "Effect": "Deny", "Action": "ssm:*Session", "Resource": "*",
             "Condition": {"StringEquals": {"drawbridge:Weekday": "Sunday"}}},
            {"Sid": "NotToProd", "Effect": "Deny", "Action": "ssm:StartSession",
             "Resource": "arn:aws:ec2:*:*:instance/*",
             "Condition": {"StringLike": {"ssm:resourceTag/Environment": "Prod"}}}
        ]
    }"#;

    #[test]
    fn tells_what_each_statement_about_the_action_said() {
        let account = AccountId::parse("123456789012").expect("valid");
        let identity = Identity::user(account, "/", "alice", "AIDAALICE");
        let context = identity.context().with("ssm:resourceTag/Environment", "Prod");
        let arn = "arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0";
        let request = Request::new(&identity, "ssm:StartSession", arn, &context);
        let policy = Policy::parse(DEVELOPER, PolicyKind::Identity).expect("valid");
        let policies = PolicySet {
            identity: vec![NamedPolicy::new("Developer", policy)],
            ..PolicySet::default()
        };

        let explanation = explain(&request, &policies);
        assert_eq!(
            explanation.to_string(),
            "denied by Developer/NotToProd, with an explicit deny in an identity-based policy\n  \
             identity-based policy, Developer/Statement[0], Allow: applies\n  \
             identity-based policy, Developer/OwnNodes, Allow: does not apply: \
             arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0 is not covered: it names \
             arn:aws:ec2:*:*:instance/${aws:PrincipalTag/node}; ${aws:PrincipalTag/node} has no value\n  \
             identity-based policy, Developer/NotOnSunday, Deny: does not apply: StringEquals drawbridge:Weekday: \
             the request does not have the key\n  \
             identity-based policy, Developer/NotToProd, Deny: applies\n"
        );
        let denied =
            Denied::by(&explanation.verdict, identity.arn(), "ssm:StartSession", arn).expect("denied");
        assert_eq!(
            denied.to_string(),
            "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: ssm:StartSession on resource: \
             arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0 with an explicit deny in an \
             identity-based policy"
        );
    }
}
