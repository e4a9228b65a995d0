use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::caller::SessionGrant;
use crate::ids::AccessKeyId;
use crate::policy::{Resource, StatementName};
use crate::{
    AccountId, Audit, Caller, EntityName, NodeId, Operation, Principal, Region, SeededRandom, SignedWith,
};

type Start = Operation<(), ()>;

fn operation(action: &'static str, audit: Audit) -> Start {
    Operation {
        name: "StartSession",
        action,
        signed_with: SignedWith::AccessKey,
        needs: |_, _| Resource::any().into(),
        audit,
        handler: |_, _| Box::pin(async { Err(()) }),
    }
}

fn write() -> Audited {
    operation("ssm:StartSession", Audit::WRITE.hiding(&["Secret"]))
        .audited()
        .expect("audited")
}

fn account() -> AccountId {
    AccountId::parse("123456789012").expect("valid")
}

fn alice() -> Principal {
    Principal::User {
        account: account(),
        user: EntityName::at("/ops/", "alice", "AIDAALICE"),
    }
}

fn caller(principal: Principal) -> Caller {
    Caller {
        principal,
        signed_with: SignedWith::AccessKey,
        access_key_id: AccessKeyId::parse("AKIAEXAMPLE0000000").ok(),
        grant: None,
        account: account(),
        region: Region::parse("us-east-1").expect("valid"),
        source_ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        user_agent: "aws-cli/2.0.0".into(),
        request_id: Uuid::nil(),
        host: "bridge.example".into(),
        received_at: at(),
    }
}

fn at() -> Timestamp {
    Timestamp::from_millisecond(1_767_323_045_250).expect("valid")
}

fn intent(caller: &Caller, operation: Audited, input: &Value) -> Intent {
    Intent::of(caller, operation, input, at(), &SeededRandom::new(1))
}

fn parsed(event: &AuditEvent) -> Value {
    serde_json::from_str(&event.to_json()).expect("JSON")
}

/// The identity that an event shows, and the name that it is found by.
fn identity(caller: &Caller) -> (Value, Option<String>) {
    let event = intent(caller, write(), &json!({})).answered(&json!({}), None);
    let name = event.user_name().map(str::to_owned);
    (parsed(&event)["userIdentity"].clone(), name)
}

fn granted(principal: Principal) -> Caller {
    let grant = SessionGrant {
        source_identity: Some("alice@example".into()),
        ..SessionGrant::plain(at())
    };
    Caller {
        access_key_id: AccessKeyId::parse("ASIAEXAMPLE0000000").ok(),
        grant: Some(Arc::new(grant)),
        ..caller(principal)
    }
}

#[test]
fn only_operations_without_a_region_are_global() {
    let is_global = |action| {
        operation(action, Audit::WRITE)
            .audited()
            .expect("audited")
            .is_global()
    };
    for action in [
        "iam:CreateUser",
        "sts:AssumeRole",
        "organizations:ListAccounts",
        "drawbridge:CreateAccount",
        "drawbridge:ListAccounts",
    ] {
        assert!(is_global(action), "{action}");
    }
    for action in [
        "ssm:StartSession",
        "ec2:CreateTags",
        "cloudtrail:LookupEvents",
        "drawbridge:RemoveNode",
    ] {
        assert!(!is_global(action), "{action}");
    }
}

#[test]
fn an_event_is_moved_to_another_region() {
    let moved =
        intent(&caller(alice()), write(), &json!({})).in_region(Region::parse("eu-west-1").expect("valid"));
    let event = moved.failed("AccessDenied", "no", None);
    assert_eq!(parsed(&event)["awsRegion"], "eu-west-1");
    assert_eq!(event.region().as_str(), "eu-west-1");
}

#[test]
fn keeps_what_credentials_are_recognized_by_and_not_what_they_open() {
    let assume = operation(
        "sts:AssumeRole",
        Audit::READ.with_answer().hiding(&["SecretAccessKey"]),
    );
    let assume = assume.audited().expect("audited");
    assert!(!assume.is_write());
    let output = json!({"Credentials": {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "s3cret"}});
    let event = intent(&caller(alice()), assume, &json!({})).answered(&output, None);
    assert_eq!(
        parsed(&event)["responseElements"],
        json!({"credentials": {"accessKeyId": "ASIAEXAMPLE", "secretAccessKey": "Value hidden due to security reasons."}})
    );
    assert!(event.is_read_only());
}

