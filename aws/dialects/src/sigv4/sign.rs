//! Signing requests: the client's half.

use std::fmt;

use aws_lc_rs::rsa;
use http::Uri;
use http::request::Parts;
use jiff::Timestamp;

use super::{Credentials, Payload};

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
    let _ = (parts, payload, payload_sha256, credentials, signing);
    Err(SignError::NoHost)
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
    let _ = (parts, payload_sha256, signer, signing);
    Err(SignError::NoHost)
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
    let _ = (uri, expires_seconds, credentials, signing);
    Err(SignError::NoHost)
}
