//! Requests that are wrong in one way each, and what they are told.

use bytes::Bytes;
use drawbridge_aws_client::Credentials;
use drawbridge_aws_dialects::sigv4::{self, Payload, Signing};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::certificates::connect_tls;
use super::lab::Lab;

/// A request under construction.
struct Asked {
    method: Method,
    uri: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    service: &'static str,
    at: Timestamp,
    signed: bool,
}

struct Told {
    status: StatusCode,
    request_id: Option<String>,
    body: String,
}

impl Asked {
    fn json(lab: &Lab, target: &str, body: &str) -> Asked {
        Asked {
            method: Method::POST,
            uri: "/",
            headers: vec![
                ("x-amz-target", target.to_owned()),
                ("content-type", "application/x-amz-json-1.1".to_owned()),
            ],
            body: body.as_bytes().to_vec(),
            service: "ssm",
            at: lab.gateway.clock.now(),
            signed: true,
        }
    }

    fn query(lab: &Lab, body: &str) -> Asked {
        let form = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
        Asked {
            headers: vec![("content-type", form)],
            service: "sts",
            ..Asked::json(lab, "", body)
        }
    }

    async fn send(
        self,
        lab: &Lab,
        credentials: &Credentials,
        tamper: impl FnOnce(&mut Request<Full<Bytes>>),
    ) -> Told {
        let (mut parts, ()) = Request::builder()
            .method(self.method)
            .uri(self.uri)
            .body(())
            .expect("a request")
            .into_parts();
        parts
            .headers
            .insert(header::HOST, lab.address.to_string().parse().expect("a host"));
        for (name, value) in self.headers {
            parts.headers.insert(name, value.parse().expect("a value"));
        }
        if self.signed {
            let signing = Signing {
                region: "us-east-1",
                service: self.service,
                now: self.at,
            };
            let mut digest = [0; 32];
            digest
                .copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.body).as_ref());
            sigv4::sign(&mut parts, Payload::Signed, &digest, credentials, signing).expect("signed");
        }
        let mut request = Request::from_parts(parts, Full::new(Bytes::from(self.body)));
        tamper(&mut request);
        exchange(lab, request).await
    }
}

async fn exchange(lab: &Lab, request: Request<Full<Bytes>>) -> Told {
    let stream: TlsStream<TcpStream> = connect_tls(lab, &[b"http/1.1"], "127.0.0.1").await;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    told(sender.send_request(request).await.expect("an answer")).await
}

