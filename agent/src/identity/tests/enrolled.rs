use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ENROLLED: &str = "i-0a1b2c3d4e5f67890";

fn enrolment(node: &str, key: &str) -> Value {
    json!({
        "InstanceId": node, "Region": "us-east-1", "IamRole": "Web", "AccessKeyId": key,
        "SecretAccessKey": "s3cret",
    })
}

async fn enrol_with(
    fixture: &Fixture,
    server: &FakeServer,
    enrolment: &Value,
    replace: bool,
) -> Result<Registration, RegisterError> {
    let request = EnrolRequest {
        enrolment: Enrolment::read(enrolment.to_string().as_bytes()).expect("an enrolled node"),
        endpoint: server.endpoint.clone(),
        authorities: None,
        replace,
    };
    let connector = Connector::new(
        Tls::of_environment(&environment()).expect("roots"),
        Proxies::none(),
    );
    let clock = Arc::clone(&fixture.clock);
    let now = Arc::new(move || clock.now());
    enrol(&request, &fixture.folder, connector, now, &SeededRandom::new(1)).await
}

fn taking_reports() -> Answer {
    Box::new(|(operation, ..)| match operation.as_str() {
        "UpdateInstanceInformation" => (200, json!({})),
        _ => refuse("UnknownOperationException"),
    })
}

#[tokio::test]
async fn signs_with_the_access_key_that_it_was_given_and_keeps_it_private() {
    let (fixture, server) = (fixture(), FakeServer::start(taking_reports()).await);
    let enrolled = enrol_with(
        &fixture,
        &server,
        &enrolment(ENROLLED, "AKIAENROLLED00000001"),
        false,
    )
    .await;
    assert_eq!(enrolled.expect("enrolled").node_id.as_str(), ENROLLED);
    for entry in std::fs::read_dir(fixture.folder.path()).expect("listed") {
        let mode = entry
            .expect("an entry")
            .metadata()
            .expect("read")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let node = node(&fixture, KeyRotation::Allowed);
    let input = json!({"InstanceId": ENROLLED});
    node.call("UpdateInstanceInformation", &input)
        .await
        .expect("taken");
    let reports = [
        "UpdateInstanceInformation".to_owned(),
        "UpdateInstanceInformation".to_owned(),
    ];
    assert_eq!(server.operations(), reports, "no role token is asked for");
    for (_, authorization, body) in server.calls.lock().expect("not poisoned").iter() {
        let authorization = authorization.as_deref().expect("signed");
        assert!(
            authorization.contains("Credential=AKIAENROLLED00000001/"),
            "{authorization}"
        );
        assert_eq!(body["InstanceId"], ENROLLED);
        assert!(!body.to_string().contains("s3cret"));
    }
}

#[tokio::test]
async fn a_new_key_is_taken_up_by_an_agent_that_runs() {
    let (fixture, server) = (fixture(), FakeServer::start(taking_reports()).await);
    for key in ["AKIAENROLLED00000001", "AKIAENROLLED00000002"] {
        let enrolled = enrol_with(&fixture, &server, &enrolment(ENROLLED, key), false).await;
        enrolled.expect("enrolled");
    }
    let running = node(&fixture, KeyRotation::Allowed);
    let third = enrolment(ENROLLED, "AKIAENROLLED00000003");
    enrol_with(&fixture, &server, &third, false)
        .await
        .expect("enrolled");
    let credentials = running.credentials().await.expect("a key");
    assert_eq!(credentials.access_key_id, "AKIAENROLLED00000003");
    running.forget_credentials();
    let credentials = running.credentials().await.expect("the key stays");
    assert_eq!(credentials.access_key_id, "AKIAENROLLED00000003");
}

#[tokio::test]
async fn becomes_another_node_only_when_told_to() {
    let answers: Answer = Box::new(|(operation, ..)| match operation.as_str() {
        "UpdateInstanceInformation" => (200, json!({})),
        _ => (200, json!({ "InstanceId": NODE })),
    });
    let (fixture, server) = (fixture(), FakeServer::start(answers).await);
    register_with(&fixture, &server, false).await.expect("registered");
    let given = enrolment(ENROLLED, "AKIAENROLLED00000001");
    let refused = enrol_with(&fixture, &server, &given, false).await;
    assert!(matches!(refused, Err(RegisterError::AlreadyRegistered(node)) if node.as_str() == NODE));
    enrol_with(&fixture, &server, &given, true)
        .await
        .expect("enrolled");
    let files = || {
        let files = std::fs::read_dir(fixture.folder.path()).expect("listed");
        let mut names: Vec<_> = files.map(|file| file.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(files(), ["access-key.json", "registration.json"]);
    register_with(&fixture, &server, true)
        .await
        .expect("registered again");
    assert_eq!(files(), ["node-key.der", "registration.json"]);
}

#[tokio::test]
async fn a_key_that_the_server_refuses_changes_nothing() {
    let answers: Answer = Box::new(|_| refuse("UnrecognizedClientException"));
    let (fixture, server) = (fixture(), FakeServer::start(answers).await);
    let refused = enrol_with(
        &fixture,
        &server,
        &enrolment(ENROLLED, "AKIAENROLLED00000001"),
        false,
    )
    .await;
    let error = refused.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "cannot report as node i-0a1b2c3d4e5f67890 with its access key"
    );
    assert_eq!(
        std::fs::read_dir(fixture.folder.path()).expect("listed").count(),
        0
    );
}

#[test]
fn reads_enrolled_nodes_and_nothing_else() {
    let read = |value: &Value| Enrolment::read(value.to_string().as_bytes());
    let whole = enrolment(ENROLLED, "AKIAENROLLED00000001");
    let printed = format!("{:?}", read(&whole).expect("whole"));
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(read(&enrolment(NODE, "AKIAENROLLED00000001")).is_none());
    assert!(read(&enrolment(ENROLLED, "admin")).is_none());
    for member in ["InstanceId", "Region", "AccessKeyId", "SecretAccessKey"] {
        let mut partial = whole.clone();
        partial.as_object_mut().expect("an object").remove(member);
        assert!(read(&partial).is_none(), "{member}");
    }
    assert!(Enrolment::read(&b"not json"[..]).is_none());
}
