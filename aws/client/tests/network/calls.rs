//! Calls over TLS: signatures arrive verifiable, answers and failures come back as what they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::server::{Authority, Server, now};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use bytes::Bytes;
use drawbridge_aws_client::{
    Auth, CallError, Client, Connector, Credentials, Endpoint, Environment, Proxies, RsaSigner, Service,
    Timeouts, Tls,
};
use drawbridge_aws_dialects::sigv4;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: SecretString::from("secret"),
        session_token: Some(SecretString::from("token/+=")),
    }
}

fn sha256(body: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, body).as_ref().try_into().unwrap()
}

/// Echoes the input when the signature is right, and says why not when it is wrong.
fn checking(request: Request<Bytes>, now: Timestamp) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let checked =
        sigv4::parse(&head).and_then(|signed| signed.verify("secret", &sha256(&body), now).map(|_| signed));
    match checked {
        Ok(signed) => {
            assert_eq!(signed.access_key_id(), "ASIAEXAMPLE");
            assert!(signed.session_token().is_some());
            assert_eq!(head.headers["x-amz-target"], "AmazonSSM.StartSession");
            Response::new(body)
        }
        Err(error) => {
            let error = error.to_error(drawbridge_aws_dialects::error::Family::Json);
            let body = drawbridge_aws_dialects::json11::error_body(error.code(), error.message());
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            Response::builder()
                .status(400)
                .header("date", date)
                .body(body)
                .unwrap()
        }
    }
}

async fn start(client: &Client) -> Result<serde_json::Value, CallError> {
    let credentials = credentials();
    client
        .call_json(
            Service::SSM,
            "StartSession",
            &json!({ "Target": "mi-1" }),
            Auth::Credentials(&credentials),
        )
        .await
}

