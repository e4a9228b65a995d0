use drawbridge_store::Content;
use s3s::dto::{self, AbortIncompleteMultipartUpload, LifecycleRuleAndOperator};

use super::*;

const NOW: &str = "2026-03-10T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn rule() -> LifecycleRule {
    LifecycleRule {
        abort_incomplete_multipart_upload: None,
        expiration: None,
        filter: None,
        id: None,
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
        transitions: None,
    }
}

fn after(days: i32) -> Option<LifecycleExpiration> {
    Some(LifecycleExpiration {
        days: Some(days),
        ..LifecycleExpiration::default()
    })
}

fn read(rules: Vec<LifecycleRule>) -> Result<Vec<Rule>, String> {
    Rule::all(&BucketLifecycleConfiguration { rules }).map_err(|error| error.code().to_owned())
}

fn version(key: &str, number: i64, modified_at: &str, size: Option<u64>) -> ObjectVersion {
    ObjectVersion {
        key: key.to_owned(),
        number,
        version: format!("{key}{number}"),
        latest: false,
        modified_at: at(modified_at),
        content: size.map(|size| Content {
            size,
            ..Content::default()
        }),
        tags: Vec::new(),
        retention: None,
        held: None,
    }
}

/// What goes of these versions, as `key number` and how.
fn going(rules: Vec<LifecycleRule>, versions: Vec<ObjectVersion>) -> Vec<(String, Removal)> {
    let rules = read(rules).expect("valid");
    let mut walk = Walk::new(&rules, at(NOW));
    let mut going: Vec<_> = versions.into_iter().flat_map(|it| walk.next(it)).collect();
    going.extend(walk.finish());
    going.into_iter().map(|(it, how)| (it.version, how)).collect()
}

#[test]
fn a_day_ends_at_the_midnight_after() {
    for (made, days, past) in [
        ("2026-03-09T00:00:00Z", 1, true),
        ("2026-03-09T00:00:01Z", 1, false),
        ("2026-03-08T00:00:01Z", 1, true),
        ("2026-03-08T23:59:59Z", 1, true),
        ("2026-03-01T12:00:00Z", 9, false),
        ("2026-03-01T12:00:00Z", 8, true),
        ("2026-03-01T12:00:00Z", u32::MAX, false),
    ] {
        assert_eq!(is_past(at(made), days, at(NOW)), past, "{made} {days}");
    }
}

#[test]
fn the_newest_version_expires_and_older_ones_are_forgotten() {
    let expiring = LifecycleRule {
        expiration: after(3),
        ..rule()
    };
    let forgetting = LifecycleRule {
        noncurrent_version_expiration: Some(NoncurrentVersionExpiration {
            newer_noncurrent_versions: Some(1),
            noncurrent_days: Some(2),
        }),
        ..rule()
    };
    let versions = vec![
        version("a", 4, "2026-03-01T00:00:00Z", Some(1)),
        version("a", 3, "2026-02-01T00:00:00Z", Some(1)),
        version("a", 2, "2026-01-01T00:00:00Z", Some(1)),
        version("b", 2, "2026-03-09T00:00:00Z", Some(1)),
        version("b", 1, "2026-01-01T00:00:00Z", Some(1)),
        version("c", 1, "2026-03-01T00:00:00Z", Some(1)),
    ];
    let gone = going(vec![expiring.clone()], versions.clone());
    assert_eq!(
        gone,
        [
            ("a4".to_owned(), Removal::Expire),
            ("c1".to_owned(), Removal::Expire)
        ]
    );
    let gone = going(vec![forgetting], versions.clone());
    assert_eq!(gone, [("a2".to_owned(), Removal::Version)]);
    let disabled = LifecycleRule {
        status: ExpirationStatus::from_static(ExpirationStatus::DISABLED),
        ..expiring
    };
    assert_eq!(going(vec![disabled], versions), []);
}

#[test]
fn a_marker_goes_when_nothing_is_behind_it() {
    let markers = LifecycleRule {
        expiration: Some(LifecycleExpiration {
            expired_object_delete_marker: Some(true),
            ..LifecycleExpiration::default()
        }),
        ..rule()
    };
    let old = LifecycleRule {
        expiration: after(3),
        ..rule()
    };
    let versions = vec![
        version("a", 2, "2026-01-01T00:00:00Z", None),
        version("a", 1, "2026-01-01T00:00:00Z", Some(1)),
        version("b", 1, "2026-01-01T00:00:00Z", None),
        version("c", 1, "2026-03-09T00:00:00Z", None),
    ];
    let gone = going(vec![markers], versions.clone());
    assert_eq!(
        gone,
        [
            ("b1".to_owned(), Removal::Version),
            ("c1".to_owned(), Removal::Version)
        ]
    );
    assert_eq!(going(vec![old], versions), [("b1".to_owned(), Removal::Version)]);
}

