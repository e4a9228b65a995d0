//! Reading a signature out of a request's headers or query.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use secrecy::SecretString;

use super::canonical::{self, SIGNATURE_PARAMETER};
use super::verify::MAX_PRESIGN_SECONDS;
use super::{ALGORITHM, Payload, Proof, Scope, SignatureError, SignedRequest};

/// How long a presigned request without `X-Amz-Expires` is valid, in seconds; Go's signer leaves it out.
const DEFAULT_EXPIRES_SECONDS: u32 = 5 * 60;

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
    let claim = match (text(&parts.headers, "authorization")?, is_presigned(parts)) {
        (None, false) => return Err(SignatureError::Missing),
        (Some(_), true) => {
            return Err(SignatureError::Ambiguous(
                "signature: in a header and in the query",
            ));
        }
        (Some(authorization), false) => of_header(parts, authorization)?,
        (None, true) => of_query(parts)?,
    };
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

/// What a request says about its signature, before any of it is checked.
struct Claim {
    credential: String,
    signed_headers: String,
    proof: Proof,
    amz_date: String,
    session_token: Option<SecretString>,
    expires_seconds: Option<u32>,
    content_sha256: Option<String>,
}

impl Claim {
    fn elements(&self) -> Result<[&str; 5], SignatureError> {
        let elements = self.credential.split('/').collect::<Vec<_>>();
        <[&str; 5]>::try_from(elements).map_err(|_| {
            SignatureError::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{}'",
                self.credential
            ))
        })
    }

    fn access_key_id(&self) -> Result<&str, SignatureError> {
        match self.elements()?[0] {
            "" => Err(SignatureError::Incomplete(
                "Credential must name an access key".to_owned(),
            )),
            id => Ok(id),
        }
    }

    fn scope(&self) -> Result<Scope, SignatureError> {
        let [_, date, region, service, terminator] = self.elements()?;
        if terminator != "aws4_request" {
            return Err(SignatureError::Incomplete(format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."
            )));
        }
        Ok(Scope {
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

fn of_header(parts: &Parts, authorization: &str) -> Result<Claim, SignatureError> {
    let (algorithm, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if algorithm != ALGORITHM {
        return Err(SignatureError::Incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}'"
        )));
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for piece in rest.split(',').filter(|piece| !piece.trim().is_empty()) {
        // Neither half of the alphabet of an RSA signature's base64 contains a comma; its `=` stay in the value.
        let (name, value) = piece.trim().split_once('=').unwrap_or((piece.trim(), ""));
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => {
                return Err(SignatureError::Incomplete(format!(
                    "'{name}' not a valid key=value pair (missing equal-sign) in Authorization header"
                )));
            }
        };
        if slot.replace(value).is_some() {
            return Err(SignatureError::Ambiguous("Authorization header"));
        }
    }
    let amz_date = text(&parts.headers, "x-amz-date")?;
    let mut missing = String::new();
    for (name, value) in [
        ("Credential", credential),
        ("Signature", signature),
        ("SignedHeaders", signed_headers),
    ] {
        if value.is_none_or(str::is_empty) {
            missing.push_str(&format!("Authorization header requires '{name}' parameter. "));
        }
    }
    if amz_date.is_none() {
        missing.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    let (Some(credential), Some(signed_headers), Some(signature), Some(amz_date), "") = (
        credential,
        signed_headers,
        signature,
        amz_date,
        missing.trim_end(),
    ) else {
        return Err(SignatureError::Incomplete(missing.trim_end().to_owned()));
    };
    Ok(Claim {
        credential: credential.to_owned(),
        signed_headers: signed_headers.to_owned(),
        proof: proof(signature)?,
        amz_date: amz_date.to_owned(),
        session_token: text(&parts.headers, "x-amz-security-token")?.map(SecretString::from),
        expires_seconds: None,
        content_sha256: None,
    })
}

fn of_query(parts: &Parts) -> Result<Claim, SignatureError> {
    let parameters = canonical::parameters(parts.uri.query().unwrap_or_default())
        .map_err(|canonical::Malformed| SignatureError::MalformedTarget)?;
    let one = |name: &str| -> Result<Option<String>, SignatureError> {
        let mut found = parameters.iter().filter(|(key, _)| key == name.as_bytes());
        let first = found.next();
        if found.next().is_some() {
            return Err(SignatureError::Ambiguous("X-Amz query parameter"));
        }
        first
            .map(|(_, value)| String::from_utf8(value.clone()).map_err(|_| SignatureError::MalformedTarget))
            .transpose()
    };
    let token = one("X-Amz-Security-Token")?;
    if token.is_some() && parts.headers.contains_key("x-amz-security-token") {
        return Err(SignatureError::Ambiguous("x-amz-security-token"));
    }
    let (Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(amz_date)) = (
        one("X-Amz-Algorithm")?,
        one("X-Amz-Credential")?,
        one(SIGNATURE_PARAMETER)?,
        one("X-Amz-SignedHeaders")?,
        one("X-Amz-Date")?,
    ) else {
        return Err(SignatureError::Incomplete(
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', \
             'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'. \
             Re-examine the query-string parameters."
                .to_owned(),
        ));
    };
    if algorithm != ALGORITHM {
        return Err(SignatureError::Incomplete(format!(
            "Unsupported AWS 'algorithm': '{algorithm}'"
        )));
    }
    let expires_seconds = match one("X-Amz-Expires")? {
        None => DEFAULT_EXPIRES_SECONDS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| *seconds <= MAX_PRESIGN_SECONDS)
            .ok_or_else(|| {
                SignatureError::Incomplete(format!(
                    "X-Amz-Expires must be a number of seconds from 0 to {MAX_PRESIGN_SECONDS}"
                ))
            })?,
    };
    let proof = proof(&signature)?;
    if matches!(proof, Proof::Rsa(_)) {
        return Err(SignatureError::Mismatch);
    }
    Ok(Claim {
        credential,
        signed_headers,
        proof,
        amz_date,
        session_token: token.map(SecretString::from),
        expires_seconds: Some(expires_seconds),
        content_sha256: one("X-Amz-Content-Sha256")?,
    })
}

/// Whether the query holds any of the parameters that only a presigned request has.
fn is_presigned(parts: &Parts) -> bool {
    let Some(query) = parts.uri.query() else {
        return false;
    };
    // A query that does not decode is refused later, where it is canonicalised.
    canonical::parameters(query)
        .unwrap_or_default()
        .iter()
        .any(|(name, _)| {
            [SIGNATURE_PARAMETER, "X-Amz-Algorithm", "X-Amz-Credential"]
                .iter()
                .any(|known| name == known.as_bytes())
        })
}

/// Tells the 64 lower-case hex digits of an HMAC from the base64 of an RSA signature.
fn proof(signature: &str) -> Result<Proof, SignatureError> {
    if signature.len() == 64 && signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        let mut hmac = [0; 32];
        hex::decode_to_slice(signature, &mut hmac).map_err(|_| SignatureError::Mismatch)?;
        return Ok(Proof::Hmac(hmac));
    }
    match STANDARD.decode(signature) {
        // RSA keys are of 2048 to 8192 bits, and a signature is as long as its modulus.
        Ok(bytes) if (256..=1024).contains(&bytes.len()) => Ok(Proof::Rsa(bytes)),
        _ => Err(SignatureError::Mismatch),
    }
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

/// A header as text; the single ones were counted before.
fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, SignatureError> {
    headers
        .get(name)
        .map(|value| {
            value
                .to_str()
                .map(str::trim)
                .map_err(|_| SignatureError::Incomplete(format!("header '{name}' is not plain text")))
        })
        .transpose()
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