#[tokio::test]
async fn a_signed_call_is_verifiable_and_the_connection_is_kept() {
    let server = Server::answering(|request| checking(request, now())).await;
    let client = server.client(now());
    for _ in 0..3 {
        assert_eq!(start(&client).await.unwrap(), json!({ "Target": "mi-1" }));
    }
    assert_eq!(server.accepted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn calls_at_the_same_time_do_not_wait_for_each_other() {
    let server = Server::answering(|request| checking(request, now())).await;
    let client = server.client(now());
    let (one, two) = tokio::join!(start(&client), start(&client));
    assert!(one.is_ok() && two.is_ok());
}

#[tokio::test]
async fn a_node_signs_with_its_key() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let public = public.as_ref().to_vec();
    let server = Server::answering(move |request| {
        let (head, body) = request.into_parts();
        let signed = sigv4::parse(&head).unwrap();
        assert!(signed.is_rsa());
        assert_eq!(signed.access_key_id(), "mi-0123456789abcdef0");
        let _ = signed.verify_rsa(&public, &sha256(&body), now()).unwrap();
        Response::new(Bytes::from_static(b"{}"))
    })
    .await;
    let signer = RsaSigner::new("mi-0123456789abcdef0", key);
    let client = server.client(now());
    let input = json!({ "Fingerprint": "f" });
    client
        .call_json(
            Service::SSM,
            "RequestManagedInstanceRoleToken",
            &input,
            Auth::Node(&signer),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_servers() {
    let server = Server::answering(|request| checking(request, now())).await;
    let client = server.client(now() - SignedDuration::from_hours(7));
    assert!(start(&client).await.is_ok());
    assert!(start(&client).await.is_ok());
}

#[tokio::test]
async fn an_error_of_the_service_keeps_its_code() {
    let server = Server::answering(|_| {
        Response::builder()
            .status(400)
            .header("x-amzn-requestid", "r-1")
            .body(drawbridge_aws_dialects::json11::error_body(
                "TargetNotConnected",
                "mi-1 is not connected.",
            ))
            .unwrap()
    })
    .await;
    let error = start(&server.client(now())).await.unwrap_err();
    assert_eq!(error.code(), Some("TargetNotConnected"));
    assert_eq!(error.to_string(), "TargetNotConnected: mi-1 is not connected.");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn posts_return_any_status_and_read_xml() {
    let server = Server::answering(|request| {
        assert_eq!(request.uri().path(), "/v1/control-channel/mi-1");
        assert_eq!(request.headers()["content-type"], "application/json");
        let body = "<R><MessageSchemaVersion>1.0</MessageSchemaVersion><TokenValue>a&amp;b</TokenValue></R>";
        Response::builder()
            .status(201)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap()
    })
    .await;
    let answer = server
        .client(now())
        .post(
            Service::SSMMESSAGES,
            "/v1/control-channel/mi-1",
            &json!({}),
            Auth::Credentials(&credentials()),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.xml_text("TokenValue").as_deref(), Some("a&b"));
}

#[tokio::test]
async fn bad_bodies_and_huge_ones_are_told_apart() {
    let server = Server::answering(|_| Response::new(Bytes::from_static(b"<html>"))).await;
    assert!(matches!(
        start(&server.client(now())).await,
        Err(CallError::Body { .. })
    ));
    let server = Server::answering(|_| Response::new(Bytes::from(vec![b' '; 5 * 1024 * 1024]))).await;
    assert!(matches!(
        start(&server.client(now())).await,
        Err(CallError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let server = Server::handling("localhost", false, |stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let limits = Timeouts {
        call: Duration::from_millis(300),
        ..Timeouts::default()
    };
    let client = Client::new(
        server.endpoint(),
        "us-east-1",
        server.connector().with_timeouts(limits),
        Arc::new(now),
    );
    assert!(matches!(start(&client).await, Err(CallError::Timeout(_))));
}

#[tokio::test]
async fn untrusted_certificates_are_refused_by_name() {
    let silent = |_| async {};
    let fails = async |server: &Server, trusted: Tls| {
        let connector = Connector::new(trusted, Proxies::none());
        let error = connector.connect(&server.endpoint()).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        match error {
            CallError::Tls { host, source } => {
                assert_eq!(host, "localhost");
                source.to_string()
            }
            other => panic!("{other}"),
        }
    };
    let server = Server::handling("localhost", false, silent).await;
    assert!(
        fails(&server, Authority::new().trusted())
            .await
            .contains("UnknownIssuer")
    );
    assert!(server.connector().connect(&server.endpoint()).await.is_ok());

    let server = Server::handling("localhost", true, silent).await;
    assert!(
        fails(&server, server.authority.trusted())
            .await
            .contains("expired")
    );

    let server = Server::handling("elsewhere.example", false, silent).await;
    assert!(
        fails(&server, server.authority.trusted())
            .await
            .contains("not valid for name")
    );
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let server = Server::handling("localhost", false, |_| async {}).await;
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint: Endpoint = format!("https://127.0.0.1:{}", unused.port()).parse().unwrap();
    let error = server.connector().connect(&endpoint).await.unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error}");
    assert!(error.is_transient());
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("refused")
    );
}

/// A proxy that checks its password, remembers the target and relays to `server`.
async fn proxy(
    server: std::net::SocketAddr,
) -> (std::net::SocketAddr, tokio::sync::oneshot::Receiver<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, request) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        seen.send(String::from_utf8(head).unwrap()).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    (address, request)
}

#[tokio::test]
async fn a_proxy_carries_the_call() {
    // `localhost` never goes through a proxy, so the server goes by another name.
    let server = Server::handling("bridge.example", false, |mut stream| async move {
        let _ = stream.write_all(b"hello").await;
        let _ = stream.shutdown().await;
    })
    .await;
    let (address, request) = proxy(server.address).await;
    let environment: Environment = [("https_proxy", format!("http://user:pass@{address}"))]
        .into_iter()
        .collect();
    let proxies = Proxies::of_environment(&environment).unwrap();
    let connector = Connector::new(server.authority.trusted(), proxies);
    let endpoint: Endpoint = "https://bridge.example".parse().unwrap();
    let mut stream = connector.connect(&endpoint).await.unwrap();
    let mut greeting = String::new();
    stream.read_to_string(&mut greeting).await.unwrap();
    assert_eq!(greeting, "hello");
    let request = request.await.unwrap();
    assert!(
        request.starts_with("CONNECT bridge.example:443 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"),
        "{request}"
    );
}
