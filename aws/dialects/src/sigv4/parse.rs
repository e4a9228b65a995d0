//! Reading a signed request: what its signature claims, what it covers, and the canonical form of that.

use aws_lc_rs::digest;
use http::request::Parts;
use http::{HeaderName, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::canonical;
use super::claim::{Claim, is_presigned, text};
use super::{Payload, SignatureError, SignedRequest};

/// More signed headers than any client sends.
const MAX_SIGNED_HEADERS: usize = 64;

/// Headers that decide what a request means: two of one kind are refused rather than chosen from.
const SINGLE_HEADERS: [&str; 7] = [
    "host",
    "authorization",
    "content-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
];

/// `x-amz-*` headers that may be there unsigned.
///
/// The date is part of the string to sign; AWS's agent sends an unsigned digest beside its RSA signature, which is
/// then not believed; browsers name themselves after signing.
const MAY_BE_UNSIGNED: [&str; 3] = ["x-amz-date", "x-amz-content-sha256", "x-amz-user-agent"];

/// Whether the request carries anything that claims to be a signature.
pub fn is_signed(parts: &Parts) -> bool {
    parts.headers.contains_key(header::AUTHORIZATION) || is_presigned(parts)
}

/// The service in the scope of a request's signature, if that much of it can be read.
pub fn scope_service(parts: &Parts) -> Option<String> {
    let scope = Claim::of_request(parts).ok()?.scope().ok()?;
    Some(scope.service)
}

/// Reads the signature and canonicalises everything it covers except the body.
///
/// # Errors
/// [`SignatureError::Missing`] without a signature; otherwise what is malformed, ambiguous or not covered.
pub fn parse(parts: &Parts) -> Result<SignedRequest, SignatureError> {
    for name in SINGLE_HEADERS {
        if parts.headers.get_all(name).iter().count() > 1 {
            return Err(SignatureError::Ambiguous(name));
        }
    }
    let claim = Claim::of_request(parts)?;
    let scope = claim.scope()?;
    let signed_at = instant(&claim.amz_date).ok_or_else(|| {
        SignatureError::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
            claim.amz_date
        ))
    })?;
    if claim.amz_date.get(..8) != Some(scope.date.as_str()) {
        return Err(SignatureError::ScopeDate {
            scope: scope.date,
            request: claim.amz_date[..8].to_owned(),
            amz_date: claim.amz_date,
        });
    }
    let signed_headers = signed_headers(&claim.signed_headers)?;
    check_coverage(parts, &signed_headers, claim.expires_seconds.is_some())?;
    let host = host(parts)?;
    if scope.service != "s3" && !canonical::is_normal(parts.uri.path()) {
        return Err(SignatureError::MalformedTarget);
    }
    let head = canonical::head(parts, &host, &signed_headers, &scope.service)
        .map_err(|canonical::Malformed| SignatureError::MalformedTarget)?;
    let (payload, payload_line) = payload(parts, &signed_headers, &claim, &scope.service)?;
    Ok(SignedRequest {
        access_key_id: claim.access_key_id()?.to_owned(),
        scope,
        session_token: claim.session_token,
        payload,
        payload_line,
        signed_at,
        amz_date: claim.amz_date,
        expires_seconds: claim.expires_seconds,
        signed_headers,
        canonical_head: head,
        proof: claim.proof,
    })
}

fn signed_headers(list: &str) -> Result<Vec<HeaderName>, SignatureError> {
    let broken = || {
        SignatureError::Incomplete(
            "SignedHeaders must be lower-case header names, sorted, separated by ';'".to_owned(),
        )
    };
    let names = list.split(';').collect::<Vec<_>>();
    if names.len() > MAX_SIGNED_HEADERS || !names.is_sorted_by(|a, b| a < b) {
        return Err(broken());
    }
    names
        .into_iter()
        .map(|name| {
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return Err(broken());
            }
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken())
        })
        .collect()
}

/// Refuses a request whose meaning depends on something the signature does not cover.
fn check_coverage(parts: &Parts, signed: &[HeaderName], presigned: bool) -> Result<(), SignatureError> {
    if !signed.contains(&header::HOST) {
        return Err(SignatureError::HeaderNotSigned("host".to_owned()));
    }
    for name in parts.headers.keys() {
        let must = (name.as_str().starts_with("x-amz-") && !MAY_BE_UNSIGNED.contains(&name.as_str()))
            // A presigned link is opened by programs that add a type of their own.
            || (name == header::CONTENT_TYPE && !presigned);
        if must && !signed.contains(name) {
            return Err(SignatureError::HeaderNotSigned(name.to_string()));
        }
    }
    let absent = signed
        .iter()
        .find(|name| **name != header::HOST && !parts.headers.contains_key(*name));
    match absent {
        Some(_) => Err(SignatureError::Mismatch),
        None => Ok(()),
    }
}

/// The host addressed: the `Host` header, or HTTP/2's authority; both only when they agree.
fn host(parts: &Parts) -> Result<Vec<u8>, SignatureError> {
    let header = parts
        .headers
        .get(header::HOST)
        .map(|value| value.as_bytes().trim_ascii());
    let authority = parts
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    match (header, authority) {
        (Some(header), Some(authority)) if header != authority => Err(SignatureError::Ambiguous("host")),
        (Some(host), _) | (None, Some(host)) if !host.is_empty() => Ok(host.to_vec()),
        _ => Err(SignatureError::HeaderNotSigned("host".to_owned())),
    }
}

/// What the last line of the canonical request says, and whether that covers the body.
///
/// A digest is believed only from a signed header or from the query; otherwise the body itself is hashed.
fn payload(
    parts: &Parts,
    signed: &[HeaderName],
    claim: &Claim,
    service: &str,
) -> Result<(Payload, Option<String>), SignatureError> {
    let name = HeaderName::from_static("x-amz-content-sha256");
    let header = text(&parts.headers, "x-amz-content-sha256")?.filter(|_| signed.contains(&name));
    let line = match (header, claim.content_sha256.as_deref()) {
        (Some(_), Some(_)) => return Err(SignatureError::Ambiguous("x-amz-content-sha256")),
        (Some(line), None) | (None, Some(line)) => line,
        (None, None) if claim.expires_seconds.is_some() && service == "s3" => "UNSIGNED-PAYLOAD",
        (None, None) => return Ok((Payload::Signed, None)),
    };
    let payload = match line {
        "UNSIGNED-PAYLOAD" => Payload::Unsigned,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::StreamingUnsignedTrailer,
        // Nobody but S3 takes a body in pieces.
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" if service == "s3" => Payload::StreamingSigned,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" if service == "s3" => Payload::StreamingSignedTrailer,
        hash if hash.len() == digest::SHA256_OUTPUT_LEN * 2
            && hash.bytes().all(|b| b.is_ascii_hexdigit()) =>
        {
            Payload::Signed
        }
        _ => {
            return Err(SignatureError::Incomplete(
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER \
                 or a valid sha256 value."
                    .to_owned(),
            ));
        }
    };
    Ok((payload, Some(line.to_owned())))
}

/// Reads `YYYYMMDD'T'HHMMSS'Z'`.
fn instant(amz_date: &str) -> Option<Timestamp> {
    let exact = amz_date.len() == 16
        && amz_date.bytes().enumerate().all(|(index, byte)| match index {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !exact {
        return None;
    }
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", amz_date).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