#[test]
fn a_filter_takes_what_it_names_and_nothing_else() {
    let filtered = |filter: LifecycleRuleFilter| LifecycleRule {
        expiration: after(1),
        filter: Some(filter),
        ..rule()
    };
    let tagged = || {
        let mut tagged = version("logs/t", 1, "2026-01-01T00:00:00Z", Some(100));
        tagged.tags = vec![Tag::new("keep", "no"), Tag::new("x", "y")];
        tagged
    };
    let versions = || {
        vec![
            version("logs/a", 1, "2026-01-01T00:00:00Z", Some(10)),
            tagged(),
            version("other", 1, "2026-01-01T00:00:00Z", Some(1000)),
            version("z", 1, "2026-01-01T00:00:00Z", None),
        ]
    };
    let tag = dto::Tag {
        key: Some("keep".to_owned()),
        value: Some("no".to_owned()),
    };
    let names = |filter| {
        going(vec![filtered(filter)], versions())
            .into_iter()
            .map(|it| it.0)
            .collect::<Vec<_>>()
    };
    let none = LifecycleRuleFilter::default;
    assert_eq!(names(none()), ["logs/a1", "logs/t1", "other1", "z1"]);
    assert_eq!(
        names(LifecycleRuleFilter {
            prefix: Some("logs/".to_owned()),
            ..none()
        }),
        ["logs/a1", "logs/t1"]
    );
    assert_eq!(
        names(LifecycleRuleFilter {
            tag: Some(tag.clone()),
            ..none()
        }),
        ["logs/t1"]
    );
    assert_eq!(
        names(LifecycleRuleFilter {
            object_size_greater_than: Some(100),
            ..none()
        }),
        ["other1"]
    );
    assert_eq!(
        names(LifecycleRuleFilter {
            object_size_less_than: Some(100),
            ..none()
        }),
        ["logs/a1"]
    );
    let and = LifecycleRuleAndOperator {
        prefix: Some("logs/".to_owned()),
        tags: Some(vec![tag]),
        object_size_greater_than: Some(1),
        ..LifecycleRuleAndOperator::default()
    };
    assert_eq!(
        names(LifecycleRuleFilter {
            and: Some(and),
            ..none()
        }),
        ["logs/t1"]
    );
}

#[test]
fn an_upload_is_aborted_after_its_days() {
    let aborting = LifecycleRule {
        abort_incomplete_multipart_upload: Some(AbortIncompleteMultipartUpload {
            days_after_initiation: Some(2),
        }),
        prefix: Some("logs/".to_owned()),
        ..rule()
    };
    let rules = read(vec![aborting]).expect("valid");
    let upload = |key: &str, initiated_at: &str| Upload {
        key: key.to_owned(),
        id: "u".to_owned(),
        initiated_at: at(initiated_at),
        initiator: String::new(),
        object: drawbridge_store::UploadedObject::default(),
    };
    assert!(rules[0].aborts(&upload("logs/a", "2026-03-08T00:00:00Z"), at(NOW)));
    assert!(!rules[0].aborts(&upload("logs/a", "2026-03-08T00:00:01Z"), at(NOW)));
    assert!(!rules[0].aborts(&upload("other", "2026-03-01T00:00:00Z"), at(NOW)));
}

#[test]
fn a_rule_that_means_nothing_is_refused() {
    let expiring = |days| LifecycleRule {
        expiration: after(days),
        ..rule()
    };
    let named = |id: &str| LifecycleRule {
        id: Some(id.to_owned()),
        ..expiring(1)
    };
    assert!(read(vec![named("a"), named("b")]).is_ok());
    for (rules, code) in [
        (vec![], "MalformedXML"),
        (vec![rule()], "InvalidArgument"),
        (vec![expiring(0)], "InvalidArgument"),
        (vec![expiring(-1)], "InvalidArgument"),
        (vec![named("a"), named("a")], "InvalidArgument"),
        (vec![named(&"a".repeat(256))], "InvalidArgument"),
        (
            vec![LifecycleRule {
                status: ExpirationStatus::from_static("enabled"),
                ..expiring(1)
            }],
            "MalformedXML",
        ),
        (
            vec![LifecycleRule {
                expiration: Some(LifecycleExpiration {
                    days: Some(1),
                    expired_object_delete_marker: Some(true),
                    ..LifecycleExpiration::default()
                }),
                ..rule()
            }],
            "MalformedXML",
        ),
        (
            vec![LifecycleRule {
                filter: Some(LifecycleRuleFilter::default()),
                prefix: Some("a".to_owned()),
                ..expiring(1)
            }],
            "MalformedXML",
        ),
    ] {
        assert_eq!(read(rules), Err(code.to_owned()));
    }
}
