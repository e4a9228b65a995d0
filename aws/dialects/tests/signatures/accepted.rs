//! What botocore, openssl and AWS's documentation sign is accepted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drawbridge_aws_dialects::sigv4::{self, Payload};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::{Fixture, botocore, named, node, now, parts, sha256};

#[test]
fn everything_botocore_signs() {
    let fixtures = botocore();
    assert!(fixtures.requests.len() >= 14);
    for fixture in &fixtures.requests {
        let outcome = fixture.verify(fixtures.now);
        assert!(outcome.is_ok(), "{}: {outcome:?}", fixture.name);
        let signed = fixture.parsed();
        assert_eq!(signed.scope().service, fixture.service);
        assert_eq!(signed.scope().region, "us-east-1");
        assert_eq!(signed.signed_at(), fixtures.now);
        assert_eq!(
            signed.is_presigned(),
            fixture.name.contains("presigned"),
            "{}",
            fixture.name
        );
        let payload = match fixture.name.as_str() {
            "s3 unsigned payload" | "s3 presigned" => Payload::Unsigned,
            "s3 streaming trailer" => Payload::StreamingUnsignedTrailer,
            _ => Payload::Signed,
        };
        assert_eq!(signed.payload(), payload, "{}", fixture.name);
    }
}

#[test]
fn clocks_may_be_five_minutes_off() {
    let fixture = named("json");
    for seconds in [-300, -1, 0, 1, 300] {
        assert!(
            fixture.verify(now() + SignedDuration::from_secs(seconds)).is_ok(),
            "{seconds}"
        );
    }
}

#[test]
fn presigned_requests_last_as_long_as_they_say() {
    let fixture = named("data channel presigned");
    assert!(fixture.verify(now() + SignedDuration::from_secs(60)).is_ok());
    assert!(fixture.verify(now() + SignedDuration::from_secs(61)).is_err());
    assert!(fixture.verify(now() - SignedDuration::from_secs(300)).is_ok());
    assert!(fixture.verify(now() - SignedDuration::from_secs(301)).is_err());
}

#[test]
fn an_uncovered_body_may_differ() {
    let mut fixture = named("s3 unsigned payload");
    fixture.body = "another".to_owned();
    assert!(fixture.verify(now()).is_ok());
}

#[test]
fn http2_names_the_host_in_its_authority() {
    let mut fixture = named("json").without("host");
    fixture.target = "https://bridge.example:8443/".to_owned();
    assert!(fixture.verify(now()).is_ok());
    let fixture = fixture.with("host", "bridge.example:8443");
    assert!(fixture.verify(now()).is_ok());
}

#[test]
fn the_agents_unsigned_digest_is_not_believed() {
    let mut fixture = named("json").with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    assert_eq!(fixture.parsed().payload(), Payload::Signed);
    assert!(fixture.verify(now()).is_ok());
    fixture.body.push(' ');
    assert!(fixture.verify(now()).is_err());
}

#[test]
fn a_node_signs_with_rsa() {
    let node = node();
    let signed = sigv4::parse(&node.parts()).unwrap();
    let public_key = STANDARD.decode(&node.public_key).unwrap();
    assert!(signed.is_rsa());
    assert_eq!(signed.access_key_id(), node.node_id);
    let digest = sha256(node.body.as_bytes());
    assert!(signed.verify_rsa(&public_key, &digest, node.now).is_ok());

    let other = crate::signed::node_key();
    assert!(
        signed
            .verify_rsa(&crate::signed::public_der(&other), &digest, node.now)
            .is_err()
    );
    assert!(signed.verify_rsa(b"not a key", &digest, node.now).is_err());
    assert!(signed.verify_rsa(&public_key, &sha256(b"{}"), node.now).is_err());
    assert!(
        signed
            .verify_rsa(&public_key, &digest, node.now + SignedDuration::from_secs(301))
            .is_err()
    );
    assert!(
        signed.verify(&node.public_key, &digest, node.now).is_err(),
        "the public key is not a secret"
    );
}

/// A published example: method, target, headers, secret, body, time.
fn example(method: &str, target: &str, headers: &[(&str, &str)], secret: &str, body: &str, at: &str) {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect::<Vec<_>>();
    let signed = sigv4::parse(&parts(method, target, &headers).unwrap()).unwrap();
    let at: Timestamp = at.parse().unwrap();
    let outcome = signed.verify(secret, &sha256(body.as_bytes()), at);
    assert!(outcome.is_ok(), "{method} {target}: {outcome:?}");
}

#[test]
fn the_documentations_examples() {
    let suite = |method: &str, target: &str, signature: &str| {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let headers = [
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", authorization.as_str()),
        ];
        example(
            method,
            target,
            &headers,
            crate::fixture::SECRET,
            "",
            "2015-08-30T12:36:00Z",
        );
    };
    suite(
        "GET",
        "/",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    suite(
        "POST",
        "/",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
    suite(
        "GET",
        "/?Param2=value2&Param1=value1",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    example(
        "GET",
        "/?Action=ListUsers&Version=2010-05-08",
        &[
            ("host", "iam.amazonaws.com"),
            ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
            ("x-amz-date", "20150830T123600Z"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ],
        crate::fixture::SECRET,
        "",
        "2015-08-30T12:36:00Z",
    );
    example(
        "GET",
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        &[("host", "examplebucket.s3.amazonaws.com")],
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "",
        "2013-05-24T23:00:00Z",
    );
}

#[test]
fn header_order_and_spacing_do_not_matter() {
    let mut fixture: Fixture = named("empty body and odd headers");
    fixture.headers.reverse();
    *fixture.header("x-amz-custom") = "a b    c".to_owned();
    let authorization = fixture.header("authorization");
    *authorization = authorization.replace(", ", ",");
    assert!(fixture.verify(now()).is_ok());
}
