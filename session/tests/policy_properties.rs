//! What holds for every policy, whatever it says.

use drawbridge_session::AccountId;
use drawbridge_session::policy::{
    Context, Identity, NamedPolicy, Policy, PolicyKind, PolicySet, Request, Verdict, evaluate, explain,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

fn account() -> AccountId {
    AccountId::parse("123456789012").expect("valid")
}

fn set(statements: &[Value]) -> PolicySet {
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
struct Asked {
    identity: Identity,
    action: &'static str,
    resource: &'static str,
    context: Context,
}

impl Asked {
    fn verdict(&self, statements: &[Value]) -> Verdict {
        let request = Request::new(&self.identity, self.action, self.resource, &self.context);
        let policies = set(statements);
        let verdict = evaluate(&request, &policies);
        assert_eq!(explain(&request, &policies).verdict, verdict);
        verdict
    }
}

fn asked() -> impl Strategy<Value = Asked> {
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

fn statement(effect: &'static str) -> impl Strategy<Value = Value> {
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

fn any_statement() -> impl Strategy<Value = Value> {
    prop_oneof![statement("Allow"), statement("Deny")]
}

/// JSON out of the words of the grammar, right and wrong.
fn document_like() -> impl Strategy<Value = Value> {
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

fn parse_as_every_kind(text: &str) {
    let asked = Identity::root(account());
    let context = asked.context();
    for kind in [PolicyKind::Identity, PolicyKind::Resource, PolicyKind::Trust] {
        if let Ok(policy) = Policy::parse(text, kind) {
            let policies = PolicySet {
                identity: vec![NamedPolicy::new("policy", policy)],
                ..PolicySet::default()
            };
            let request = Request::new(&asked, "ssm:StartSession", "*", &context);
            let _ = explain(&request, &policies).to_string();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_deny_more_never_allows_more(
        asked in asked(),
        statements in prop::collection::vec(any_statement(), 0..5),
        deny in statement("Deny"),
    ) {
        let before = asked.verdict(&statements);
        let after = asked.verdict(&[statements, vec![deny]].concat());
        prop_assert!(before.is_allowed() || !after.is_allowed(), "{before} became {after}");
    }

    #[test]
    fn an_allow_more_never_denies_more(
        asked in asked(),
        statements in prop::collection::vec(any_statement(), 0..5),
        allow in statement("Allow"),
    ) {
        let before = asked.verdict(&statements);
        let after = asked.verdict(&[statements, vec![allow]].concat());
        prop_assert!(!before.is_allowed() || after.is_allowed(), "{before} became {after}");
    }

    #[test]
    fn the_order_of_statements_does_not_matter(
        asked in asked(),
        (statements, shuffled) in prop::collection::vec(any_statement(), 0..6)
            .prop_flat_map(|statements| (Just(statements.clone()), Just(statements).prop_shuffle())),
    ) {
        let kind = |verdict: Verdict| std::mem::discriminant(&verdict);
        prop_assert_eq!(kind(asked.verdict(&statements)), kind(asked.verdict(&shuffled)));
    }

    #[test]
    fn a_value_is_never_a_pattern(
        name in "[ab*?${}:'-]{0,6}",
        other in "[ab*?${}:'-]{0,10}",
    ) {
        let identity = Identity::user(account(), "/", "alice", "AIDAEXAMPLE");
        let context = Context::new().with("aws:username", name.as_str()).with("k:name", other.as_str());
        let allows = |resource: &str, statement: Value| {
            let request = Request::new(&identity, "ssm:TerminateSession", resource, &context);
            evaluate(&request, &set(&[statement])).is_allowed()
        };
        let session = format!("arn:aws:ssm:us-east-1:123456789012:session/{other}");
        let own = json!({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*"});
        prop_assert_eq!(allows(&session, own), other.starts_with(&format!("{name}-")));
        let like = json!({
            "Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"StringLike": {"k:name": "?*${aws:username}"}},
        });
        let tail = other.char_indices().nth(1).map_or("", |(at, _)| &other[at..]);
        prop_assert_eq!(allows("*", like), !other.is_empty() && tail.ends_with(&name));
    }

    #[test]
    fn no_document_brings_the_parser_down(document in document_like(), text in ".{0,60}") {
        parse_as_every_kind(&document.to_string());
        parse_as_every_kind(&json!({"Version": "2012-10-17", "Statement": document}).to_string());
        parse_as_every_kind(&text);
    }
}

#[test]
fn a_document_that_is_too_long_is_refused_unread() {
    let long = " ".repeat(drawbridge_session::policy::MAX_DOCUMENT_BYTES + 1);
    let error = Policy::parse(&long, PolicyKind::Identity).expect_err("too long");
    assert_eq!(error.reason(), "the document has 131073 bytes, more than 131072");
}
