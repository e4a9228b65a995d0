//! One test per way of being wrong, with the code and text that a client sees.

use drawbridge_aws_dialects::error::Family;
use drawbridge_aws_dialects::sigv4::{SignatureError, parse};
use http::StatusCode;
use jiff::SignedDuration;

use crate::fixture::{Fixture, botocore, named, now};

/// The refusal of a request at the time it was signed.
fn refusal(fixture: &Fixture) -> SignatureError {
    fixture.verify(now()).map(|_| ()).unwrap_err()
}

fn json(error: &SignatureError) -> (String, String) {
    let error = error.to_error(Family::Json);
    assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    (error.code().to_owned(), error.message().to_owned())
}

#[test]
fn nothing_signed_is_missing_authentication() {
    let error = refusal(&named("json").without("authorization"));
    assert_eq!(json(&error).0, "MissingAuthenticationTokenException");
    let query = error.to_error(Family::Query);
    assert_eq!(
        (query.code(), query.status()),
        ("MissingAuthenticationToken", StatusCode::FORBIDDEN)
    );
}

#[test]
fn expiry_and_skew_read_as_from_aws() {
    let fixture = named("json");
    let late = fixture.verify(now() + SignedDuration::from_mins(10)).unwrap_err();
    assert_eq!(
        json(&late),
        (
            "InvalidSignatureException".to_owned(),
            "Signature expired: 20261120T120000Z is now earlier than 20261120T120500Z (20261120T121000Z - 5 min.)"
                .to_owned()
        )
    );
    let early = fixture.verify(now() - SignedDuration::from_mins(10)).unwrap_err();
    assert_eq!(
        json(&early).1,
        "Signature not yet current: 20261120T120000Z is still later than 20261120T115500Z \
         (20261120T115000Z + 5 min.)"
    );
    assert_eq!(late.to_error(Family::Query).code(), "SignatureDoesNotMatch");
}

#[test]
fn ec2_has_one_code_for_most_refusals() {
    let told = |error: &SignatureError| {
        let error = error.to_error(Family::Ec2);
        (error.code().to_owned(), error.status().as_u16())
    };
    let fixture = named("json");
    let later = |minutes| {
        fixture
            .verify(now() + SignedDuration::from_mins(minutes))
            .unwrap_err()
    };
    for (error, code, status) in [
        (SignatureError::UnknownAccessKey, "AuthFailure", 401),
        (SignatureError::InvalidSessionToken, "AuthFailure", 401),
        (SignatureError::Mismatch, "AuthFailure", 401),
        (SignatureError::WrongRegion, "AuthFailure", 401),
        (SignatureError::ExpiredSessionToken, "RequestExpired", 400),
        (later(10), "RequestExpired", 400),
        (later(-10), "RequestExpired", 400),
        (SignatureError::Missing, "MissingAuthenticationToken", 403),
        (
            SignatureError::Incomplete("x".to_owned()),
            "IncompleteSignature",
            400,
        ),
    ] {
        assert_eq!(told(&error), (code.to_owned(), status), "{error}");
    }
    assert_eq!(
        SignatureError::Mismatch.to_error(Family::Ec2).message(),
        "AWS was not able to validate the provided access credentials"
    );
}

#[test]
fn a_wrong_signature_says_to_check_the_key() {
    let mut fixture = named("json");
    fixture.body.push('x');
    let (code, text) = json(&refusal(&fixture));
    assert_eq!(code, "InvalidSignatureException");
    assert!(
        text.starts_with("The request signature we calculated does not match"),
        "{text}"
    );
}

