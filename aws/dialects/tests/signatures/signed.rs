//! What this crate signs, this crate and botocore's rules accept.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use drawbridge_aws_dialects::sigv4::{
    Credentials, Payload, RsaSigner, Signing, parse, presign, sign, sign_rsa,
};
use http::Request;
use http::request::Parts;
use proptest::prelude::*;
use secrecy::SecretString;

use crate::fixture::{KEY, SECRET, botocore, named, now, sha256};

pub(crate) fn node_key() -> KeyPair {
    KeyPair::generate(KeySize::Rsa2048).unwrap()
}

pub(crate) fn public_der(key: &KeyPair) -> Vec<u8> {
    let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    der.as_ref().to_vec()
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: KEY.to_owned(),
        secret_access_key: SecretString::from(SECRET),
        session_token: token.map(SecretString::from),
    }
}

fn signing(service: &str) -> Signing<'_> {
    Signing {
        region: "us-east-1",
        service,
        now: now(),
    }
}

fn request(method: &str, uri: &str) -> Parts {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(())
        .unwrap()
        .into_parts()
        .0
}

#[test]
fn signs_exactly_as_botocore() {
    for fixture in &botocore().requests {
        // botocore covers every header; this crate covers those that matter.
        if fixture.name.contains("presigned") || fixture.name.contains("odd") || fixture.name.contains("s3 ")
        {
            continue;
        }
        let expected = fixture.clone().header("authorization").clone();
        let mut parts = fixture
            .clone()
            .without("authorization")
            .without("x-amz-date")
            .without("x-amz-security-token")
            .parts()
            .unwrap();
        let digest = sha256(fixture.body.as_bytes());
        let credentials = credentials(fixture.token.as_deref());
        sign(
            &mut parts,
            Payload::Signed,
            &digest,
            &credentials,
            signing(&fixture.service),
        )
        .unwrap();
        assert_eq!(parts.headers["authorization"], expected, "{}", fixture.name);
    }
}

#[test]
fn a_nodes_signature_verifies_with_its_public_key_only() {
    let key = node_key();
    let public = public_der(&key);
    let signer = RsaSigner::new("mi-0123456789abcdef0", key);
    let mut parts = request("POST", "https://bridge.example/");
    parts
        .headers
        .insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
    parts.headers.insert(
        "x-amz-target",
        "AmazonSSM.RequestManagedInstanceRoleToken".parse().unwrap(),
    );
    sign_rsa(&mut parts, &sha256(b"{}"), &signer, signing("ssm")).unwrap();
    let authorization = parts.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="));
    let signed = parse(&parts).unwrap();
    assert!(signed.verify_rsa(&public, &sha256(b"{}"), now()).is_ok());
    assert!(
        signed
            .verify_rsa(&public_der(&node_key()), &sha256(b"{}"), now())
            .is_err()
    );
    assert!(!format!("{signer:?}").contains("key:"));
}

#[test]
fn an_access_keys_signature_is_not_a_nodes() {
    let signed = named("json").parsed();
    assert!(!signed.is_rsa());
    assert!(
        signed
            .verify_rsa(
                &public_der(&node_key()),
                &sha256(named("json").body.as_bytes()),
                now()
            )
            .is_err()
    );
}

#[test]
fn unsigned_payloads_say_so() {
    for (payload, line) in [
        (Payload::Unsigned, "UNSIGNED-PAYLOAD"),
        (
            Payload::StreamingUnsignedTrailer,
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ),
    ] {
        let mut parts = request("PUT", "https://bridge.example/bucket/key");
        sign(&mut parts, payload, &[0; 32], &credentials(None), signing("s3")).unwrap();
        assert_eq!(parts.headers["x-amz-content-sha256"], line);
        let signed = parse(&parts).unwrap();
        assert_eq!(signed.payload(), payload);
        assert!(signed.verify(SECRET, &sha256(b"whatever"), now()).is_ok());
    }
}

#[test]
fn what_cannot_be_sent_is_an_error() {
    let signing = signing("ssm");
    let digest = sha256(b"");
    let mut hostless = request("GET", "/");
    assert!(
        sign(
            &mut hostless,
            Payload::Signed,
            &digest,
            &credentials(None),
            signing
        )
        .is_err()
    );
    let mut broken = request("GET", "https://h/%zz");
    assert!(sign(&mut broken, Payload::Signed, &digest, &credentials(None), signing).is_err());
    let mut injected = request("GET", "https://h/");
    let token = credentials(Some("a\r\nx-evil: 1"));
    assert!(sign(&mut injected, Payload::Signed, &digest, &token, signing).is_err());
}

proptest! {
    #[test]
    fn any_target_signed_here_is_accepted_here(
        path in "(/[A-Za-z0-9%+=,.@_~-]{1,12}){0,4}",
        query in "([A-Za-z]{1,4}=[A-Za-z0-9+%/ü]{0,6}&){0,4}",
        token in prop::option::of("[A-Za-z0-9+/=]{1,40}"),
        service in prop::sample::select(vec!["ssm", "ssmmessages", "s3", "sts"]),
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let encode = |text: &str| text.replace('%', "%25").replace('ü', "%C3%BC");
        // A segment of dots only is refused by design.
        let path = encode(&path).replace("/.", "/x.");
        let uri = format!("https://bridge.example{path}?{}", encode(&query));
        let credentials = credentials(token.as_deref());
        let digest = sha256(&body);

        let mut parts = request("POST", &uri);
        sign(&mut parts, Payload::Signed, &digest, &credentials, signing(service)).unwrap();
        let signed = parse(&parts).unwrap();
        prop_assert!(signed.verify(SECRET, &digest, now()).is_ok());
        prop_assert!(signed.verify("another secret", &digest, now()).is_err());
        prop_assert_eq!(signed.session_token().is_some(), token.is_some());

        let presigned = presign(&uri.parse().unwrap(), 60, &credentials, signing(service)).unwrap();
        let signed = parse(&request("GET", &presigned.to_string())).unwrap();
        prop_assert!(signed.is_presigned());
        prop_assert!(signed.verify(SECRET, &sha256(b""), now()).is_ok());
    }
}
