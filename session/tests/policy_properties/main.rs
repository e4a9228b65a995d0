//! What holds for every policy, whatever it says.

mod generate;
mod reference;

use drawbridge_session::policy::{
    AttachedTo, Context, Identity, MAX_DOCUMENT_BYTES, NamedPolicy, Policy, PolicyKind, PolicySet, Request,
    Verdict, evaluate, explain, lint,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use generate::{account, any_statement, asked, document_like, set, statement};

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
            for finding in lint(&policies.identity, AttachedTo::Unknown) {
                let _ = finding.to_string();
            }
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
    fn it_decides_as_the_definition_does(
        asked in asked(),
        statements in prop::collection::vec(any_statement(), 0..6),
    ) {
        let kind = match asked.verdict(&statements) {
            Verdict::Allow { .. } => "allow",
            Verdict::ExplicitDeny { .. } => "explicit deny",
            Verdict::ImplicitDeny { .. } => "implicit deny",
        };
        prop_assert_eq!(kind, reference::decide(&asked, &statements));
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
    fn lint_has_words_for_every_policy(statements in prop::collection::vec(any_statement(), 1..6)) {
        for finding in lint(&set(&statements).identity, AttachedTo::Unknown) {
            let place = finding.statement.as_ref().map(|statement| statement.index);
            prop_assert!(place.is_some_and(|index| index < statements.len()), "{finding}");
            prop_assert!(!finding.message.is_empty() && !finding.hint.is_empty(), "{finding}");
        }
    }

    #[test]
    fn no_document_brings_the_parser_down(document in document_like(), text in ".{0,60}") {
        parse_as_every_kind(&document.to_string());
        parse_as_every_kind(&json!({"Version": "2012-10-17", "Statement": document}).to_string());
        parse_as_every_kind(&text);
    }

    #[test]
    fn a_damaged_document_brings_nothing_down(
        statements in prop::collection::vec(any_statement(), 1..3),
        (at, length, instead) in (any::<prop::sample::Index>(), 0_usize..4, "[\\PC\"{}\\[\\],:$]{0,3}"),
    ) {
        let mut text: Vec<char> = document(&statements).chars().collect();
        let start = at.index(text.len());
        let end = text.len().min(start + length);
        text.splice(start..end, instead.chars());
        parse_as_every_kind(&text.into_iter().collect::<String>());
    }

    #[test]
    fn a_document_cut_short_is_no_policy(
        statements in prop::collection::vec(any_statement(), 1..3),
        at in any::<prop::sample::Index>(),
    ) {
        let whole = document(&statements);
        prop_assert!(Policy::parse(&whole, PolicyKind::Identity).is_ok(), "{whole}");
        let cut = whole.get(..at.index(whole.len())).expect("generated documents are ASCII");
        prop_assert!(Policy::parse(cut, PolicyKind::Identity).is_err(), "{cut}");
    }
}

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

#[test]
fn a_document_may_be_as_long_as_the_limit_and_no_longer() {
    let text = document(&[json!({"Effect": "Allow", "Action": "ssm:*", "Resource": "*"})]);
    let padded = |length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    let longest = padded(MAX_DOCUMENT_BYTES);
    assert!(Policy::parse(&longest, PolicyKind::Identity).is_ok());
    let error = Policy::parse(&padded(MAX_DOCUMENT_BYTES + 1), PolicyKind::Identity).expect_err("too long");
    assert_eq!(error.reason(), "the document has 131073 bytes, more than 131072");
}

#[test]
fn a_document_nests_as_deep_as_the_grammar() {
    for depth in [9, 11, 100, 20_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let text = format!("{{\"Version\": \"2012-10-17\", \"Statement\": {value}}}");
            let error = Policy::parse(&text, PolicyKind::Identity).expect_err("no statement");
            assert_eq!(
                error.reason().contains("too deep"),
                depth > 9,
                "{depth} {open} {error}"
            );
        }
    }
}
