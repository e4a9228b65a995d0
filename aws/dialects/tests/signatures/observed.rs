//! What AWS's agent signs is accepted.
//!
//! `fixtures/amazon-ssm-agent.json` has requests of an unmodified agent, built from its public source of October 2024, to a
//! Drawbridge server that is gone, with the keys that it had then.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_aws_dialects::sigv4::{self, Payload};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::fixture::{parts, sha256};

#[derive(Deserialize)]
struct Observed {
    node_id: String,
    public_key: String,
    access_key: String,
    secret: String,
    token: String,
    role_token: Request,
    requests: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    service: String,
    #[serde(flatten)]
    request: Request,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

#[test]
fn the_agents_own_key_asks_for_credentials() {
    let observed = observed();
    let request = &observed.role_token;
    let parts = parts(&request.method, &request.target, &request.headers).unwrap();
    assert_eq!(parts.headers["transfer-encoding"], "chunked");
    let signed = sigv4::parse(&parts).unwrap();
    assert_eq!(signed.access_key_id(), observed.node_id);
    let key = STANDARD.decode(&observed.public_key).unwrap();
    let now = signed.signed_at();
    let body = sha256(request.body.as_bytes());
    assert!(signed.verify_rsa(&key, &body, now).is_ok());
    let another = sha256(br#"{"Fingerprint":"00000000-0000-4000-8000-000000000000"}"#);
    assert!(signed.verify_rsa(&key, &another, now).is_err());
    assert!(
        signed
            .verify_rsa(&key, &body, now + SignedDuration::from_mins(6))
            .is_err()
    );
}

#[test]
fn its_role_credentials_sign_the_rest() {
    let observed = observed();
    assert_eq!(observed.requests.len(), 7);
    for Named {
        name,
        service,
        request,
    } in &observed.requests
    {
        let parts = parts(&request.method, &request.target, &request.headers).unwrap();
        let signed = sigv4::parse(&parts).unwrap();
        assert_eq!(signed.scope().service, *service, "{name}");
        assert_eq!(signed.access_key_id(), observed.access_key, "{name}");
        let token = signed.session_token().map(|token| token.expose_secret());
        assert_eq!(token, Some(observed.token.as_str()), "{name}");
        assert_eq!(signed.payload(), Payload::Signed, "{name}");
        let now: Timestamp = signed.signed_at();
        let body = sha256(request.body.as_bytes());
        let outcome = signed.verify(&observed.secret, &body, now);
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
        assert!(signed.verify("another", &body, now).is_err(), "{name}");
    }
}

fn observed() -> Observed {
    serde_json::from_str(include_str!("../fixtures/amazon-ssm-agent.json")).unwrap()
}
