use proptest::prelude::*;
use serde_json::{Value, json};

use super::{InvalidInput, error_body, read, target, validate};
use crate::error::AwsError;
use crate::model::{Operation, logs, ssm};

fn operation(name: &str) -> &'static Operation {
    ssm().operation(name).unwrap()
}

/// The text of the validation error.
fn refusal(name: &str, input: &Value) -> String {
    match validate(operation(name), input) {
        Err(InvalidInput::Validation { text, .. }) => text,
        other => panic!("{name} {input}: {other:?}"),
    }
}

fn misread(name: &str, input: &Value) -> String {
    match validate(operation(name), input) {
        Err(InvalidInput::Serialization(text)) => text,
        other => panic!("{name} {input}: {other:?}"),
    }
}

#[test]
fn a_broken_constraint_has_the_code_of_its_service() {
    for (service, name, code) in [
        (ssm(), "StartSession", "ValidationException"),
        (logs(), "GetLogEvents", "InvalidParameterException"),
    ] {
        let refused = validate(service.operation(name).unwrap(), &json!({})).unwrap_err();
        assert_eq!(AwsError::from(refused).code(), code);
    }
}

#[test]
fn accepts_what_the_model_allows() {
    for (name, input) in [
        ("StartSession", json!({ "Target": "mi-0123456789abcdef0" })),
        (
            "StartSession",
            json!({ "Target": "mi-1", "DocumentName": "AWS-StartPortForwardingSession",
                    "Reason": "because", "Parameters": { "portNumber": ["80"] }, "Unknown": [1, {}] }),
        ),
        (
            "DescribeSessions",
            json!({ "State": "Active", "Filters": [{ "key": "Target", "value": "mi-1" }] }),
        ),
        (
            "CreateActivation",
            json!({ "IamRole": "Größe", "ExpirationDate": 1_793_000_000.5 }),
        ),
        ("DescribeInstanceInformation", json!({})),
        ("DescribeInstanceInformation", json!({ "NextToken": null })),
    ] {
        assert_eq!(validate(operation(name), &input), Ok(()), "{name} {input}");
    }
}

#[test]
fn a_missing_member_must_not_be_null() {
    let expected = "1 validation error detected: Value null at 'target' failed to satisfy constraint: Member must not be null";
    assert_eq!(refusal("StartSession", &json!({})), expected);
    assert_eq!(refusal("StartSession", &json!({ "Target": null })), expected);
}

