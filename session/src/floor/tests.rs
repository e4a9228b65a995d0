use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::document::{Content, Strictness};

fn content(kind: &str, inputs: &Value) -> Content {
    let properties = match kind {
        "Port" => json!({"portNumber": "22"}),
        _ => json!({}),
    };
    let text = |default: &str| json!({"type": "String", "default": default});
    let value = json!({
        "schemaVersion": "1.0", "sessionType": kind, "inputs": inputs, "properties": properties,
        "parameters": {"x": text(""), "minutes": text("30")},
    });
    Content::read(&value, Strictness::Strict).expect("valid")
}

fn requiring(requires: &[Requirement]) -> Floor {
    Floor {
        requires: requires.iter().copied().collect(),
        ..Floor::default()
    }
}

/// What a session of a document is told, with a reason and these values.
fn told(floor: &Floor, content: &Content, values: &[(&str, &str)]) -> String {
    let values: BTreeMap<_, _> = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
        .collect();
    let (document, _) = content.resolve(&values).expect("resolves");
    let checked = floor.check(&document, Some("a reason"));
    checked.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
}

#[test]
fn each_rule_names_itself_and_what_it_found() {
    use Requirement as R;
    let shell = "Standard_Stream";
    for (requirement, good, bad, found) in [
        (
            R::Kms,
            json!({"kmsKeyId": "alias/a"}),
            json!({}),
            "rule `kms`: `kmsKeyId` is not set",
        ),
        (
            R::Kms,
            json!({"kmsKeyId": "alias/a"}),
            json!({"kmsKeyId": " "}),
            "rule `kms`: `kmsKeyId` is not set",
        ),
        (
            R::Recording,
            json!({"drawbridge": {"failOpen": "false"}}),
            json!({"drawbridge": {"failOpen": "true"}}),
            "rule `recording`: `drawbridge.failOpen` is true",
        ),
        (
            R::Bucket,
            json!({"s3BucketName": "logs"}),
            json!({"s3KeyPrefix": "x"}),
            "rule `bucket`: `s3BucketName` is not set",
        ),
        (
            R::LogGroup,
            json!({"cloudWatchLogGroupName": "g"}),
            json!({"s3BucketName": "logs"}),
            "rule `log-group`: `cloudWatchLogGroupName` is not set",
        ),
        (
            R::EncryptedLogs,
            json!({"s3BucketName": "logs", "s3EncryptionEnabled": true}),
            json!({"s3BucketName": "logs"}),
            "rule `encrypted-logs`: `s3EncryptionEnabled` is not true",
        ),
        (
            R::EncryptedLogs,
            json!({}),
            json!({"cloudWatchLogGroupName": "g", "s3EncryptionEnabled": true}),
            "rule `encrypted-logs`: `cloudWatchEncryptionEnabled` is not true",
        ),
    ] {
        let floor = requiring(&[requirement]);
        let (good, bad) = (content(shell, &good), content(shell, &bad));
        assert_eq!(floor.check_written(&good), Ok(()), "{requirement}");
        assert_eq!(told(&floor, &good, &[]), "fine");
        let expected = format!("below the session floor: {found}");
        let written = floor.check_written(&bad).expect_err("below");
        assert_eq!(written.to_string(), expected);
        assert_eq!(told(&floor, &bad, &[]), expected);
        assert_eq!(told(&Floor::default(), &bad, &[]), "fine");
    }
}

