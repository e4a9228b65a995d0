//! Signing requests: the client's half.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Uri, header};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::{ALGORITHM, Credentials, Payload, Scope, canonical};

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The URI names no host and there is no `Host` header.
    #[error("request names no host")]
    NoHost,
    /// The path or query is not valid percent-encoding.
    #[error("malformed request target")]
    MalformedTarget,
    /// A credential or header cannot be sent as a header value.
    #[error("{0} cannot be sent in a header")]
    BadHeader(&'static str),
    /// The private key refused to sign.
    #[error("private key cannot sign")]
    Key,
}

/// What a signature is made for.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Region of the scope.
    pub region: &'a str,
    /// Signing name of the service, such as `ssm` or `ssmmessages`.
    pub service: &'a str,
    /// The time of the signature.
    pub now: Timestamp,
}

/// A managed node's RSA private key, which signs in place of an access key.
pub struct RsaSigner {
    pub(crate) node_id: String,
    pub(crate) key: rsa::KeyPair,
}

impl RsaSigner {
    /// Joins a node id and its RSA key.
    pub fn new(node_id: impl Into<String>, key: rsa::KeyPair) -> Self {
        Self {
            node_id: node_id.into(),
            key,
        }
    }

    /// The node id sent in the access key position.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }
}

impl fmt::Debug for RsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaSigner")
            .field("node_id", &self.node_id)
            .finish_non_exhaustive()
    }
}

/// Signs a request in its headers: sets `host` (if absent), `x-amz-date`, `x-amz-security-token` and `authorization`.
///
/// Every `x-amz-*` header, `content-type` and `host` are covered. `payload_sha256` is the digest of the body
/// (of nothing for a websocket upgrade); for the unsigned kinds `x-amz-content-sha256` is set and it is ignored.
///
/// # Errors
/// See [`SignError`].
pub fn sign(
    parts: &mut Parts,
    payload: Payload,
    payload_sha256: &[u8; 32],
    credentials: &Credentials,
    signing: Signing<'_>,
) -> Result<(), SignError> {
    let line = match payload {
        Payload::Signed => hex::encode(payload_sha256),
        Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        Payload::StreamingUnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        Payload::StreamingSigned => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
        Payload::StreamingSignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
    };
    // Other services hash the body themselves; S3 insists on being told.
    if payload != Payload::Signed || signing.service == "s3" {
        set(parts, CONTENT_SHA256, &line, "payload digest")?;
    }
    if let Some(token) = &credentials.session_token {
        let mut value = HeaderValue::from_str(token.expose_secret())
            .map_err(|_| SignError::BadHeader("the session token"))?;
        value.set_sensitive(true);
        parts.headers.insert(SECURITY_TOKEN, value);
    }
    authorize(
        parts,
        &line,
        &credentials.access_key_id,
        signing,
        |scope, string_to_sign| {
            let secret = credentials.secret_access_key.expose_secret();
            Ok(hex::encode(canonical::hmac_signature(
                secret,
                scope,
                string_to_sign,
            )))
        },
    )
}

/// Signs a request with a node's RSA key, as nodes registered with an activation do.
///
/// # Errors
/// See [`SignError`].
pub fn sign_rsa(
    parts: &mut Parts,
    payload_sha256: &[u8; 32],
    signer: &RsaSigner,
    signing: Signing<'_>,
) -> Result<(), SignError> {
    let line = hex::encode(payload_sha256);
    authorize(parts, &line, &signer.node_id, signing, |_, string_to_sign| {
        let mut signature = vec![0; signer.key.public_modulus_len()];
        signer
            .key
            .sign(
                &RSA_PSS_SHA256,
                &SystemRandom::new(),
                string_to_sign.as_bytes(),
                &mut signature,
            )
            .map_err(|_| SignError::Key)?;
        Ok(STANDARD.encode(signature))
    })
}

