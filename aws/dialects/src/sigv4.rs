//! AWS Signature Version 4: checking requests on the server, signing them on the client, one canonical form for both.
//!
//! ```text
//! http::request::Parts ──parse──▶ SignedRequest ──verify(secret, payload, now)──────▶ Verified
//!                                      │          ──verify_rsa(public key, payload, now)─▶ Verified
//!                                      └─ access_key_id, scope, session_token: what the caller looks the secret up by
//! ```
//!
//! Nothing in a [`SignedRequest`] is proven until one of the two `verify` calls returned [`Verified`].
//!
//! Source: the public AWS documentation "Signature Version 4 signing process"; the RSA variant is what nodes
//! registered with an activation send when they ask for their role token.

mod canonical;
mod claim;
mod failure;
mod parse;
mod sign;
mod verify;

use http::HeaderName;
use jiff::Timestamp;
use secrecy::SecretString;

pub use failure::SignatureError;
pub use parse::{is_signed, parse, scope_service};
pub use sign::{RsaSigner, SignError, Signing, presign, sign, sign_rsa};
pub use verify::{MAX_PRESIGN_SECONDS, SKEW_SECONDS, Verified};

/// The only algorithm accepted; `AWS4-ECDSA…` and the older versions are refused.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A key pair of strings that signs requests, with the session token of temporary credentials.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The public half, `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: SecretString,
    /// Sent along with requests of temporary credentials.
    pub session_token: Option<SecretString>,
}

/// Where a signature is valid: one day, one region, one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `YYYYMMDD`, UTC.
    pub date: String,
    /// Region name as the client wrote it.
    pub region: String,
    /// Signing name, such as `ssm` or `ssmmessages`.
    pub service: String,
}

impl Scope {
    /// Builds the scope of a signature made at `at`.
    pub fn new(at: Timestamp, region: &str, service: &str) -> Self {
        Self {
            date: at.strftime("%Y%m%d").to_string(),
            region: region.to_owned(),
            service: service.to_owned(),
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// What a request says about the digest of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The signature covers the SHA-256 of the body: read the body, hash it, then verify.
    Signed,
    /// `UNSIGNED-PAYLOAD`: the body is not covered.
    Unsigned,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: an `aws-chunked` body with a checksum trailer, not covered.
    StreamingUnsignedTrailer,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: an `aws-chunked` body whose chunks are each signed.
    StreamingSigned,
    /// The same with a signed checksum trailer.
    StreamingSignedTrailer,
}

/// How a request was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// HMAC with a key derived from a secret access key.
    Hmac([u8; 32]),
    /// RSASSA-PSS by a managed node; the access key position holds the node id.
    Rsa(Vec<u8>),
}

/// A request that claims a signature: parsed and canonicalised, not yet proven.
#[derive(Clone)]
pub struct SignedRequest {
    pub(crate) access_key_id: String,
    pub(crate) scope: Scope,
    pub(crate) session_token: Option<SecretString>,
    pub(crate) payload: Payload,
    /// The last line of the canonical request, where the client stated it; otherwise the body's own digest.
    pub(crate) payload_line: Option<String>,
    pub(crate) signed_at: Timestamp,
    /// `X-Amz-Date` as sent, because the string to sign repeats it.
    pub(crate) amz_date: String,
    /// Seconds a presigned request stays valid; `None` for a header signature.
    pub(crate) expires_seconds: Option<u32>,
    pub(crate) signed_headers: Vec<HeaderName>,
    /// The canonical request up to and including the line before the payload hash.
    pub(crate) canonical_head: Vec<u8>,
    pub(crate) proof: Proof,
}

impl SignedRequest {
    /// The access key id, or the node id of an RSA signature.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The credential scope; its region and service name what is being called.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The session token that came along (header or query).
    pub fn session_token(&self) -> Option<&SecretString> {
        self.session_token.as_ref()
    }

    /// Whether, and how, the signature covers the body.
    pub fn payload(&self) -> Payload {
        self.payload
    }

    /// The time the client says it signed at.
    pub fn signed_at(&self) -> Timestamp {
        self.signed_at
    }

    /// Whether the signature came in the query string.
    pub fn is_presigned(&self) -> bool {
        self.expires_seconds.is_some()
    }

    /// Whether the signature covers a header; nothing should be decided by one that it does not.
    pub fn covers(&self, header: &HeaderName) -> bool {
        self.signed_headers.contains(header)
    }

    /// Whether a node's RSA key made the signature; check it with [`SignedRequest::verify_rsa`].
    pub fn is_rsa(&self) -> bool {
        matches!(self.proof, Proof::Rsa(_))
    }
}

impl std::fmt::Debug for SignedRequest {
    /// Leaves out the signature and the canonical request, which repeats the session token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedRequest")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("payload", &self.payload)
            .field("signed_at", &self.signed_at)
            .field("presigned", &self.is_presigned())
            .finish_non_exhaustive()
    }
}
