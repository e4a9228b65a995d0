use std::collections::BTreeSet;

use http::Method;
use proptest::prelude::*;

use crate::testing::{World, path_of};

/// What a listing is, said plainly: every entry, in order.
fn reference(keys: &BTreeSet<String>, prefix: &str, delimiter: &str) -> Vec<String> {
    let mut entries = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        let entry = match rest.find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => format!("{prefix}{}/", &rest[..at]),
            None => key.clone(),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn pages_together_are_the_whole(
        keys in prop::collection::btree_set("[ab]{1,2}(/[ab]{0,2}){0,2}", 0..12),
        prefix in prop::sample::select(vec!["", "a", "a/", "b/a", "zz"]),
        delimiter in prop::sample::select(vec!["", "/"]),
        page in 1_usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let world = World::new().await;
            world.bucket("list", &[]).await;
            for key in &keys {
                world.ask(Method::PUT, &path_of("list", key), &[], b"").await;
            }
            let expected = reference(&keys, prefix, delimiter);
            for (listing, next, after) in [
                ("list-type=2&", "NextContinuationToken", "continuation-token"),
                ("", "NextMarker", "marker"),
                ("versions&", "NextKeyMarker", "key-marker"),
            ] {
                let mut entries = Vec::new();
                let mut from = String::new();
                loop {
                    let path = format!("/list?{listing}prefix={prefix}&delimiter={delimiter}&max-keys={page}{from}");
                    let answer = world.ask(Method::GET, &path, &[], b"").await;
                    let mut some = answer.elements("Key");
                    let prefixes = answer.elements("CommonPrefixes");
                    some.extend(prefixes.iter().map(|it| it.replace("<Prefix>", "").replace("</Prefix>", "")));
                    prop_assert!(some.len() <= page);
                    some.sort();
                    entries.extend(some.clone());
                    if answer.element("IsTruncated") != "true" {
                        break;
                    }
                    prop_assert_eq!(some.len(), page, "a page that is not the last is full");
                    let mut next = answer.element(next);
                    if next.is_empty() {
                        next = some.last().cloned().unwrap_or_default();
                    }
                    from = format!("&{after}={next}");
                    let version = answer.element("NextVersionIdMarker");
                    if !version.is_empty() {
                        from = format!("{from}&version-id-marker={version}");
                    }
                }
                prop_assert_eq!(&entries, &expected, "{}", listing);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_marker_inside_a_common_prefix_leads_behind_it() {
    let world = World::new().await;
    world.bucket("list", &[]).await;
    for key in ["a/1", "a/2", "b"] {
        world.ask(Method::PUT, &path_of("list", key), &[], b"").await;
    }
    for path in [
        "/list?delimiter=/&marker=a/1",
        "/list?versions&delimiter=/&key-marker=a/1",
    ] {
        let answer = world.ask(Method::GET, path, &[], b"").await;
        assert_eq!(answer.elements("Key"), ["b"], "{}", answer.text());
        assert_eq!(answer.element("CommonPrefixes"), "", "{}", answer.text());
    }
}

#[tokio::test]
async fn what_was_not_said_is_not_told() {
    let world = World::new().await;
    world.bucket("list", &[]).await;
    for key in ["a", "b", "c"] {
        world.ask(Method::PUT, &path_of("list", key), &[], b"").await;
    }
    for path in [
        "/list?delimiter=",
        "/list?list-type=2&delimiter=",
        "/list?versions&delimiter=",
    ] {
        let answer = world.ask(Method::GET, path, &[], b"").await;
        assert!(!answer.text().contains("Delimiter"), "{}", answer.text());
    }
    let first = world
        .ask(
            Method::GET,
            "/list?list-type=2&start-after=a&max-keys=1",
            &[],
            b"",
        )
        .await;
    assert_eq!(first.element("StartAfter"), "a");
    let token = first.element("NextContinuationToken");
    let path = format!("/list?list-type=2&start-after=a&continuation-token={token}");
    let second = world.ask(Method::GET, &path, &[], b"").await;
    assert_eq!(second.elements("Key"), ["c"]);
    assert!(!second.text().contains("StartAfter"), "{}", second.text());
}
