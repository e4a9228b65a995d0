//! The condition keys that a decision would have to know.

use std::collections::HashSet;

use super::document::{Policy, Statement};
use super::request::Request;
use super::set::PolicySet;

/// Returns the keys that statements about the action ask for, in conditions and variables, and that the request does
/// not have; each once, as the policy writes it first.
pub fn missing_keys(request: &Request<'_>, policies: &PolicySet) -> Vec<String> {
    let mut missing = Vec::new();
    let mut seen = HashSet::new();
    let layers = policies.layers().flat_map(|(_, policies)| policies);
    for policy in layers.map(|named| named.policy.as_ref()) {
        let about = policy
            .statements
            .iter()
            .filter(|statement| statement.is_about(request));
        for key in about.flat_map(|statement| keys(policy, statement)) {
            let lower = key.to_ascii_lowercase();
            if request.context().lower(&lower).is_none() && seen.insert(lower) {
                missing.push(key.to_owned());
            }
        }
    }
    missing
}

/// Returns what a statement asks for; a variable with a default needs no value.
fn keys<'a>(policy: &Policy, statement: &'a Statement) -> Vec<&'a str> {
    let mut keys = Vec::new();
    if policy.variables {
        let resources = statement.resources.iter().flat_map(|it| &it.entries);
        keys.extend(resources.flat_map(|entry| variables(entry.text())));
    }
    for condition in &statement.conditions {
        keys.push(condition.key_name());
        if policy.variables {
            keys.extend(condition.values().iter().flat_map(|value| variables(value)));
        }
    }
    keys
}

/// Returns the keys of the variables in a text that was parsed.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let inner = text.split("${").skip(1);
    inner
        .filter_map(|rest| rest.split_once('}'))
        .map(|(inner, _)| inner)
        .filter(|inner| !matches!(*inner, "*" | "?" | "$") && !inner.contains(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AccountId;
    use crate::policy::{Context, Identity, NamedPolicy, PolicyKind};

    #[test]
    fn names_each_key_once_that_statements_about_the_action_ask_for() {
        let text = r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ssm:StartSession",
             "Resource": ["arn:aws:ssm:*:*:session/${aws:username}-*", "arn:aws:s3:::${*}${aws:Team, 'none'}"],
             "Condition": {"StringEquals": {"ssm:resourceTag/Team": "${aws:PrincipalTag/Team}"},
                           "Null": {"AWS:UserName": "true"},
                           "Bool": {"aws:SecureTransport": "true"}}},
            {"Effect": "Deny", "Action": "ec2:*", "Resource": "*",
             "Condition": {"StringEquals": {"ec2:Region": "x"}}}
        ]}"#;
        let account = AccountId::parse("123456789012").expect("valid");
        let identity = Identity::user(account, "/", "alice", "AIDAALICE");
        let context = Context::new().with("aws:securetransport", "true");
        let request = Request::new(&identity, "ssm:StartSession", "*", &context);
        let missing = |text: &str| {
            let policy = Policy::parse(text, PolicyKind::Identity).expect("valid");
            let policies = PolicySet {
                identity: vec![NamedPolicy::new("p", policy)],
                ..PolicySet::default()
            };
            missing_keys(&request, &policies)
        };
        assert_eq!(
            missing(text),
            ["aws:username", "ssm:resourceTag/Team", "aws:PrincipalTag/Team"]
        );
        // In the older version the text is no variable.
        assert_eq!(
            missing(&text.replace("2012-10-17", "2008-10-17")),
            ["ssm:resourceTag/Team", "AWS:UserName"]
        );
    }

    #[test]
    fn answers_soon_about_many_keys() {
        let keys: Vec<_> = (0..60_000).map(|n| format!("a:{n}")).collect();
        let conditions: Vec<_> = keys.iter().map(|key| format!(r#""{key}":"""#)).collect();
        // Each policy has some of them: a document has a longest length.
        let policy = |(index, conditions): (usize, &[String])| {
            let text = format!(
                r#"{{"Statement": {{"Effect": "Allow", "Action": "*", "Resource": "*",
                    "Condition": {{"StringEquals": {{{}}}}}}}}}"#,
                conditions.join(",")
            );
            let policy = Policy::parse(&text, PolicyKind::Identity).expect("valid");
            NamedPolicy::new(index.to_string(), policy)
        };
        let policies = PolicySet {
            identity: conditions.chunks(6000).enumerate().map(policy).collect(),
            ..PolicySet::default()
        };
        let account = AccountId::parse("123456789012").expect("valid");
        let identity = Identity::user(account, "/", "alice", "AIDAALICE");
        let context = Context::new();
        let request = Request::new(&identity, "ssm:StartSession", "*", &context);
        assert_eq!(missing_keys(&request, &policies), keys);
    }
}
