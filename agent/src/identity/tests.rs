//! Registration and credentials against a server of a few lines.

use std::sync::{Arc, Mutex};

use drawbridge_aws_client::{CallError, Connector, Environment, Proxies, Tls};
use drawbridge_session::{ActivationId, Clock, FixedClock, Region, Secret, SeededRandom};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::state::StateFolder;

mod enrolled;

const NODE: &str = "mi-0a1b2c3d4e5f67890";

/// What a call said: operation, `Authorization`, body.
type Call = (String, Option<String>, Value);
type Answer = Box<dyn Fn(&Call) -> (u16, Value) + Send + Sync>;

struct FakeServer {
    endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl FakeServer {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let seen = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                while let Some(call) = read_call(&mut stream).await {
                    let (status, body) = answer(&call);
                    seen.lock().expect("not poisoned").push(call);
                    let body = body.to_string();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    if stream.write_all((head + &body).as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        });
        Self { endpoint, calls }
    }

    fn operations(&self) -> Vec<String> {
        self.calls
            .lock()
            .expect("not poisoned")
            .iter()
            .map(|(operation, ..)| operation.clone())
            .collect()
    }
}

async fn read_call(stream: &mut TcpStream) -> Option<Call> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                head.lines().find_map(|line| {
                    let (key, value) = line.split_once(": ")?;
                    key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                })
            };
            let length: usize = header("content-length")
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                let target = header("x-amz-target").unwrap_or_default();
                let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
                return Some((
                    operation,
                    header("authorization"),
                    serde_json::from_str(body).ok()?,
                ));
            }
        }
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
}

struct Fixture {
    _parent: tempfile::TempDir,
    folder: StateFolder,
    clock: Arc<FixedClock>,
}

fn fixture() -> Fixture {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = StateFolder::create(&parent.path().join("state")).expect("created");
    Fixture {
        _parent: parent,
        folder,
        clock: Arc::new(FixedClock::default()),
    }
}

/// No request of these tests uses TLS; a client wants to know whom it would trust all the same.
fn environment() -> Environment {
    Environment::of_process()
}

async fn register_with(
    fixture: &Fixture,
    server: &FakeServer,
    replace: bool,
) -> Result<Registration, RegisterError> {
    let request = RegisterRequest {
        activation_id: ActivationId::parse("0b1c2d3e-0000-4000-8000-000000000001").expect("valid"),
        activation_code: Secret::new("abcdefghij0123456789"),
        region: Region::parse("us-east-1").expect("valid"),
        endpoint: Some(server.endpoint.clone()),
        authorities: None,
        replace,
    };
    let connector = Connector::new(
        Tls::of_environment(&environment()).expect("roots"),
        Proxies::none(),
    );
    let clock = Arc::clone(&fixture.clock);
    let now = Arc::new(move || clock.now());
    register(&request, &fixture.folder, connector, now, &SeededRandom::new(1)).await
}

fn node(fixture: &Fixture, rotation: KeyRotation) -> Node {
    let clock = Arc::clone(&fixture.clock) as Arc<dyn Clock>;
    Node::open(
        fixture.folder.clone(),
        rotation,
        &environment(),
        clock,
        Arc::new(SeededRandom::new(2)),
    )
    .expect("registered")
}

fn role_token(number: usize, rotate: bool) -> Value {
    json!({"AccessKeyId": format!("ASIA{number:016}"), "SecretAccessKey": "s3cret", "SessionToken": "t0ken",
           // An hour after the clock of the tests starts.
           "TokenExpirationDate": 1_767_323_045 + 3600, "UpdateKeyPair": rotate})
}

fn refuse(code: &str) -> (u16, Value) {
    (400, json!({"__type": code, "message": "no"}))
}

/// Answers every call the way a server does that knows the node.
fn willing() -> Answer {
    Box::new(|(operation, ..)| match operation.as_str() {
        "RegisterManagedInstance" => (200, json!({"InstanceId": NODE})),
        "RequestManagedInstanceRoleToken" => (200, role_token(1, false)),
        _ => (200, json!({})),
    })
}

