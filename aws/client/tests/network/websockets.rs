//! Websocket upgrades over TLS, signed and unsigned, accepted and refused.

use crate::server::{Server, now};
use drawbridge_aws_client::{Auth, CallError, Credentials};
use drawbridge_aws_dialects::sigv4::{self, Signing};
use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::SecretString;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// SHA-256 of nothing.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Refuses an upgrade whose signature is there and wrong; echoes messages.
#[expect(clippy::result_large_err, reason = "the library's callback")]
async fn echoing() -> Server {
    Server::handling("localhost", false, |stream| async move {
        let check = |request: &Request, response: Response| {
            let (head, ()) = request.clone().into_parts();
            let checked = match sigv4::is_signed(&head) {
                true => sigv4::parse(&head).and_then(|signed| {
                    assert_eq!(signed.scope().service, "ssmmessages");
                    signed.verify("secret", &EMPTY, now()).map(|_| ())
                }),
                false => Ok(()),
            };
            match checked {
                Ok(()) => Ok(response),
                Err(_) => {
                    let mut refusal = ErrorResponse::new(Some(
                        r#"{"__type":"InvalidSignatureException","message":"no"}"#.into(),
                    ));
                    *refusal.status_mut() = http::StatusCode::FORBIDDEN;
                    let code = http::HeaderValue::from_static("InvalidSignatureException");
                    refusal.headers_mut().insert("x-amzn-errortype", code);
                    Err(refusal)
                }
            }
        };
        let Ok(mut socket) = accept_hdr_async(stream, check).await else {
            return;
        };
        while let Some(Ok(message)) = socket.next().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    })
    .await
}

fn credentials(secret: &str) -> Credentials {
    Credentials {
        access_key_id: "AKIAEXAMPLE".to_owned(),
        secret_access_key: SecretString::from(secret),
        session_token: None,
    }
}

fn url(server: &Server) -> String {
    format!(
        "wss://localhost:{}/v1/data-channel/user%2Bx-0123?role=publish_subscribe",
        server.address.port()
    )
}

#[tokio::test]
async fn upgrades_signed_and_unsigned() {
    let server = echoing().await;
    let client = server.client(now());
    let good = credentials("secret");
    for auth in [Auth::Unsigned, Auth::Credentials(&good)] {
        let mut socket = client.open_websocket(&url(&server), auth).await.unwrap();
        let message = Message::Binary(Bytes::from(vec![7; 300_000]));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
}

#[tokio::test]
async fn a_presigned_url_is_left_alone() {
    let server = echoing().await;
    let url = url(&server).replace("wss://", "https://").parse().unwrap();
    let signing = Signing {
        region: "us-east-1",
        service: "ssmmessages",
        now: now(),
    };
    let presigned = sigv4::presign(&url, 60, &credentials("secret"), signing)
        .unwrap()
        .to_string();
    let presigned = presigned.replace("https://", "wss://");
    let wrong = credentials("other");
    assert!(
        server
            .client(now())
            .open_websocket(&presigned, Auth::Credentials(&wrong))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_refused_upgrade_says_why() {
    let server = echoing().await;
    let wrong = credentials("other");
    let error = server
        .client(now())
        .open_websocket(&url(&server), Auth::Credentials(&wrong))
        .await
        .unwrap_err();
    assert!(
        matches!(error, CallError::Aws { .. } | CallError::Status { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn urls_are_checked_before_anything_is_opened() {
    let server = echoing().await;
    let client = server.client(now());
    for bad in [
        "",
        "/v1/x",
        "ftp://localhost/x",
        "wss://",
        "wss://user:pass@localhost/x",
        "not a url",
    ] {
        let error = client.open_websocket(bad, Auth::Unsigned).await.unwrap_err();
        assert!(matches!(error, CallError::Url { .. }), "{bad}: {error}");
    }
}