#[test]
fn limits_must_be_set_and_low_enough() {
    let floor = Floor {
        max_minutes: Some(60),
        idle_minutes: Some(10),
        ..Floor::default()
    };
    let of = |inputs: Value| content("Standard_Stream", &inputs);
    let both = "below the session floor: rule `max-duration`: `maxSessionDuration` is not set, at most 60 minutes are \
                allowed; rule `idle-timeout`: `idleSessionTimeout` is 11, at most 10 minutes are allowed";
    let below = of(json!({"idleSessionTimeout": "11"}));
    assert_eq!(told(&floor, &below, &[]), both);
    assert_eq!(floor.check_written(&below).expect_err("below").to_string(), both);
    let within = of(json!({"idleSessionTimeout": "10", "maxSessionDuration": 60}));
    assert_eq!(told(&floor, &within, &[]), "fine");

    let (mut document, _) = below.resolve(&BTreeMap::new()).expect("resolves");
    floor.shorten(&mut document);
    assert_eq!(
        (document.inputs.longest_minutes(), document.inputs.idle_minutes()),
        (Some(60), Some(10))
    );
    assert_eq!(floor.check(&document, None), Ok(()));
    let (mut shorter, _) = of(json!({"idleSessionTimeout": "2", "maxSessionDuration": "3"}))
        .resolve(&BTreeMap::new())
        .expect("resolves");
    let before = shorter.clone();
    floor.shorten(&mut shorter);
    assert_eq!(shorter, before);
}

#[test]
fn a_parameter_gets_round_no_rule() {
    let floor = Floor {
        max_minutes: Some(60),
        ..requiring(&[Requirement::Kms])
    };
    let open = content(
        "Standard_Stream",
        &json!({"kmsKeyId": "{{ x }}", "maxSessionDuration": "{{ minutes }}"}),
    );
    assert_eq!(floor.check_written(&open), Ok(()), "the values are to come");
    assert_eq!(told(&floor, &open, &[("x", "alias/a")]), "fine");
    let unset = "below the session floor: rule `kms`: `kmsKeyId` is not set";
    assert_eq!(told(&floor, &open, &[]), unset);
    let long = "below the session floor: rule `max-duration`: `maxSessionDuration` is 61, at most 60 minutes are allowed";
    assert_eq!(told(&floor, &open, &[("x", "a"), ("minutes", "61")]), long);

    let floor = requiring(&[Requirement::Recording, Requirement::EncryptedLogs]);
    let flags = content(
        "Standard_Stream",
        &json!({"drawbridge": {"failOpen": "{{ x }}"}, "s3BucketName": "b", "s3EncryptionEnabled": "{{ x }}"}),
    );
    let recording = told(&floor, &flags, &[("x", "true")]);
    assert_eq!(
        recording,
        "below the session floor: rule `recording`: `drawbridge.failOpen` is true"
    );
    let plain = told(&floor, &flags, &[("x", "false")]);
    assert_eq!(
        plain,
        "below the session floor: rule `encrypted-logs`: `s3EncryptionEnabled` is not true"
    );
}

#[test]
fn what_the_node_would_fill_in_does_not_count() {
    let floor = requiring(&[Requirement::LogGroup]);
    let open = content(
        "Standard_Stream",
        &json!({"cloudWatchLogGroupName": "x{{ssm:group}}"}),
    );
    let expected = "below the session floor: rule `log-group`: `cloudWatchLogGroupName` is left to the node";
    assert_eq!(told(&floor, &open, &[]), expected);
    assert_eq!(
        floor.check_written(&open).expect_err("below").to_string(),
        expected
    );
}

#[test]
fn tunnels_are_refused_with_what_they_cannot_have_unless_they_are_allowed() {
    let tunnel = content("Port", &json!({}));
    let refused = "below the session floor: rule `no-port`: a tunnel is neither encrypted nor recorded";
    for requirement in Requirement::ALL {
        let asked = requiring(&[requirement]);
        let closes = !matches!(requirement, Requirement::EncryptedLogs | Requirement::Reason);
        let expected = if closes { refused } else { "fine" };
        assert_eq!(
            told(&asked.clone().refusing_tunnels(), &tunnel, &[]),
            expected,
            "{requirement}"
        );
        let allowed = if requirement == Requirement::NoPort {
            refused
        } else {
            "fine"
        };
        assert_eq!(told(&asked, &tunnel, &[]), allowed, "{requirement}");
    }
}

#[test]
fn a_blank_reason_is_none() {
    let floor = requiring(&[Requirement::Reason]);
    let document = SessionDocument::default_shell();
    for reason in [None, Some(""), Some(" \t\n")] {
        let error = floor.check(&document, reason).expect_err("below");
        assert_eq!(
            error.to_string(),
            "below the session floor: rule `reason`: no reason was given"
        );
    }
    assert_eq!(floor.check(&document, Some("ticket 7")), Ok(()));
    assert_eq!(
        floor.check_written(&content("Standard_Stream", &json!({}))),
        Ok(())
    );
}