#[tokio::test]
async fn registers_with_a_key_of_its_own_and_keeps_everything_private() {
    let (fixture, server) = (fixture(), FakeServer::start(willing()).await);
    let registration = register_with(&fixture, &server, false).await.expect("registered");
    assert_eq!(registration.node_id.as_str(), NODE);
    assert_eq!(
        Registration::load(&fixture.folder).expect("readable"),
        Some(registration.clone())
    );
    {
        let calls = server.calls.lock().expect("not poisoned");
        let (_, authorization, body) = &calls[0];
        assert_eq!(*authorization, None);
        assert_eq!(body["PublicKeyType"], "Rsa");
        assert_eq!(body["PublicKey"].as_str().expect("text").len(), 392);
        assert_eq!(body["Fingerprint"], json!(registration.fingerprint));
    }
    for entry in std::fs::read_dir(fixture.folder.path())
        .expect("listed")
        .flatten()
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&entry.metadata().expect("there"));
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn registers_again_only_when_told_to() {
    let (fixture, server) = (fixture(), FakeServer::start(willing()).await);
    register_with(&fixture, &server, false).await.expect("registered");
    let again = register_with(&fixture, &server, false).await;
    assert!(matches!(again, Err(RegisterError::AlreadyRegistered(_))));
    register_with(&fixture, &server, true).await.expect("replaced");
    assert_eq!(server.operations().len(), 2);
}

#[tokio::test]
async fn a_refused_registration_leaves_nothing_and_shows_no_code() {
    let (fixture, server) = (
        fixture(),
        FakeServer::start(Box::new(|_| refuse("InvalidActivation"))).await,
    );
    let error = register_with(&fixture, &server, false)
        .await
        .expect_err("refused");
    let shown = format!("{error:?} {}", crate::sessions::chain(&error));
    assert!(
        shown.contains("InvalidActivation") && !shown.contains("abcdefghij"),
        "{shown}"
    );
    assert_eq!(
        std::fs::read_dir(fixture.folder.path()).expect("listed").count(),
        0
    );
}

#[tokio::test]
async fn fetches_credentials_once_for_everyone_and_again_at_half_life() {
    let (fixture, server) = (fixture(), FakeServer::start(willing()).await);
    register_with(&fixture, &server, false).await.expect("registered");
    let agent = node(&fixture, KeyRotation::Allowed);
    let (one, two) = tokio::join!(agent.credentials(), agent.credentials());
    assert_eq!(
        one.expect("given").access_key_id,
        two.expect("given").access_key_id
    );
    let worker = node(&fixture, KeyRotation::LeftToAgent);
    worker.credentials().await.expect("shared");
    assert_eq!(
        server.operations(),
        ["RegisterManagedInstance", "RequestManagedInstanceRoleToken"]
    );
    let authorization = server.calls.lock().expect("not poisoned")[1]
        .1
        .clone()
        .expect("signed");
    assert!(
        authorization.contains(&format!("Credential={NODE}/20260102/us-east-1/ssm/aws4_request")),
        "{authorization}"
    );

    fixture.clock.advance(std::time::Duration::from_secs(1801));
    agent.credentials().await.expect("renewed");
    assert_eq!(server.operations().len(), 3);
}