#[test]
fn incomplete_headers_name_what_is_missing() {
    for (authorization, expected) in [
        (
            "AWS4-HMAC-SHA256",
            "requires 'Credential' parameter. Authorization header requires 'Signature'",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host",
            "requires 'Signature' parameter",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=, SignedHeaders=, Signature=",
            "requires 'Credential' parameter",
        ),
        ("Bearer abc", "Unsupported AWS 'algorithm': 'Bearer'"),
        (
            "AWS4-ECDSA-P256-SHA256 Credential=a",
            "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'",
        ),
        ("aws4-hmac-sha256 Credential=a", "Unsupported AWS 'algorithm'"),
        ("AWS4-HMAC-SHA256 Shoe=1", "'Shoe' not a valid key=value pair"),
    ] {
        let mut fixture = named("json");
        *fixture.header("authorization") = authorization.to_owned();
        let error = refusal(&fixture);
        let (code, text) = json(&error);
        assert_eq!(code, "IncompleteSignatureException", "{authorization}");
        assert!(text.contains(expected), "{authorization}: {text}");
        assert_eq!(error.to_error(Family::Query).code(), "IncompleteSignature");
    }
    let error = refusal(&named("json").without("x-amz-date"));
    assert!(
        matches!(error, SignatureError::Mismatch | SignatureError::Incomplete(_)),
        "{error:?}"
    );
}

#[test]
fn a_wrong_scope_is_refused() {
    for (from, to, code) in [
        ("us-east-1/ssm", "eu-west-1/ssm", "InvalidSignatureException"),
        ("us-east-1/ssm", "us-east-1/sts", "InvalidSignatureException"),
        ("20261120/", "20261119/", "InvalidSignatureException"),
        ("aws4_request", "aws5_request", "IncompleteSignatureException"),
        ("/us-east-1", "", "IncompleteSignatureException"),
        (
            "Credential=AKIDEXAMPLE",
            "Credential=",
            "IncompleteSignatureException",
        ),
    ] {
        let mut fixture = named("json");
        let authorization = fixture.header("authorization");
        *authorization = authorization.replacen(from, to, 1);
        assert_eq!(json(&refusal(&fixture)).0, code, "{from} -> {to}");
    }
    let mut fixture = named("json");
    let authorization = fixture.header("authorization");
    *authorization = authorization.replace("20261120/", "20261119/");
    assert_eq!(
        json(&refusal(&fixture)).1,
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '20261119' != '20261120', from '20261120T120000Z'."
    );
}

#[test]
fn two_of_a_kind_are_ambiguous() {
    for name in [
        "host",
        "authorization",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-target",
        "content-type",
    ] {
        let fixture = named("json with session token");
        let same = fixture.clone().header(name).clone();
        for second in [same.as_str(), "other"] {
            let error = refusal(&fixture.clone().with(name, second));
            assert!(matches!(error, SignatureError::Ambiguous(_)), "{name}: {error:?}");
        }
    }
    let mut fixture = named("json");
    fixture.target = "https://elsewhere.example/".to_owned();
    assert!(matches!(refusal(&fixture), SignatureError::Ambiguous("host")));
}

#[test]
fn a_signature_in_two_places_is_ambiguous() {
    let presigned = named("data channel presigned");
    let authorization = named("json").header("authorization").clone();
    assert!(matches!(
        refusal(&presigned.clone().with("authorization", &authorization)),
        SignatureError::Ambiguous(_)
    ));
    let mut twice = presigned.clone();
    twice.target.push_str("&X-Amz-Expires=604800");
    assert!(matches!(refusal(&twice), SignatureError::Ambiguous(_)));
    let mut token = named("presigned with session token");
    token = token.with("x-amz-security-token", "smuggled");
    assert!(matches!(refusal(&token), SignatureError::Ambiguous(_)));
    let smuggled = presigned.with("x-amz-security-token", "smuggled");
    assert!(matches!(refusal(&smuggled), SignatureError::HeaderNotSigned(_)));
}

