//! Buckets over TLS: requests are signed as S3 wants them signed.

use aws_lc_rs::digest;
use bytes::Bytes;
use drawbridge_aws_client::{Auth, Bucket, CallError, Credentials};
use drawbridge_aws_dialects::sigv4;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use secrecy::SecretString;
use std::sync::Arc;

use crate::server::{Server, now};

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: SecretString::from("secret"),
        session_token: Some(SecretString::from("token/+=")),
    }
}

/// Answers what the path and query ask for, when the signature is right.
fn answer(request: Request<Bytes>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let sha256: [u8; 32] = digest::digest(&digest::SHA256, &body)
        .as_ref()
        .try_into()
        .unwrap();
    let signed = sigv4::parse(&head).expect("signed");
    assert_eq!(
        (signed.scope().service.as_str(), signed.scope().region.as_str()),
        ("s3", "us-east-1")
    );
    let verified = signed.verify("secret", &sha256, now());
    assert!(verified.is_ok(), "the signature is wrong");
    assert_eq!(head.headers["x-amz-content-sha256"], hex(&sha256).as_str());
    if head.method == Method::PUT {
        assert_eq!(head.headers["content-md5"].len(), 24);
    }
    let target = head.uri.to_string();
    let (status, body) = match (head.method.as_str(), target.as_str()) {
        ("HEAD", "/logs/") => (403, ""),
        ("GET", "/logs/?encryption=") => (200, "<C><SSEAlgorithm>AES256</SSEAlgorithm></C>"),
        ("PUT", "/logs/dev/a%20b.log") => (200, ""),
        ("PUT", "/logs/no") => (
            403,
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
        ),
        ("POST", "/logs/dev/a%20b.log?uploads=") => (200, "<R><UploadId>u/1+</UploadId></R>"),
        ("PUT", "/logs/dev/a%20b.log?partNumber=1&uploadId=u%2F1%2B") => (200, ""),
        ("POST", "/logs/dev/a%20b.log?uploadId=u%2F1%2B") => {
            (200, "<Error><Code>InternalError</Code></Error>")
        }
        ("DELETE", "/logs/dev/a%20b.log?uploadId=u%2F1%2B") => (204, ""),
        other => panic!("{other:?} was asked for"),
    };
    Response::builder()
        .status(status)
        .header("x-amz-bucket-region", "eu-west-1")
        .header("etag", "\"1\"")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn every_request_is_signed_and_says_what_the_server_said() {
    let server = Server::answering(answer).await;
    let bucket = Bucket::new(
        "logs",
        Some(server.endpoint()),
        "us-east-1",
        server.connector(),
        Arc::new(now),
    );
    let credentials = credentials();
    let auth = Auth::Credentials(&credentials);
    let key = "dev/a b.log";
    let body = Bytes::from_static(b"x");
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-acl", HeaderValue::from_static("private"));

    assert_eq!(bucket.region(auth).await.unwrap().as_deref(), Some("eu-west-1"));
    assert_eq!(
        bucket.encryption(auth).await.unwrap().unwrap().algorithm,
        "AES256"
    );
    bucket
        .put(key, headers.clone(), body.clone(), auth)
        .await
        .unwrap();
    let refused = bucket
        .put("no", headers.clone(), body.clone(), auth)
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "AccessDenied: Access Denied");

    let upload = bucket.begin(key, headers, auth).await.unwrap();
    let tag = bucket.put_part(&upload, 1, body, auth).await.unwrap();
    assert_eq!(tag, "\"1\"");
    let refused = bucket.complete(&upload, &[tag], auth).await.unwrap_err();
    assert!(
        matches!(&refused, CallError::Aws { code, .. } if code == "InternalError"),
        "{refused}"
    );
    bucket.abandon(&upload, auth).await.unwrap();
    assert_eq!(
        server.accepted.load(std::sync::atomic::Ordering::Relaxed),
        1,
        "one connection is kept"
    );
}
