//! The stored form, frozen: a server must be able to read what an older one wrote.

use super::super::{Directory, Entity, RestoreFault};
use super::account;

const ROOT: &str = r#"{"kind":"root"}"#;
const GROUP: &str = r#"{"kind":"group","name":"Dev","path":"/","id":"AGPAAAAAAAAAAAAAAAAAA","created_at":"2026-01-02T03:04:05Z","policies":{"attached":["arn:aws:iam::123456789012:policy/x/Own"]}}"#;
const USER: &str = r#"{"kind":"user","name":"Alice","path":"/people/","id":"AIDAAAAAAAAAAAAAAAAAA","created_at":"2026-01-02T03:04:05Z","tags":[{"Key":"Team","Value":"blue"}],"boundary":"arn:aws:iam::aws:policy/PowerUserAccess","groups":["AGPAAAAAAAAAAAAAAAAAA"],"policies":{"inline":{"Own":"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}"}},"access_keys":[{"id":"AKIAAAAAAAAAAAAAAAAA","sealed_secret":"0102ff","active":true,"created_at":"2026-01-02T03:04:05Z"}],"login":{"password_hash":"$argon2id$","created_at":"2026-01-02T03:04:05Z","reset_required":false}}"#;
const ROLE: &str = r#"{"kind":"role","name":"Web","path":"/","id":"AROAAAAAAAAAAAAAAAAAA","created_at":"2026-01-02T03:04:05Z","description":"serves","max_session_duration_s":3600,"trust":"{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}}"}"#;
const POLICY: &str = r#"{"kind":"policy","arn":"arn:aws:iam::123456789012:policy/x/Own","id":"ANPAAAAAAAAAAAAAAAAAA","default":{"id":"v2","document":"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}","created_at":"2026-01-02T03:04:05Z"},"others":[{"id":"v1","document":"{\"Statement\":{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}}","created_at":"2026-01-02T03:04:05Z"}],"next_version":"v3","created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z"}"#;
const PROFILE: &str = r#"{"kind":"instance-profile","name":"Web","path":"/","id":"AIPAAAAAAAAAAAAAAAAAA","created_at":"2026-01-02T03:04:05Z","role":"AROAAAAAAAAAAAAAAAAAA"}"#;

fn read(texts: &[&str]) -> Vec<Entity> {
    let read = |text: &&str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    texts.iter().map(read).collect()
}

#[test]
fn reads_and_writes_the_same_text() {
    let texts = [ROOT, USER, GROUP, ROLE, POLICY, PROFILE];
    let directory = Directory::restore(&account(), read(&texts)).expect("fits");
    let written: Vec<_> = directory
        .entities()
        .map(|entity| serde_json::to_string(&entity).expect("serializes"))
        .collect();
    assert_eq!(written, texts);
    let mut reversed = read(&texts);
    reversed.reverse();
    assert_eq!(
        Directory::restore(&account(), reversed).expect("any order"),
        directory
    );
}

#[test]
fn shows_no_secret() {
    let shown = format!("{:?}", read(&[USER]));
    assert!(
        !shown.contains("argon2id") && !shown.contains("0102ff"),
        "{shown}"
    );
    assert!(shown.contains("SealedSecret(3 bytes)"), "{shown}");
}

#[test]
fn refuses_what_is_no_entity() {
    for (text, place) in [
        (ROLE, "sts:AssumeRole"),
        (USER, "\\\"Effect\\\":\\\"Allow\\\""),
        (USER, "AIDA"),
        (USER, "/people/"),
        (USER, "arn:aws:iam::aws:policy"),
        (USER, "0102ff"),
        (POLICY, "v2"),
        (POLICY, "\"kind\":\"policy\""),
    ] {
        assert!(text.contains(place), "{place}");
        assert!(
            serde_json::from_str::<Entity>(&text.replacen(place, "?", 1)).is_err(),
            "{place}"
        );
    }
}

#[test]
fn refuses_entities_that_do_not_fit_together() {
    let fault = |texts: &[&str]| {
        let error = Directory::restore(&account(), read(texts)).expect_err("does not fit");
        assert_eq!(error.account, account());
        error.source
    };
    let other = |text: &str, from: &str, to: &str| text.replace(from, to);
    assert_eq!(
        fault(&[PROFILE]).to_string(),
        "there is no role `AROAAAAAAAAAAAAAAAAAA`"
    );
    assert_eq!(
        fault(&[USER]).to_string(),
        "there is no group `AGPAAAAAAAAAAAAAAAAAA`"
    );
    assert_eq!(
        fault(&[GROUP]),
        RestoreFault::NoPolicy("arn:aws:iam::123456789012:policy/x/Own".to_owned())
    );
    let foreign = other(POLICY, "123456789012", "210987654321");
    assert!(matches!(fault(&[&foreign]), RestoreFault::OtherAccount(_)));
    assert!(matches!(fault(&[ROLE, ROLE]), RestoreFault::IdTwice(_)));
    let namesake = other(&other(ROLE, "AROAAAAAAAA", "AROABBBBBBB"), "\"Web\"", "\"WEB\"");
    assert_eq!(fault(&[ROLE, &namesake]), RestoreFault::NameTwice);
    let thief = other(&other(USER, "AIDAAAAAAAA", "AIDABBBBBBB"), "Alice", "Mallory");
    assert!(matches!(
        fault(&[GROUP, POLICY, USER, &thief]),
        RestoreFault::AccessKeyTwice(_)
    ));
    let error = Directory::restore(&account(), read(&[PROFILE])).expect_err("does not fit");
    assert_eq!(
        error.to_string(),
        "cannot restore the instance-profile `web` of account 123456789012"
    );
}