#[test]
fn lengths_patterns_enums_and_ranges_read_as_from_aws() {
    assert_eq!(
        refusal("StartSession", &json!({ "Target": "" })),
        "1 validation error detected: Value '' at 'target' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
    let long = "x".repeat(97);
    assert_eq!(
        refusal("TerminateSession", &json!({ "SessionId": long })),
        format!(
            "1 validation error detected: Value '{long}' at 'sessionId' failed to satisfy constraint: \
             Member must have length less than or equal to 96"
        )
    );
    assert_eq!(
        refusal(
            "StartSession",
            &json!({ "Target": "mi-1", "DocumentName": "a b" })
        ),
        "1 validation error detected: Value 'a b' at 'documentName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: ^[a-zA-Z0-9_\\-.:/]{3,128}$"
    );
    assert_eq!(
        refusal("DescribeSessions", &json!({ "State": "Old" })),
        "1 validation error detected: Value 'Old' at 'state' failed to satisfy constraint: \
         Member must satisfy enum value set: [Active, History]"
    );
    assert_eq!(
        refusal(
            "DescribeSessions",
            &json!({ "State": "Active", "MaxResults": 900 })
        ),
        "1 validation error detected: Value '900' at 'maxResults' failed to satisfy constraint: \
         Member must have value less than or equal to 200"
    );
}

#[test]
fn all_errors_are_listed_with_their_paths() {
    assert_eq!(
        refusal(
            "DescribeSessions",
            &json!({ "State": "Active", "MaxResults": 0, "Filters": [{ "key": "Target", "value": "x" }, { "key": "Shoe" }] })
        ),
        "3 validation errors detected: \
         Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1; \
         Value 'Shoe' at 'filters.2.member.key' failed to satisfy constraint: Member must satisfy enum value set: \
         [InvokedAfter, InvokedBefore, Target, Owner, Status, SessionId, AccessType]; \
         Value null at 'filters.2.member.value' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn plain_elements_are_reported_once_for_their_list() {
    let text = refusal(
        "DescribeInstanceInformation",
        &json!({ "Filters": [{ "Key": "Name", "Values": ["", "ok", ""] }] }),
    );
    assert_eq!(
        text,
        "1 validation error detected: Value '[, ok, ]' at 'filters.1.member.values' failed to satisfy \
         constraint: Member must satisfy constraint: [Member must have length greater than or equal to 1]"
    );
}

#[test]
fn wrong_json_types_do_not_reach_validation() {
    assert_eq!(
        misread("StartSession", &json!({ "Target": 7 })),
        "NUMBER_VALUE can not be converted to a String"
    );
    assert_eq!(
        misread(
            "DescribeSessions",
            &json!({ "State": "Active", "MaxResults": "9" })
        ),
        "STRING_VALUE can not be converted to an Integer"
    );
    assert_eq!(
        misread(
            "DescribeSessions",
            &json!({ "State": "Active", "MaxResults": 5_000_000_000_i64 })
        ),
        "NUMBER_VALUE can not be converted to an Integer"
    );
    assert_eq!(
        misread("DescribeSessions", &json!({ "State": "Active", "Filters": {} })),
        "Start of structure or map can not be converted to a list"
    );
    assert_eq!(
        misread("StartSession", &json!([])),
        "Start of list can not be converted to a structure"
    );
    assert!(
        misread(
            "CreateActivation",
            &json!({ "IamRole": "r", "ExpirationDate": "2026-01-01" })
        )
        .contains("epoch")
    );
}

#[test]
fn a_sensitive_value_is_not_repeated() {
    let text = refusal(
        "RegisterManagedInstance",
        &json!({ "ActivationCode": "short-secret", "PublicKey": "k".repeat(392), "Fingerprint": "f" }),
    );
    assert!(text.contains("Value at 'activationCode' failed"), "{text}");
    assert!(!text.contains("short-secret"));
}

#[test]
fn long_values_and_long_lists_of_errors_are_cut() {
    let text = refusal("TerminateSession", &json!({ "SessionId": "é".repeat(1_000_000) }));
    assert!(text.len() < 4096);
    let tags = vec![json!({}); 5000];
    let text = refusal(
        "AddTagsToResource",
        &json!({ "ResourceType": "ManagedInstance", "ResourceId": "x", "Tags": tags }),
    );
    assert!(
        text.starts_with("10001 validation errors detected: "),
        "{}",
        &text[..60]
    );
    assert!(text.len() < 16 * 1024);
}

#[test]
fn bodies_are_parsed_leniently_only_where_aws_is() {
    assert!(read(operation("DescribeInstanceInformation"), b"").is_ok());
    assert!(read(operation("DescribeInstanceInformation"), b" \n").is_ok());
    for broken in [&b"{"[..], b"\xff", b"nope", b"{} {}"] {
        assert!(matches!(
            read(operation("DescribeInstanceInformation"), broken),
            Err(InvalidInput::Serialization(_))
        ));
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(
        read(operation("StartSession"), deep.as_bytes()),
        Err(InvalidInput::Serialization(_))
    ));
}

#[test]
fn targets_split_at_the_last_dot() {
    assert_eq!(
        target("AmazonSSM.StartSession"),
        Some(("AmazonSSM", "StartSession"))
    );
    assert_eq!(
        target("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"),
        Some((
            "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
            "LookupEvents"
        ))
    );
    for bad in ["", "AmazonSSM", ".StartSession", "AmazonSSM."] {
        assert_eq!(target(bad), None, "{bad}");
    }
}

#[test]
fn error_bodies_are_json() {
    let body: Value = serde_json::from_slice(&error_body("X", "a \"quoted\"\nline")).unwrap();
    assert_eq!(body, json!({ "__type": "X", "message": "a \"quoted\"\nline" }));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("Target".to_owned()),
        Just("Filters".to_owned()),
        Just("Tags".to_owned()),
        Just("key".to_owned()),
        Just("Parameters".to_owned()),
        ".{0,5}",
    ];
    leaf.prop_recursive(6, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_panics(input in any_json()) {
        for operation in ssm().operations() {
            let _ = validate(operation, &input);
        }
    }
}