/// Presigns a `GET` of `uri` with an empty body and returns it with the signature in its query.
///
/// # Errors
/// See [`SignError`].
pub fn presign(
    uri: &Uri,
    expires_seconds: u32,
    credentials: &Credentials,
    signing: Signing<'_>,
) -> Result<Uri, SignError> {
    let scope = Scope::new(signing.now, signing.region, signing.service);
    let amz_date = basic_date(signing.now);
    let mut query = uri.query().unwrap_or_default().to_owned();
    let mut add = |name: &str, value: &str| {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        query.push_str(&canonical::encode(value.as_bytes(), false));
    };
    add("X-Amz-Algorithm", ALGORITHM);
    add(
        "X-Amz-Credential",
        &format!("{}/{scope}", credentials.access_key_id),
    );
    add("X-Amz-Date", &amz_date);
    add("X-Amz-Expires", &expires_seconds.to_string());
    add("X-Amz-SignedHeaders", "host");
    if let Some(token) = &credentials.session_token {
        add("X-Amz-Security-Token", token.expose_secret());
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = with_query(uri, &query)?;
    let host = parts
        .uri
        .authority()
        .ok_or(SignError::NoHost)?
        .as_str()
        .as_bytes()
        .to_vec();
    let head = canonical::head(&parts, &host, &[header::HOST], signing.service)
        .map_err(|canonical::Malformed| SignError::MalformedTarget)?;
    let line = if signing.service == "s3" {
        "UNSIGNED-PAYLOAD".to_owned()
    } else {
        EMPTY_SHA256.to_owned()
    };
    let string_to_sign = canonical::string_to_sign(&amz_date, &scope, &head, &line);
    let secret = credentials.secret_access_key.expose_secret();
    let signature = hex::encode(canonical::hmac_signature(secret, &scope, &string_to_sign));
    with_query(
        uri,
        &format!("{query}&{}={signature}", canonical::SIGNATURE_PARAMETER),
    )
}

/// Dates the request, canonicalises it and sets `authorization` to what `prove` makes of the string to sign.
fn authorize(
    parts: &mut Parts,
    payload_line: &str,
    access_key_id: &str,
    signing: Signing<'_>,
    prove: impl FnOnce(&Scope, &str) -> Result<String, SignError>,
) -> Result<(), SignError> {
    let amz_date = basic_date(signing.now);
    set(parts, DATE, &amz_date, "the date")?;
    let host = match (parts.headers.get(header::HOST), parts.uri.authority()) {
        (Some(host), _) => host.clone(),
        (None, Some(authority)) => {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| SignError::NoHost)?;
            parts.headers.insert(header::HOST, host.clone());
            host
        }
        (None, None) => return Err(SignError::NoHost),
    };
    let mut signed_headers = parts
        .headers
        .keys()
        .filter(|name| {
            *name == header::HOST || *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-")
        })
        .cloned()
        .collect::<Vec<_>>();
    signed_headers.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    let scope = Scope::new(signing.now, signing.region, signing.service);
    let head = canonical::head(parts, host.as_bytes(), &signed_headers, signing.service)
        .map_err(|canonical::Malformed| SignError::MalformedTarget)?;
    let signature = prove(
        &scope,
        &canonical::string_to_sign(&amz_date, &scope, &head, payload_line),
    )?;
    let authorization = format!(
        "{ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={}, Signature={signature}",
        canonical::list(&signed_headers)
    );
    set(
        parts,
        header::AUTHORIZATION,
        &authorization,
        "the access key or scope",
    )
}

fn set(parts: &mut Parts, name: HeaderName, value: &str, what: &'static str) -> Result<(), SignError> {
    let value = HeaderValue::from_str(value).map_err(|_| SignError::BadHeader(what))?;
    parts.headers.insert(name, value);
    Ok(())
}

fn with_query(uri: &Uri, query: &str) -> Result<Uri, SignError> {
    let mut parts = uri.clone().into_parts();
    let path = format!("{}?{query}", uri.path());
    parts.path_and_query = Some(path.parse().map_err(|_| SignError::MalformedTarget)?);
    Uri::from_parts(parts).map_err(|_| SignError::MalformedTarget)
}

fn basic_date(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// SHA-256 of nothing.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