#[test]
fn writes_the_codes_of_ec2_with_whose_fault_it_was() {
    let tag = operation("ec2:CreateTags", Audit::WRITE)
        .audited()
        .expect("audited");
    for (code, written) in [
        ("UnauthorizedOperation", "Client.UnauthorizedOperation"),
        ("InternalError", "Server.InternalError"),
    ] {
        let event = intent(&caller(alice()), tag, &json!({})).failed(code, "no", None);
        assert_eq!(event.error_code(), Some(written));
    }
}

#[test]
fn writes_a_session_start_as_cloudtrail_does() {
    let statement = StatementName {
        policy: "SSMDevAccess".into(),
        index: 0,
        sid: Some("Allow".into()),
    };
    let caller = caller(alice());
    let node = Resource::node(&caller.region, &caller.account, "mi-0a1b2c3d4e5f67890");
    let input = json!({"Target": "mi-0a1b2c3d4e5f67890", "DocumentName": "SSM-sudo", "Secret": "s3cret"});
    let output = json!({"SessionId": "alice-0123", "TokenValue": "s3cret", "StreamUrl": "wss://bridge"});
    let event = intent(&caller, write(), &input)
        .touching([&node, &node, &Resource::any()])
        .answered(&output, Some(&statement));
    let expected = json!({
        "eventVersion": "1.08",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAALICE",
            "arn": "arn:aws:iam::123456789012:user/ops/alice",
            "accountId": "123456789012",
            "accessKeyId": "AKIAEXAMPLE0000000",
            "userName": "alice",
        },
        "eventTime": "2026-01-02T03:04:05Z",
        "eventSource": "ssm.amazonaws.com",
        "eventName": "StartSession",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2.0.0",
        "requestParameters": {
            "target": "mi-0a1b2c3d4e5f67890",
            "documentName": "SSM-sudo",
            "secret": "Value hidden due to security reasons.",
        },
        "responseElements": {
            "sessionId": "alice-0123",
            "tokenValue": "Value hidden due to security reasons.",
            "streamUrl": "wss://bridge",
        },
        "additionalEventData": {"decidedBy": "SSMDevAccess/Allow"},
        "requestID": "00000000-0000-0000-0000-000000000000",
        "eventID": event.id(),
        "readOnly": false,
        "resources": [{
            "ARN": "arn:aws:ssm:us-east-1:123456789012:managed-instance/mi-0a1b2c3d4e5f67890",
            "accountId": "123456789012",
            "type": "AWS::SSM::ManagedNode",
        }],
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "123456789012",
        "eventCategory": "Management",
    });
    assert_eq!(parsed(&event), expected);
    assert_eq!(event.resources()[0].name(), "mi-0a1b2c3d4e5f67890");
    assert_eq!(event.id().get_version_num(), 7);
}

#[test]
fn writes_a_refusal_with_its_error_and_no_answer() {
    let event = intent(&caller(alice()), write(), &json!({"Target": "x"})).failed(
        "AccessDeniedException",
        "User: … is not authorized",
        None,
    );
    let event = parsed(&event);
    assert_eq!(event["errorCode"], "AccessDenied");
    assert_eq!(event["errorMessage"], "User: … is not authorized");
    assert_eq!(event["responseElements"], Value::Null);
    assert!(event.get("additionalEventData").is_none());
}

