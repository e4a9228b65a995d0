//! No change to a signed request goes unnoticed.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::{Fixture, botocore, now};

/// One change that alters what a request says.
#[derive(Debug, Clone)]
enum Mutation {
    Method,
    /// Another character somewhere in path or query.
    TargetCharacter(Index),
    /// One character fewer in path or query.
    TargetShorter(Index),
    /// A parameter more.
    Parameter(String, String),
    /// Another character somewhere in a header.
    HeaderCharacter(Index, Index),
    /// A character more somewhere in a header.
    HeaderLonger(Index, Index),
    HeaderRemoved(Index),
    HeaderTwice(Index),
    /// A header of AWS's that was not signed.
    HeaderAdded(String),
    Body(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        Just(Mutation::Method),
        index().prop_map(Mutation::TargetCharacter),
        index().prop_map(Mutation::TargetShorter),
        ("[A-Za-z]{1,6}", "[a-z]{0,6}").prop_map(|(name, value)| Mutation::Parameter(name, value)),
        (index(), index()).prop_map(|(header, at)| Mutation::HeaderCharacter(header, at)),
        (index(), index()).prop_map(|(header, at)| Mutation::HeaderLonger(header, at)),
        index().prop_map(Mutation::HeaderRemoved),
        index().prop_map(Mutation::HeaderTwice),
        "x-amz-[a-z]{8,12}".prop_map(Mutation::HeaderAdded),
        index().prop_map(Mutation::Body),
    ]
}

/// Another character, never one that means the same after decoding.
fn other(character: char) -> char {
    if character.eq_ignore_ascii_case(&'z') {
        'y'
    } else {
        'z'
    }
}

fn replaced(text: &str, at: &Index) -> Option<String> {
    let characters = text.chars().collect::<Vec<_>>();
    let at = (!characters.is_empty()).then(|| at.index(characters.len()))?;
    Some(
        characters
            .iter()
            .enumerate()
            .map(|(i, c)| if i == at { other(*c) } else { *c })
            .collect(),
    )
}

/// Applies a change; `None` where the request has nothing to change, or the change says the same.
fn apply(mutation: &Mutation, mut fixture: Fixture) -> Option<Fixture> {
    match mutation {
        Mutation::Method => {
            fixture.method = if fixture.method == "GET" { "POST" } else { "GET" }.to_owned();
        }
        Mutation::TargetCharacter(at) => {
            let tail = replaced(&fixture.target[1..], at)?;
            fixture.target = format!("/{tail}");
        }
        Mutation::TargetShorter(at) => {
            let at = (fixture.target.len() > 1).then(|| 1 + at.index(fixture.target.len() - 1))?;
            // A separator before nothing, or a sign before nothing, says nothing.
            let removed = fixture.target.remove(at);
            if matches!(removed, '&' | '=' | '?') {
                return None;
            }
        }
        Mutation::Parameter(name, value) => {
            let separator = if fixture.target.contains('?') { '&' } else { '?' };
            fixture.target.push_str(&format!("{separator}{name}={value}"));
        }
        Mutation::HeaderCharacter(header, at) => {
            let header = header.get(&fixture.headers).0.clone();
            let changed = replaced(fixture.header(&header).clone().trim(), at)?;
            // Runs of spaces count as one: a changed space changes them, a changed letter always counts.
            *fixture.header(&header) = changed;
        }
        Mutation::HeaderLonger(header, at) => {
            let header = header.get(&fixture.headers).0.clone();
            let text = fixture.header(&header);
            let at = at.index(text.len() + 1);
            text.insert(at, 'q');
        }
        Mutation::HeaderRemoved(header) => {
            let header = header.get(&fixture.headers).0.clone();
            fixture = fixture.without(&header);
        }
        Mutation::HeaderTwice(header) => {
            let (name, value) = header.get(&fixture.headers).clone();
            fixture = fixture.with(&name, &value);
        }
        Mutation::HeaderAdded(name) => fixture = fixture.with(name, "1"),
        Mutation::Body(at) => {
            if fixture.name.contains("unsigned")
                || fixture.name.contains("streaming")
                || fixture.name == "s3 presigned"
            {
                return None;
            }
            fixture.body = match replaced(&fixture.body, at) {
                Some(body) => body,
                None => "x".to_owned(),
            };
        }
    }
    Some(fixture)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn no_change_goes_unnoticed(fixture in any::<Index>(), mutation in mutation()) {
        let original = fixture.get(&botocore().requests);
        if let Some(mutated) = apply(&mutation, original.clone()) {
            prop_assert!(
                mutated.verify(now()).is_err(),
                "{}: {} {} {:?}", original.name, mutated.method, mutated.target, mutated.headers
            );
        }
    }

    #[test]
    fn no_request_panics(
        method in "[A-Z]{1,5}",
        target in "/[ -~]{0,40}",
        authorization in prop::option::of("(AWS4-HMAC-SHA256 )?(Credential=|SignedHeaders=|Signature=|[ -~]){0,30}"),
        date in "[0-9TZ]{0,18}",
    ) {
        let mut headers = vec![
            ("host".to_owned(), "h".to_owned()),
            ("x-amz-date".to_owned(), date),
        ];
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        if let Some(parts) = crate::fixture::parts(&method, &target, &headers) {
            prop_assert!(drawbridge_aws_dialects::sigv4::parse(&parts).is_err());
        }
    }
}
