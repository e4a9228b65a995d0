//! Whether a resource's policy opens it to everyone.
//!
//! As S3 judges it (Blocking public access to your Amazon S3 storage, "The meaning of public"): a policy is public
//! unless every statement that allows names who is allowed, or has a condition that fixes who they are or where they
//! come from.

use super::condition::Condition;
use super::document::{Effect, Policy, Statement};
use super::network::Network;
use super::operator::{Quantifier, Test};

/// Keys that tell who asks or from where, in lower case.
const FIXING_KEYS: [&str; 13] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
];

/// The widest blocks of addresses that still say where someone comes from, by the length of their prefix.
const WIDEST_V4: u32 = 8;
const WIDEST_V6: u32 = 32;

impl Policy {
    /// Says whether the policy allows something to everyone.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(is_public)
    }
}

fn is_public(statement: &Statement) -> bool {
    let everyone = statement
        .principal
        .as_ref()
        .is_some_and(|principal| principal.include_everyone());
    statement.effect == Effect::Allow && everyone && !statement.conditions.iter().any(fixes)
}

/// Whether only requests with one of a few known values pass.
fn fixes(condition: &Condition) -> bool {
    let operator = condition.operator();
    let values = condition.values();
    let passes_without = operator.if_exists || operator.quantifier == Quantifier::All;
    if operator.negated || passes_without || !FIXING_KEYS.contains(&condition.key()) || values.is_empty() {
        return false;
    }
    match operator.test {
        Test::Text | Test::TextIgnoringCase => values.iter().all(|value| !value.contains("${")),
        Test::TextLike | Test::Arn => values.iter().all(|value| !value.contains(['*', '?', '$'])),
        Test::Network => values.iter().all(|value| {
            Network::parse(value).is_some_and(|network| network.is_within(WIDEST_V4, WIDEST_V6))
        }),
        Test::Number(_) | Test::Date(_) | Test::Bool | Test::Binary | Test::Null => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::policy::{Policy, PolicyKind};

    fn public(effect: &str, principal: &Value, condition: &Value) -> bool {
        let text = json!({"Version": "2012-10-17", "Statement": {
            "Effect": effect, "Principal": principal, "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::b/*", "Condition": condition,
        }});
        let policy = Policy::parse(&text.to_string(), PolicyKind::Resource).expect("valid");
        policy.is_public()
    }

    #[test]
    fn a_policy_for_everyone_is_public_unless_a_condition_fixes_who_they_are() {
        for condition in [
            json!({}),
            json!({"Bool": {"aws:SecureTransport": "true"}}),
            json!({"StringEquals": {"aws:UserAgent": "mine"}}),
            json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
            json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
            json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
            json!({"StringLike": {"aws:PrincipalOrgID": "o-*"}}),
            json!({"StringEquals": {"aws:PrincipalAccount": "${aws:PrincipalAccount}"}}),
            json!({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/1"]}}),
            json!({"IpAddress": {"aws:SourceIp": "::/16"}}),
            json!({"Null": {"aws:PrincipalOrgID": "false"}}),
        ] {
            assert!(public("Allow", &json!("*"), &condition), "{condition}");
            assert!(public("Allow", &json!({"AWS": ["*"]}), &condition), "{condition}");
            assert!(!public("Deny", &json!("*"), &condition), "{condition}");
        }
        for condition in [
            json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
            json!({"StringEquals": {"AWS:principalorgid": ["o-a1b2c3d4e5", "o-b1b2c3d4e5"]}, "Bool": {"aws:SecureTransport": "true"}}),
            json!({"StringLike": {"aws:PrincipalAccount": "123456789012"}}),
            json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/R"}}),
            json!({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32"]}}),
        ] {
            assert!(!public("Allow", &json!("*"), &condition), "{condition}");
        }
    }

    #[test]
    fn a_policy_that_names_somebody_is_not_public_and_one_that_names_exceptions_is() {
        for somebody in [
            json!({"AWS": "123456789012"}),
            json!({"AWS": "arn:aws:iam::123456789012:role/R"}),
            json!({"Service": "logs.us-east-1.amazonaws.com"}),
        ] {
            assert!(!public("Allow", &somebody, &json!({})), "{somebody}");
        }
        let text = json!({"Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b"},
            {"Effect": "Allow", "NotPrincipal": {"AWS": "123456789012"}, "Action": "s3:*", "Resource": "arn:aws:s3:::b"},
        ]});
        let policy = Policy::parse(&text.to_string(), PolicyKind::Resource).expect("valid");
        assert!(policy.is_public());
    }
}