#[test]
fn a_stored_floor_that_is_not_understood_is_no_floor_without_rules() {
    let floor = Floor {
        max_minutes: Some(480),
        ..requiring(&[Requirement::Kms, Requirement::NoPort])
    };
    let text = serde_json::to_string(&floor).expect("plain");
    assert_eq!(text, r#"{"requires":["kms","no-port"],"maxMinutes":480}"#);
    assert_eq!(serde_json::from_str::<Floor>(&text).expect("read"), floor);
    for wrong in [
        r#"{"requires":["later"]}"#,
        r#"{"laterRule":1}"#,
        "",
        r#"{"maxMinutes":-1}"#,
    ] {
        assert!(serde_json::from_str::<Floor>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    for requirement in Requirement::ALL {
        assert_eq!(requirement.as_str().parse(), Ok(requirement));
        assert_eq!(json!(requirement), requirement.as_str());
    }
    let error = "KMS".parse::<Requirement>().expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "`KMS` is not a requirement: kms, recording, bucket, log-group, encrypted-logs, reason, no-port"
    );
}

fn floors() -> impl Strategy<Value = Floor> {
    let requires = proptest::collection::btree_set(proptest::sample::select(&Requirement::ALL[..]), 0..5);
    (
        requires,
        proptest::option::of(1..=4_u16),
        proptest::option::of(1..=4_u16),
    )
        .prop_map(|(requires, max_minutes, idle_minutes)| Floor {
            requires,
            max_minutes,
            idle_minutes,
        })
}

/// Documents that keep some rules and break others.
fn documents() -> impl Strategy<Value = SessionDocument> {
    let kinds = proptest::sample::select(vec!["Standard_Stream", "Port"]);
    let minutes = || proptest::sample::select(vec!["", "1", "2", "3", "4", "5"]);
    let flags = any::<[bool; 6]>();
    (kinds, minutes(), minutes(), flags).prop_map(|(kind, longest, idle, flags)| {
        let text = |at: usize| if flags[at] { "x" } else { "" };
        let inputs = json!({
            "kmsKeyId": text(0), "s3BucketName": text(1), "cloudWatchLogGroupName": text(2),
            "s3EncryptionEnabled": flags[3], "cloudWatchEncryptionEnabled": flags[4],
            "drawbridge": {"failOpen": flags[5]}, "maxSessionDuration": longest, "idleSessionTimeout": idle,
        });
        let resolved = content(kind, &inputs).resolve(&BTreeMap::new());
        resolved.expect("resolves").0
    })
}

proptest! {
    #[test]
    fn the_stricter_of_two_is_passed_by_what_passes_both(
        one in floors(), other in floors(), document in documents(), reason in proptest::option::of("[ x]")
    ) {
        let reason = reason.as_deref();
        let passes = |floor: &Floor| floor.check(&document, reason).is_ok();
        prop_assert_eq!(passes(&one.stricter(&other)), passes(&one) && passes(&other));
    }

    #[test]
    fn strictness_neither_minds_order_nor_repetition(one in floors(), other in floors(), third in floors()) {
        prop_assert_eq!(one.stricter(&one), one.clone());
        prop_assert_eq!(one.stricter(&other), other.stricter(&one));
        prop_assert_eq!(one.stricter(&other).stricter(&third), one.stricter(&other.stricter(&third)));
        prop_assert_eq!(one.stricter(&Floor::default()), one.clone());
        let both = one.stricter(&other);
        prop_assert_eq!(both.stricter(&one), both, "asking again for less changes nothing");
    }

    #[test]
    fn tunnels_are_judged_alike_before_and_after_floors_are_joined(one in floors(), other in floors()) {
        let (one, other) = (one.refusing_tunnels(), other.refusing_tunnels());
        let both = one.stricter(&other);
        prop_assert_eq!(both.clone().refusing_tunnels(), both);
    }
}