#[tokio::test]
async fn keeps_using_what_it_has_while_the_server_is_away() {
    let (fixture, server) = (fixture(), FakeServer::start(willing()).await);
    register_with(&fixture, &server, false).await.expect("registered");
    let agent = node(&fixture, KeyRotation::Allowed);
    agent.credentials().await.expect("given");
    let mut registration = Registration::load(&fixture.folder)
        .expect("readable")
        .expect("there");
    // The port of a listener that is gone.
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .local_addr()
        .expect("bound");
    registration.endpoint = Some(format!("http://{closed}"));
    fixture
        .folder
        .write(
            "registration.json",
            &serde_json::to_vec(&registration).expect("json"),
        )
        .expect("written");
    let agent = node(&fixture, KeyRotation::Allowed);
    fixture.clock.advance(std::time::Duration::from_secs(2000));
    agent.credentials().await.expect("still good");
    fixture.clock.advance(std::time::Duration::from_secs(2000));
    let error = agent.credentials().await.expect_err("expired");
    assert!(
        matches!(error, NodeError::Call(CallError::Connect { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn follows_a_server_that_moves() {
    let (fixture, server) = (fixture(), FakeServer::start(willing()).await);
    let registration = register_with(&fixture, &server, false).await.expect("registered");
    let worker = node(&fixture, KeyRotation::LeftToAgent);
    assert!(worker.moved().expect("readable").is_none());
    let elsewhere = FakeServer::start(willing()).await;
    registration
        .move_to(&elsewhere.endpoint, &fixture.folder)
        .expect("noted");
    let moved = worker.moved().expect("readable").expect("it has");
    moved
        .call("UpdateInstanceInformation", &json!({}))
        .await
        .expect("answered");
    assert_eq!(
        elsewhere.operations(),
        ["RequestManagedInstanceRoleToken", "UpdateInstanceInformation"]
    );
}

#[tokio::test]
async fn forgets_credentials_that_the_server_does_not_accept() {
    let server = FakeServer::start(Box::new(|(operation, ..)| match operation.as_str() {
        "RegisterManagedInstance" => (200, json!({"InstanceId": NODE})),
        "RequestManagedInstanceRoleToken" => (200, role_token(1, false)),
        _ => refuse("ExpiredTokenException"),
    }))
    .await;
    let fixture = fixture();
    register_with(&fixture, &server, false).await.expect("registered");
    let agent = node(&fixture, KeyRotation::Allowed);
    for _ in 0..2 {
        agent
            .call("UpdateInstanceInformation", &json!({}))
            .await
            .expect_err("refused");
    }
    let tokens = server
        .operations()
        .iter()
        .filter(|name| *name == "RequestManagedInstanceRoleToken")
        .count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn replaces_its_key_when_the_server_asks() {
    let server = FakeServer::start(Box::new(|(operation, ..)| match operation.as_str() {
        "RegisterManagedInstance" => (200, json!({"InstanceId": NODE})),
        "RequestManagedInstanceRoleToken" => (200, role_token(1, true)),
        _ => (200, json!({})),
    }))
    .await;
    let fixture = fixture();
    register_with(&fixture, &server, false).await.expect("registered");
    let before = fixture.folder.read("node-key.der").expect("readable");
    node(&fixture, KeyRotation::LeftToAgent)
        .credentials()
        .await
        .expect("given");
    assert_eq!(fixture.folder.read("node-key.der").expect("readable"), before);

    fixture.folder.remove("credentials.json").expect("removed");
    node(&fixture, KeyRotation::Allowed)
        .credentials()
        .await
        .expect("given");
    assert_ne!(fixture.folder.read("node-key.der").expect("readable"), before);
    assert_eq!(
        server.operations().last().map(String::as_str),
        Some("UpdateManagedInstancePublicKey")
    );
    assert_eq!(fixture.folder.read("node-key.next.der").expect("readable"), None);
}

#[tokio::test]
async fn finds_the_way_back_from_a_replacement_that_was_cut_short() {
    let refusals = std::sync::atomic::AtomicUsize::new(0);
    let server = FakeServer::start(Box::new(move |(operation, ..)| match operation.as_str() {
        "RegisterManagedInstance" => (200, json!({"InstanceId": NODE})),
        // The old key is refused once; the next call comes with the new one.
        _ if refusals.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
            refuse("AccessDeniedException")
        }
        _ => (200, role_token(1, false)),
    }))
    .await;
    let fixture = fixture();
    register_with(&fixture, &server, false).await.expect("registered");
    let next = fixture
        .folder
        .read("node-key.der")
        .expect("readable")
        .expect("there");
    fixture.folder.write("node-key.next.der", &next).expect("written");
    node(&fixture, KeyRotation::Allowed)
        .credentials()
        .await
        .expect("given");
    assert_eq!(fixture.folder.read("node-key.next.der").expect("readable"), None);
}
