//! What a request says about its signature, in its `Authorization` header or in its query.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::request::Parts;
use secrecy::SecretString;

use super::canonical::{self, SIGNATURE_PARAMETER};
use super::verify::MAX_PRESIGN_SECONDS;
use super::{ALGORITHM, Proof, Scope, SignatureError};

/// How long a presigned request without `X-Amz-Expires` is valid, in seconds; Go's signer leaves it out.
const DEFAULT_EXPIRES_SECONDS: u32 = 5 * 60;

/// What a request says about its signature, before any of it is checked.
pub(super) struct Claim {
    credential: String,
    pub(super) signed_headers: String,
    pub(super) proof: Proof,
    pub(super) amz_date: String,
    pub(super) session_token: Option<SecretString>,
    pub(super) expires_seconds: Option<u32>,
    pub(super) content_sha256: Option<String>,
}

impl Claim {
    /// Reads the claim from the one place that makes one.
    pub(super) fn of_request(parts: &Parts) -> Result<Self, SignatureError> {
        match (text(&parts.headers, "authorization")?, is_presigned(parts)) {
            (None, false) => Err(SignatureError::Missing),
            (Some(_), true) => Err(SignatureError::Ambiguous(
                "signature: in a header and in the query",
            )),
            (Some(authorization), false) => of_header(parts, authorization),
            (None, true) => of_query(parts),
        }
    }

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

    pub(super) fn access_key_id(&self) -> Result<&str, SignatureError> {
        match self.elements()?[0] {
            "" => Err(SignatureError::Incomplete(
                "Credential must name an access key".to_owned(),
            )),
            id => Ok(id),
        }
    }

    pub(super) fn scope(&self) -> Result<Scope, SignatureError> {
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
pub(super) fn is_presigned(parts: &Parts) -> bool {
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

/// A header as text; the single ones were counted before.
pub(super) fn text<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a str>, SignatureError> {
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
