//! Requests and statements over few words, so that they often meet.

use drawbridge_session::AccountId;
use drawbridge_session::policy::{
    Context, Identity, NamedPolicy, Policy, PolicyKind, PolicySet, Request, Verdict, evaluate, explain,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

pub(crate) fn account() -> AccountId {
    AccountId::parse("123456789012").expect("valid")
}

pub(crate) fn set(statements: &[Value]) -> PolicySet {
    let mut policies = PolicySet::default();
    if !statements.is_empty() {
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let policy = Policy::parse(&document, PolicyKind::Identity)
            .unwrap_or_else(|error| panic!("{document}: {error}"));
        policies.identity.push(NamedPolicy::new("policy", policy));
    }
    policies
}

/// A request over few values, so that statements apply often.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) identity: Identity,
    pub(crate) action: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) context: Context,
}

impl Asked {
    pub(crate) fn verdict(&self, statements: &[Value]) -> Verdict {
        let request = Request::new(&self.identity, self.action, self.resource, &self.context);
        let policies = set(statements);
        let verdict = evaluate(&request, &policies);
        assert_eq!(explain(&request, &policies).verdict, verdict);
        verdict
    }
}

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let action = select(vec![
        "ssm:StartSession",
        "ssm:ResumeSession",
        "ec2:DescribeInstances",
    ]);
    let resource = select(vec![
        "*",
        "arn:aws:ec2:us-east-1:123456789012:instance/i-1",
        "arn:aws:ssm:us-east-1:123456789012:session/alice-1",
    ]);
    let tags = prop::collection::vec(select(vec!["alice", "Prod", "5", "true", "10.0.0.1", "*"]), 0..3);
    (any::<bool>(), action, resource, tags).prop_map(|(user, action, resource, tags)| {
        let identity = if user {
            Identity::user(account(), "/", "alice", "AIDAEXAMPLE")
        } else {
            Identity::role_session(account(), "/", "Ops", "alice", "AROAEXAMPLE")
        };
        let mut context = identity.context();
        for tag in tags {
            context.add("ssm:resourceTag/a", tag);
        }
        Asked {
            identity,
            action,
            resource,
            context,
        }
    })
}

pub(crate) fn statement(effect: &'static str) -> impl Strategy<Value = Value> {
    let actions = select(vec![
        json!({"Action": "*"}),
        json!({"Action": "ssm:*Session"}),
        json!({"Action": ["ssm:Start?ession", "ec2:*"]}),
        json!({"NotAction": "ssm:Resume*"}),
    ]);
    let resources = select(vec![
        json!({"Resource": "*"}),
        json!({"Resource": ["arn:aws:ec2:*:*:instance/*", "arn:aws:ssm:*:*:session/${aws:username}-*"]}),
        json!({"NotResource": "arn:aws:ssm:*:*:session/${aws:username}-*"}),
        json!({"Resource": "arn:aws:ssm:*"}),
    ]);
    (actions, resources, condition()).prop_map(move |(actions, resources, condition)| {
        let mut statement = json!({"Effect": effect});
        for part in [actions, resources, condition] {
            let part = part.as_object().expect("an object").clone();
            statement.as_object_mut().expect("an object").extend(part);
        }
        statement
    })
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = select(vec![
        ("StringEquals", "${aws:username}"),
        ("StringNotEquals", "${aws:username}"),
        ("StringLike", "*o?"),
        ("StringNotLike", "P*"),
        ("NumericLessThan", "6"),
        ("NumericNotEquals", "5"),
        ("Bool", "true"),
        ("IpAddress", "10.0.0.0/8"),
        ("NotIpAddress", "10.0.0.0/8"),
    ]);
    let quantifier = select(vec!["", "ForAllValues:", "ForAnyValue:"]);
    let suffix = select(vec!["", "IfExists"]);
    let some = (quantifier, operator, suffix).prop_map(|(quantifier, (operator, value), suffix)| {
        json!({"Condition": {format!("{quantifier}{operator}{suffix}"): {"ssm:resourceTag/a": [value]}}})
    });
    prop_oneof![Just(json!({})), some]
}

pub(crate) fn any_statement() -> impl Strategy<Value = Value> {
    prop_oneof![statement("Allow"), statement("Deny")]
}

/// JSON out of the words of the grammar, right and wrong.
pub(crate) fn document_like() -> impl Strategy<Value = Value> {
    let word = select(vec![
        "*",
        "Allow",
        "Deny",
        "2012-10-17",
        "ssm:*",
        "arn:aws:s3:::${aws:username}",
        "${",
        "${a, '",
        "é:*",
        "10.0.0.0/8",
        "-1",
        "true",
        "arn:::::",
        "123456789012",
    ]);
    let key = select(vec![
        "Version",
        "Statement",
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
        "AWS",
        "StringLike",
        "ForAnyValue:DateLessThanIfExists",
        "NumericEquals",
        "BinaryEquals",
        "ArnLike",
        "IpAddress",
        "aws:x",
    ]);
    let leaf = prop_oneof![
        word.prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(7, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}