#[test]
fn keeps_no_answer_of_a_read_and_nothing_of_a_poll() {
    let read = operation("ssm:DescribeSessions", Audit::READ)
        .audited()
        .expect("audited");
    let event = intent(&caller(alice()), read, &json!({})).answered(&json!({"Sessions": [1]}), None);
    assert!(event.is_read_only());
    let event = parsed(&event);
    assert_eq!(
        (&event["requestParameters"], &event["responseElements"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(operation("ec2messages:GetMessages", Audit::OFF).audited(), None);
}

#[test]
fn our_own_operations_are_from_ourselves() {
    let ours = operation("drawbridge:AttachSession", Audit::WRITE)
        .audited()
        .expect("audited");
    let event = intent(&caller(alice()), ours, &json!({})).answered(&json!({}), None);
    assert_eq!(event.source(), "drawbridge");
}

#[test]
fn names_the_root() {
    let expected = json!({
        "type": "Root", "principalId": "123456789012", "arn": "arn:aws:iam::123456789012:root",
        "accountId": "123456789012", "accessKeyId": "AKIAEXAMPLE0000000",
    });
    let root = caller(Principal::Root { account: account() });
    assert_eq!(identity(&root), (expected, Some("root".into())));
}

#[test]
fn names_a_user_with_temporary_credentials() {
    let expected = json!({
        "type": "IAMUser", "principalId": "AIDAALICE", "arn": "arn:aws:iam::123456789012:user/ops/alice",
        "accountId": "123456789012", "accessKeyId": "ASIAEXAMPLE0000000", "userName": "alice",
        "sessionContext": {
            "attributes": {"creationDate": "2026-01-02T03:04:05Z", "mfaAuthenticated": "false"},
            "sourceIdentity": "alice@example",
        },
    });
    assert_eq!(identity(&granted(alice())), (expected, Some("alice".into())));
}

#[test]
fn names_a_role_with_its_issuer_and_session() {
    let role = Principal::AssumedRole {
        account: account(),
        role: EntityName::at("/team/", "Ops", "AROAOPS"),
        session_name: "bob@x".into(),
    };
    let expected = json!({
        "type": "AssumedRole", "principalId": "AROAOPS:bob@x",
        "arn": "arn:aws:sts::123456789012:assumed-role/Ops/bob@x",
        "accountId": "123456789012", "accessKeyId": "ASIAEXAMPLE0000000",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role", "principalId": "AROAOPS", "arn": "arn:aws:iam::123456789012:role/team/Ops",
                "accountId": "123456789012", "userName": "Ops",
            },
            "attributes": {"creationDate": "2026-01-02T03:04:05Z", "mfaAuthenticated": "false"},
            "sourceIdentity": "alice@example",
        },
    });
    assert_eq!(identity(&granted(role)), (expected, Some("bob@x".into())));
}

#[test]
fn names_a_node_as_the_session_of_its_role() {
    let node = Caller {
        access_key_id: None,
        signed_with: SignedWith::NodeKey,
        ..caller(Principal::Node {
            account: account(),
            role: EntityName::new("NodeRole", "AROANODE"),
            node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
        })
    };
    let expected = json!({
        "type": "AssumedRole", "principalId": "AROANODE:mi-0a1b2c3d4e5f67890",
        "arn": "arn:aws:sts::123456789012:assumed-role/NodeRole/mi-0a1b2c3d4e5f67890",
        "accountId": "123456789012",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role", "principalId": "AROANODE", "arn": "arn:aws:iam::123456789012:role/NodeRole",
                "accountId": "123456789012", "userName": "NodeRole",
            },
            "attributes": {"mfaAuthenticated": "false"},
        },
    });
    assert_eq!(identity(&node), (expected, Some("mi-0a1b2c3d4e5f67890".into())));
}

#[test]
fn names_nobody_and_keeps_little_of_what_they_send() {
    let nobody = Caller {
        access_key_id: None,
        signed_with: SignedWith::Nothing,
        ..caller(Principal::Anonymous { account: account() })
    };
    let expected = json!({"type": "AWSAccount", "accountId": "ANONYMOUS_PRINCIPAL"});
    assert_eq!(identity(&nobody), (expected, None));

    let input = json!({"Names": vec!["x".repeat(1000); 90]});
    let length = |caller: &Caller| intent(caller, write(), &input).to_json().len();
    assert!(length(&caller(alice())) > 90_000);
    assert!(length(&nobody) < 2_000);
}

#[test]
fn an_intent_becomes_an_event_without_its_outcome() {
    let intent = intent(&caller(alice()), write(), &json!({"Target": "x"}));
    let event = AuditEvent::interrupted(&intent.to_json()).expect("an intent");
    assert_eq!(event.id(), intent.event_id());
    assert_eq!(event.error_code(), Some("Interrupted"));
    assert_eq!(parsed(&event)["requestParameters"], json!({"target": "x"}));
    assert!(AuditEvent::interrupted("{}").is_err());
}

#[test]
fn finds_resources_by_what_people_call_them() {
    let account = account();
    let region = Region::parse("us-east-1").expect("valid");
    let policy = "arn:aws:iam::123456789012:policy/ops/Dev";
    for (resource, kind, name) in [
        (
            Resource::node(&region, &account, "i-12345678"),
            Some("AWS::EC2::Instance"),
            "i-12345678",
        ),
        (
            Resource::document(&region, &account, "SSM-sudo"),
            Some("AWS::SSM::Document"),
            "SSM-sudo",
        ),
        (
            Resource::session(&region, &account, "alice-1"),
            Some("AWS::SSM::Session"),
            "alice-1",
        ),
        (
            Resource::role(&account, "Ops").found_at("arn:aws:iam::1:role/a/Ops"),
            Some("AWS::IAM::Role"),
            "Ops",
        ),
        (Resource::policy(policy), Some("AWS::IAM::Policy"), policy),
        (
            Resource::at("arn:aws:logs:us-east-1:123456789012:log-group:/ssm/web:log-stream:alice-1"),
            Some("AWS::Logs::LogGroup"),
            "/ssm/web",
        ),
        (
            Resource::plain("arn:aws:kms:::key/1"),
            None,
            "arn:aws:kms:::key/1",
        ),
    ] {
        let event = intent(&caller(alice()), write(), &json!({}))
            .touching([&resource])
            .answered(&json!({}), None);
        let touched = &event.resources()[0];
        assert_eq!((touched.kind(), touched.name()), (kind, name));
    }
}