async fn told(response: http::Response<hyper::body::Incoming>) -> Told {
    let status = response.status();
    let headers = response.headers();
    let request_id = headers
        .get("x-amzn-requestid")
        // As S3 calls it, which answers whoever asks for an object without a signature.
        .or_else(|| headers.get("x-amz-request-id"))
        .map(|id| id.to_str().expect("text").to_owned());
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    Told {
        status,
        request_id,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

const WHOAMI: &str = "Action=GetCallerIdentity&Version=2011-06-15";

#[tokio::test]
async fn a_host_below_one_of_s3s_names_is_a_buckets_unless_the_request_says_otherwise() {
    let lab = Lab::open().await;
    let administrator = lab.administrators_credentials();
    let host = ("host", "ssm.us-east-1.s3.localhost".to_owned());
    // As agents register: nobody signs it.
    let mut register = Asked::json(&lab, "AmazonSSM.RegisterManagedInstance", "{}");
    register.headers.push(host.clone());
    register.signed = false;
    let told = register.send(&lab, &administrator, |_| {}).await;
    assert!(
        told.body.contains("\"__type\":\"ValidationException\""),
        "{}",
        told.body
    );
    let mut list = Asked::json(&lab, "AmazonSSM.DescribeSessions", r#"{"State":"Active"}"#);
    list.headers.push(host.clone());
    let told = list.send(&lab, &administrator, |_| {}).await;
    assert_eq!(
        (told.status, told.body.as_str()),
        (StatusCode::OK, r#"{"Sessions":[]}"#)
    );
    let anonymous = Asked {
        method: Method::GET,
        uri: "/v1/data-channel/key",
        headers: vec![host],
        signed: false,
        ..Asked::json(&lab, "", "")
    };
    let told = anonymous.send(&lab, &administrator, |_| {}).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);
    assert!(told.body.contains("<Code>AccessDenied</Code>"), "{}", told.body);
    lab.close().await;
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_health_needs_no_signature() {
    let lab = Lab::open().await;
    let administrator = lab.administrators_credentials();
    let asked = Asked {
        method: Method::GET,
        uri: "/health",
        headers: Vec::new(),
        signed: false,
        ..Asked::json(&lab, "", "")
    };
    let told = asked.send(&lab, &administrator, |_| {}).await;
    assert_eq!((told.status, told.body.as_str()), (StatusCode::OK, "ok\n"));
    assert!(told.request_id.is_some());
    for uri in [
        "/nothing",
        "/v1/data-channel/alice-00000000000000001",
        "/v1/control-channel/",
    ] {
        let asked = Asked {
            method: Method::GET,
            uri,
            headers: Vec::new(),
            signed: false,
            ..Asked::json(&lab, "", "")
        };
        let told = asked.send(&lab, &administrator, |_| {}).await;
        assert!(told.status.is_client_error(), "{uri}");
        assert!(told.request_id.is_some(), "{uri}");
    }
    lab.close().await;
}

#[tokio::test]
async fn wrong_signatures_are_told_apart_in_each_family() {
    let lab = Lab::open().await;
    let right = lab.administrators_credentials();
    let wrong_secret = Credentials {
        secret_access_key: "wrong".to_owned().into(),
        ..right.clone()
    };
    let unknown = Credentials {
        access_key_id: "AKIAAAAAAAAAAAAAAAAA".to_owned(),
        ..right.clone()
    };
    let with_token = Credentials {
        session_token: Some("stolen".to_owned().into()),
        ..right.clone()
    };
    let now = lab.gateway.clock.now();
    let late = now + SignedDuration::from_mins(-6);
    let early = now + SignedDuration::from_mins(6);
    let bad = |credentials: &Credentials, at| (credentials.clone(), at);
    let table = [
        (
            bad(&wrong_secret, now),
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
        ),
        (
            bad(&right, late),
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
        ),
        (
            bad(&right, early),
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
        ),
        (
            bad(&unknown, now),
            "UnrecognizedClientException",
            "InvalidClientTokenId",
        ),
        (
            bad(&with_token, now),
            "UnrecognizedClientException",
            "InvalidClientTokenId",
        ),
    ];
    for ((credentials, at), json_code, query_code) in table {
        let asked = Asked {
            at,
            ..Asked::json(&lab, "AmazonSSM.DescribeSessions", r#"{"State":"Active"}"#)
        };
        let told = asked.send(&lab, &credentials, |_| {}).await;
        assert_eq!(told.status, 400, "{}", told.body);
        assert!(
            told.body.contains(&format!(r#""__type":"{json_code}""#)),
            "{}",
            told.body
        );

        let told = Asked {
            at,
            ..Asked::query(&lab, WHOAMI)
        }
        .send(&lab, &credentials, |_| {})
        .await;
        assert_eq!(told.status, 403, "{}", told.body);
        assert!(
            told.body.contains(&format!("<Code>{query_code}</Code>")),
            "{}",
            told.body
        );
    }
    let told = Asked::json(&lab, "AmazonSSM.DescribeSessions", r#"{"State":"Active"}"#)
        .send(&lab, &right, |request| {
            *request.body_mut() = Full::new(Bytes::from(r#"{"State":"History"}"#));
        })
        .await;
    assert!(told.body.contains("InvalidSignatureException"), "{}", told.body);
    let wrong_service = Asked {
        service: "sts",
        ..Asked::json(&lab, "AmazonSSM.DescribeSessions", "{}")
    };
    let told = wrong_service.send(&lab, &right, |_| {}).await;
    assert!(told.body.contains("InvalidSignatureException"), "{}", told.body);
    lab.close().await;
}

#[tokio::test]
async fn requests_without_a_signature_do_nothing_but_register() {
    let lab = Lab::open().await;
    let administrator = lab.administrators_credentials();
    for target in [
        "AmazonSSM.StartSession",
        "AmazonSSM.Nothing",
        "Nothing.Nothing",
        "Drawbridge.WatchSession",
        "",
    ] {
        let asked = Asked {
            signed: false,
            ..Asked::json(&lab, target, "{}")
        };
        let told = asked.send(&lab, &administrator, |_| {}).await;
        assert_eq!(told.status, 400);
        assert!(
            told.body.contains("MissingAuthenticationTokenException"),
            "{target}: {}",
            told.body
        );
    }
    let told = Asked {
        signed: false,
        ..Asked::query(&lab, WHOAMI)
    }
    .send(&lab, &administrator, |_| {})
    .await;
    assert_eq!(told.status, 403);
    assert!(
        told.body.contains("<Code>MissingAuthenticationToken</Code>"),
        "{}",
        told.body
    );
    lab.close().await;
}

#[tokio::test]
async fn unknown_operations_and_unreadable_bodies_are_named_as_such() {
    let lab = Lab::open().await;
    let administrator = lab.administrators_credentials();
    for (target, named) in [
        ("AmazonSSM.Fly", "no operation Fly."),
        ("Nothing.Fly", "no operation Fly."),
        ("Nothing", "no such operation"),
        ("", "no such operation"),
    ] {
        let told = Asked::json(&lab, target, "{}")
            .send(&lab, &administrator, |_| {})
            .await;
        assert_eq!(told.status, 400);
        assert!(
            told.body.contains("UnknownOperationException") && told.body.contains(named),
            "{target}: {}",
            told.body
        );
    }
    for body in ["{", "\u{0}", "nonsense"] {
        let told = Asked::json(&lab, "AmazonSSM.DescribeSessions", body)
            .send(&lab, &administrator, |_| {})
            .await;
        assert!(told.body.contains("SerializationException"), "{}", told.body);
    }
    let told = Asked::query(&lab, "Action=Nothing&Version=2011-06-15")
        .send(&lab, &administrator, |_| {})
        .await;
    assert_eq!(told.status, 400);
    assert!(told.body.contains("<Code>InvalidAction</Code>"), "{}", told.body);
    lab.close().await;
}

#[tokio::test]
async fn bodies_and_headers_are_bounded() {
    let lab = Lab::open().await;
    let administrator = lab.administrators_credentials();
    let large = "x".repeat(1024 * 1024 + 1);
    let told = Asked::json(&lab, "AmazonSSM.DescribeSessions", &large)
        .send(&lab, &administrator, |_| {})
        .await;
    assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
    // The events of a batch may be escaped, and are longer then; they too have an end.
    let put = async |length: usize| {
        let body = "x".repeat(length);
        let asked = Asked::json(&lab, "Logs_20140328.PutLogEvents", &body);
        asked.send(&lab, &administrator, |_| {}).await.status
    };
    assert_eq!(
        put(7 * 1024 * 1024).await,
        StatusCode::BAD_REQUEST,
        "it is no JSON"
    );
    assert_eq!(put(7 * 1024 * 1024 + 1).await, StatusCode::PAYLOAD_TOO_LARGE);
    let mut wide = Asked::json(&lab, "AmazonSSM.DescribeSessions", "{}");
    wide.headers.push(("x-wide", "x".repeat(20_000)));
    let told = wide.send(&lab, &administrator, |_| {}).await;
    assert_eq!(told.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    lab.close().await;
}

#[tokio::test]
async fn a_refused_upload_is_answered_before_its_connection_ends() {
    let lab = Lab::open().await;
    let long = 32 * 1024 * 1024;
    for (method, length, sent, closes) in [
        (Method::GET, 0, 0, false),
        (Method::PUT, 1024 * 1024, 1024 * 1024, false),
        (Method::PUT, long, 0, true),
    ] {
        let mut stream = connect_tls(&lab, &[b"http/1.1"], "127.0.0.1").await;
        let head = format!("{method} /bucket/key HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream
            .write_all(&vec![b'x'; sent])
            .await
            .expect("all of it is taken");
        let mut answer = String::new();
        while !answer.contains("</Error>") {
            let mut some = [0; 1024];
            let count = stream.read(&mut some).await.expect("an answer");
            assert_ne!(count, 0, "{method} {length}: {answer}");
            answer.push_str(&String::from_utf8_lossy(&some[..count]));
        }
        assert!(answer.starts_with("HTTP/1.1 403 "), "{method} {length}: {answer}");
        let told = answer.to_lowercase().contains("connection: close");
        assert_eq!(told, closes, "{method} {length}: {answer}");
    }
    lab.close().await;
}

#[tokio::test]
async fn what_cannot_be_read_as_a_request_is_refused_with_an_id_too() {
    let lab = Lab::open().await;
    let long = "x".repeat(20_000);
    let many = (0..200)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect::<String>();
    let after_another = "GET /health HTTP/1.1\r\nHost: h\r\n\r\nrubbish\r\n\r\n";
    for (asked, status) in [
        ("rubbish\r\n\r\n".to_owned(), " 400 "),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), " 400 "),
        (
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
            " 400 ",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            " 400 ",
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(),
            " 400 ",
        ),
        (format!("GET / HTTP/1.1\r\nx-long: {long}\r\n\r\n"), " 431 "),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), " 431 "),
        (after_another.to_owned(), " 400 "),
    ] {
        let mut stream = connect_tls(&lab, &[b"http/1.1"], "127.0.0.1").await;
        stream.write_all(asked.as_bytes()).await.expect("written");
        let mut told = String::new();
        // Without a farewell of TLS the end is an error; either way it is the end.
        let _ = stream.read_to_string(&mut told).await;
        let answers = told.split("HTTP/1.1 ").skip(1).collect::<Vec<_>>();
        assert_eq!(
            answers.len(),
            asked.matches("/health").count() + 1,
            "{asked:.40}: {told}"
        );
        for answer in &answers {
            let id = answer
                .split_once("x-amzn-requestid: ")
                .and_then(|(_, rest)| rest.get(..36));
            assert!(
                id.is_some_and(|id| id.parse::<uuid::Uuid>().is_ok()),
                "{asked:.40}: {told}"
            );
        }
        assert!(told.contains(&format!("HTTP/1.1{status}")), "{asked:.40}: {told}");
    }
    lab.close().await;
}

/// HTTP/2 has no text to misread: its rules are broken with a reset or a `GOAWAY`, which are not answers.
/// The one answer that h2 gives by itself is this.
#[tokio::test]
async fn http_2_refuses_headers_past_the_limit_it_announced_without_an_id() {
    let lab = Lab::open().await;
    let stream = connect_tls(&lab, &[b"h2"], "127.0.0.1").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::get("https://localhost/health").header("x-long", "x".repeat(20_000));
    let response = sender
        .send_request(request.body(Full::new(Bytes::new())).expect("a request"))
        .await;
    let told = told(response.expect("an answer")).await;
    assert_eq!(told.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(told.request_id, None);
    lab.close().await;
}

#[tokio::test]
async fn sts_answers_over_http_1_and_http_2() {
    let lab = Lab::open().await;
    let administrator = lab.administrators_credentials();
    let told_1 = Asked::query(&lab, WHOAMI)
        .send(&lab, &administrator, |_| {})
        .await;
    assert_eq!(told_1.status, 200, "{}", told_1.body);
    assert!(
        told_1
            .body
            .contains("<Arn>arn:aws:iam::123456789012:user/admin</Arn>"),
        "{}",
        told_1.body
    );

    let stream = connect_tls(&lab, &[b"h2"], "127.0.0.1").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::builder()
        .uri(format!("https://{}/health", lab.address))
        .body(Full::<Bytes>::default());
    let told_2 = told(
        sender
            .send_request(request.expect("a request"))
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(told_2.status, 200);
    lab.close().await;
}