#[test]
fn what_gives_a_request_its_meaning_must_be_signed() {
    for (name, value) in [
        ("x-amz-security-token", "t"),
        ("x-amz-anything", "1"),
        ("x-amz-target", "AmazonSSM.X"),
    ] {
        let fixture = named("control channel upgrade").without(name).with(name, value);
        let fixture = if name == "x-amz-security-token" {
            named("json").with(name, value)
        } else {
            fixture
        };
        assert!(
            matches!(refusal(&fixture), SignatureError::HeaderNotSigned(_)),
            "{name}"
        );
    }
    let typed = named("query as GET").with("content-type", "application/json");
    assert!(matches!(refusal(&typed), SignatureError::HeaderNotSigned(_)));

    let mut hostless = named("json");
    let authorization = hostless.header("authorization");
    *authorization = authorization.replace("host;", "");
    assert_eq!(
        json(&refusal(&hostless)).1,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn signed_header_lists_have_one_form() {
    for list in [
        "host;content-type;x-amz-date;x-amz-target",
        "content-type;content-type;host;x-amz-date;x-amz-target",
        "Content-Type;host;x-amz-date;x-amz-target",
        "content-type;;host;x-amz-date;x-amz-target",
        "content-type;ho st;x-amz-date;x-amz-target",
    ] {
        let mut fixture = named("json");
        let authorization = fixture.header("authorization");
        *authorization = authorization.replace("content-type;host;x-amz-date;x-amz-target", list);
        let error = refusal(&fixture);
        assert!(
            matches!(
                error,
                SignatureError::Incomplete(_) | SignatureError::HeaderNotSigned(_)
            ),
            "{list}: {error:?}"
        );
    }
}

#[test]
fn paths_that_could_mean_two_things_are_refused() {
    for (from, to) in [
        ("/v1/", "//v1/"),
        ("/v1/", "/x/../v1/"),
        ("/v1/", "/./v1/"),
        ("%2B", "%2b"),
        ("%2B", "+"),
        ("%2B", "%252B"),
        ("user%2B", "%"),
    ] {
        let mut fixture = named("data channel with encoded id");
        fixture.target = fixture.target.replacen(from, to, 1);
        let error = refusal(&fixture);
        assert_eq!(json(&error).0, "InvalidSignatureException", "{from} -> {to}");
    }
}

#[test]
fn presigned_requests_need_every_parameter() {
    let fixture = named("data channel presigned");
    for name in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ] {
        let mut fixture = fixture.clone();
        fixture.target = fixture.target.replace(name, "X-Other");
        let error = refusal(&fixture);
        assert!(
            matches!(&error, SignatureError::Incomplete(text) if text.contains(name)),
            "{name}: {error:?}"
        );
    }
    for expires in ["604801", "-1", "x", "", "99999999999"] {
        let mut fixture = fixture.clone();
        fixture.target = fixture
            .target
            .replace("X-Amz-Expires=60", &format!("X-Amz-Expires={expires}"));
        assert!(
            matches!(refusal(&fixture), SignatureError::Incomplete(_)),
            "{expires}"
        );
    }
}

#[test]
fn signatures_have_one_spelling() {
    let mut fixture = named("json");
    let authorization = fixture.header("authorization");
    let at = authorization.rfind('=').unwrap() + 1;
    *authorization = format!("{}{}", &authorization[..at], authorization[at..].to_uppercase());
    assert!(matches!(refusal(&fixture), SignatureError::Mismatch));
}

#[test]
fn dates_have_one_form() {
    for date in [
        "20261120T120000",
        "2026-11-20T12:00:00Z",
        "20261320T120000Z",
        "99999999T999999Z",
        "",
        "é",
    ] {
        let mut fixture = named("json");
        *fixture.header("x-amz-date") = date.to_owned();
        assert_eq!(
            json(&refusal(&fixture)).0,
            "IncompleteSignatureException",
            "{date}"
        );
    }
}

#[test]
fn nothing_printed_repeats_a_token_or_signature() {
    for fixture in &botocore().requests {
        let printed = format!("{:?}", parse(&fixture.parts().unwrap()).unwrap());
        assert!(!printed.contains("session/token"), "{printed}");
        assert!(!printed.contains("Signature="), "{printed}");
    }
}