/// Text as people and attackers write it: line ends, escapes of terminals, quotes.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a\\n\\r\\x1b\\x07\\[\"\\\\\u{85}\u{9b}\u{2028}\u{202e}]{0,40}",
    ]
}

/// Structures with some hidden members, and the secrets in them.
fn input() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name(), inner, 0..6)
                .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
        ]
    })
    .prop_map(|value| json!({ "Input": value }))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => text(),
        2 => prop::sample::select(vec!["Name", "name", "Parameters", "Tags", "Credentials"]).prop_map(str::to_owned),
        2 => prop::sample::select(HIDDEN).prop_map(str::to_owned),
    ]
}

const HIDDEN: &[&str] = &[
    "Secret",
    "secret",
    "TokenValue",
    "tokenValue",
    "SECRETACCESSKEY",
    "Password",
];

/// Marks every text below a hidden member, and no other.
fn mark_secrets(value: &mut Value, hidden: bool) {
    match value {
        Value::String(text) if hidden => *text = format!("<<s3cret {text}>>"),
        Value::Array(elements) => elements.iter_mut().for_each(|it| mark_secrets(it, hidden)),
        Value::Object(members) => members
            .iter_mut()
            .for_each(|(name, it)| mark_secrets(it, hidden || HIDDEN.contains(&name.as_str()))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #[test]
    fn shows_no_secret_wherever_it_is(mut input in input(), mut output in input()) {
        mark_secrets(&mut input, false);
        mark_secrets(&mut output, false);
        let intent = intent(&caller(alice()), write(), &input);
        prop_assert!(!intent.to_json().contains("<<s3cret"));
        let event = intent.answered(&output, None).to_json();
        prop_assert!(!event.contains("<<s3cret"), "{}", event);
    }

    #[test]
    fn one_event_is_one_line_and_reads_back_equal(
        input in input(), name in text(), agent in text(), message in text(), resource in text(),
    ) {
        let principal = Principal::User { account: account(), user: EntityName::new(name, "AIDAX") };
        let caller = Caller { user_agent: agent, ..caller(principal) };
        let event = intent(&caller, write(), &input)
            .touching([&Resource::session(&caller.region, &caller.account, &resource)])
            .failed("InvalidTarget", &message, None);
        let line = event.to_json();
        prop_assert!(!line.contains(char::is_control), "{:?}", line);
        prop_assert!(line.contains("eventVersion"));
        let read = AuditEvent::from_json(&line).expect("an event");
        prop_assert_eq!(read.to_json(), line);
        prop_assert_eq!(read, event);
    }
}

mod tunnels {
    use super::*;
    use crate::document::SessionStart;
    use crate::{Grounds, Session, SessionId, SessionState};

    fn session(owner_arn: &str, grounds: Option<Grounds>) -> Session {
        Session {
            id: SessionId::parse("alice-0123456789abcdef0").expect("valid"),
            account: account(),
            region: Region::parse("eu-west-1").expect("valid"),
            node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("valid"),
            owner_arn: owner_arn.to_owned(),
            owner_id: "AIDAALICE".to_owned(),
            reason: None,
            start: SessionStart::default_shell(),
            state: SessionState::Connected,
            started_at: at(),
            grounds,
        }
    }

    fn flows() -> TunnelFlows {
        let flow = TunnelFlow {
            destination: Some("db:5432".to_owned()),
            address: None,
            start_time_millis: 1000,
            end_time_millis: 2000,
            bytes_to_node: 3,
            bytes_from_node: 4,
            outcome: "refused",
            code: Some("TimedOut".to_owned()),
            reason: Some("no\u{202e}answer".to_owned()),
        };
        let others = OtherFlows {
            connections: 2,
            start_time_millis: 1000,
            end_time_millis: 2000,
            bytes_to_node: 5,
            bytes_from_node: 6,
        };
        TunnelFlows {
            flows: vec![flow],
            others: Some(others),
            after_restart: true,
        }
    }

    fn event(session: &Session) -> AuditEvent {
        flows().event(session, at(), &SeededRandom::new(1))
    }

    #[test]
    fn a_tunnel_leaves_an_event_of_the_server_about_whoever_started_its_session() {
        let grounds = Grounds {
            caller: caller(alice()),
            needs: Vec::new(),
        };
        let event = event(&session(
            "arn:aws:iam::123456789012:user/ops/alice",
            Some(grounds),
        ));
        let line = event.to_json();
        assert!(line.is_ascii() && line.contains("\\u202e"), "{line}");
        assert_eq!(AuditEvent::from_json(&line).expect("readable"), event);
        assert_eq!((event.name(), event.source()), ("TunnelFlows", "drawbridge"));
        assert_eq!(
            (event.user_name(), event.access_key_id()),
            (Some("alice"), Some("AKIAEXAMPLE0000000"))
        );
        let kinds: Vec<_> = event
            .resources()
            .iter()
            .map(|one| (one.kind(), one.name()))
            .collect();
        assert_eq!(
            kinds,
            [
                (Some("AWS::SSM::Session"), "alice-0123456789abcdef0"),
                (Some("AWS::SSM::ManagedNode"), "mi-0a1b2c3d4e5f67890")
            ]
        );
        let record = parsed(&event);
        assert_eq!(record["awsRegion"], "eu-west-1");
        assert_eq!(
            (&record["eventType"], &record["sourceIPAddress"]),
            (&json!("AwsServiceEvent"), &json!("drawbridge"))
        );
        assert_eq!(record.get("requestID"), None, "nobody asked for it");
        assert_eq!(
            record["serviceEventDetails"],
            json!({
                "sessionId": "alice-0123456789abcdef0",
                "nodeId": "mi-0a1b2c3d4e5f67890",
                "documentName": "SSM-SessionManagerRunShell",
                "flows": [{
                    "destination": "db:5432",
                    "startTimeMillis": 1000,
                    "endTimeMillis": 2000,
                    "bytesToNode": 3,
                    "bytesFromNode": 4,
                    "outcome": "refused",
                    "code": "TimedOut",
                    "reason": "no\u{202e}answer",
                }],
                "others": {
                    "connections": 2,
                    "startTimeMillis": 1000,
                    "endTimeMillis": 2000,
                    "bytesToNode": 5,
                    "bytesFromNode": 6,
                },
                "afterRestart": true,
            })
        );
    }

    #[test]
    fn whoever_started_a_session_is_named_even_where_its_grounds_were_not_kept() {
        for (arn, kind, name) in [
            (
                "arn:aws:iam::123456789012:user/ops/alice",
                "IAMUser",
                Some("alice"),
            ),
            (
                "arn:aws:sts::123456789012:assumed-role/Ops/bob",
                "AssumedRole",
                Some("bob"),
            ),
            ("arn:aws:iam::123456789012:root", "Root", Some("root")),
            ("somebody", "AWSAccount", None),
        ] {
            let event = event(&session(arn, None));
            let identity = &parsed(&event)["userIdentity"];
            assert_eq!((&identity["type"], &identity["arn"]), (&json!(kind), &json!(arn)));
            assert_eq!(event.user_name(), name);
        }
    }
}

fn key_of(account: &str) -> Resource {
    let name = "1234abcd-12ab-34cd-56ef-1234567890ab";
    Resource::at(&format!("arn:aws:kms:us-east-1:{account}:key/{name}"))
}

#[test]
fn the_owner_of_a_key_finds_its_use_by_others_without_their_affairs() {
    let allowed_by = StatementName {
        policy: "Sessions".to_owned(),
        index: 0,
        sid: None,
    };
    let decrypt = operation("kms:Decrypt", Audit::READ).audited().expect("audited");
    let input = json!({"EncryptionContext": {"aws:ssm:SessionId": "alice-1"}});
    let random = SeededRandom::new(2);
    let (own, other) = (key_of("123456789012"), key_of("210987654321"));
    let used = |keys: &[Resource]| {
        let intent = intent(&caller(alice()), decrypt, &input).touching(keys);
        intent.answered(&json!({}), Some(&allowed_by))
    };
    assert!(used(std::slice::from_ref(&own)).for_owners(&random).is_empty());

    let mut event = used(&[own, other.clone(), other.clone()]);
    let copies = event.for_owners(&random);
    let [copy] = copies.as_slice() else {
        panic!("{copies:?}")
    };
    let (theirs, ours) = (parsed(copy), parsed(&event));
    assert_eq!(copy.account().as_str(), "210987654321");
    assert_eq!(theirs["sharedEventID"], ours["sharedEventID"]);
    assert_ne!(theirs["eventID"], ours["eventID"]);
    assert_eq!(
        theirs["userIdentity"],
        json!({"type": "AWSAccount", "principalId": "AIDAALICE", "accountId": "123456789012"})
    );
    assert_eq!(theirs["requestParameters"], ours["requestParameters"]);
    assert_eq!(theirs.get("additionalEventData"), None);
    let resources = theirs["resources"].as_array().expect("a list");
    assert_eq!(resources.len(), 1);
    assert_eq!(resources[0]["ARN"], other.arn());
    assert_eq!(resources[0]["accountId"], "210987654321");
    assert_eq!(AuditEvent::from_json(&copy.to_json()).expect("read"), *copy);
}

/// A bucket's ARN names no account: the decision found whose it is.
#[test]
fn the_owner_of_a_bucket_finds_what_others_change_of_it() {
    let change = operation("s3:PutLifecycleConfiguration", Audit::WRITE);
    let change = change.audited().expect("audited");
    let random = SeededRandom::new(2);
    let changed = |owner: &str| {
        let owner = AccountId::parse(owner).expect("valid");
        let bucket = Resource::bucket("logs").owned_by(owner);
        let intent = intent(&caller(alice()), change, &json!({"bucketName": "logs"}));
        intent.touching([&bucket]).answered(&json!({}), None)
    };
    assert!(changed("123456789012").for_owners(&random).is_empty());
    let mut event = changed("210987654321");
    let copies = event.for_owners(&random);
    let [copy] = copies.as_slice() else {
        panic!("{copies:?}")
    };
    assert_eq!(copy.account().as_str(), "210987654321");
    for told in [copy, &event] {
        let told = parsed(told);
        assert_eq!(told["resources"][0]["ARN"], "arn:aws:s3:::logs");
        assert_eq!(told["resources"][0]["accountId"], "210987654321");
    }
}

#[test]
fn a_service_in_somebodys_name_is_named() {
    let event = intent(&caller(alice()), write(), &json!({})).invoked_by("s3");
    let event = parsed(&event.answered(&json!({}), None));
    assert_eq!(event["userIdentity"]["invokedBy"], "s3.amazonaws.com");
    assert_eq!(event["userIdentity"]["userName"], "alice");
    assert_eq!(event["sourceIPAddress"], "s3.amazonaws.com");
}

fn ended_session() -> crate::Session {
    crate::Session {
        id: crate::SessionId::parse("alice-1").expect("a session id"),
        account: account(),
        region: Region::parse("us-east-1").expect("valid"),
        node: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("a node"),
        owner_arn: "arn:aws:iam::123456789012:user/alice".into(),
        owner_id: "AIDAALICE".into(),
        reason: None,
        start: crate::SessionStart::default_shell(),
        state: crate::SessionState::Connected,
        started_at: at(),
        grounds: None,
    }
}

#[test]
fn what_is_told_of_recordings_is_read_again_and_nobody_else_can_tell_it() {
    let (session, random) = (ended_session(), SeededRandom::new(3));
    let recorded = SessionRecorded {
        blocks: 3,
        head: "ab".into(),
        bytes: 500,
        output_bytes: 70,
    };
    let event = recorded.event(&session, at(), &random);
    assert_eq!(SessionRecorded::of(&event), Some((session.id.clone(), recorded)));
    assert_eq!(RecordingExpired::of(&event), None);
    let expired = RecordingExpired { kept_days: 30 };
    let event = expired.event(&session, at(), &random);
    let event = AuditEvent::from_json(&event.to_json()).expect("read");
    assert_eq!(RecordingExpired::of(&event), Some((session.id.clone(), expired)));
    assert_eq!(SessionRecorded::of(&event), None);
    let named = Start {
        name: SessionRecorded::NAME,
        ..operation("drawbridge:SessionRecorded", Audit::WRITE)
    };
    let input = json!({"sessionId": "alice-1", "blocks": 3, "head": "ab", "bytes": 500, "outputBytes": 70});
    let call = intent(&caller(alice()), named.audited().expect("audited"), &input);
    assert_eq!(SessionRecorded::of(&call.answered(&input, None)), None, "a call");
}
