//! Every way in which a signature can be wrong, and what each wire family calls it.

use http::StatusCode;
use jiff::Timestamp;

use crate::error::{AwsError, Family};

/// Why a request's signature was refused.
///
/// The variants after [`SignatureError::Mismatch`] are never found by this crate: the caller, which knows the
/// keys and the session tokens, returns them so that all refusals are worded in one place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("request carries no signature")]
    Missing,
    /// A signature is there but cannot be read; the text follows AWS's words.
    #[error("{0}")]
    Incomplete(String),
    /// The same thing was said twice, or in two places.
    #[error("ambiguous {0}")]
    Ambiguous(&'static str),
    /// Something that must be covered by the signature is not.
    #[error("`{0}` must be a signed header")]
    HeaderNotSigned(String),
    /// The path or a query parameter is not valid percent-encoding.
    #[error("malformed request target")]
    MalformedTarget,
    /// Signed too long ago.
    #[error("signature expired")]
    Expired {
        /// When the client signed.
        signed_at: Timestamp,
        /// The earliest moment accepted.
        earliest: Timestamp,
        /// The server's time.
        now: Timestamp,
    },
    /// Signed too far in the future.
    #[error("signature not yet current")]
    NotYetCurrent {
        /// When the client signed.
        signed_at: Timestamp,
        /// The latest moment accepted.
        latest: Timestamp,
        /// The server's time.
        now: Timestamp,
    },
    /// The body does not have the announced digest.
    #[error("body does not match `x-amz-content-sha256`")]
    PayloadMismatch,
    /// The signature is well formed and wrong.
    #[error("signature does not match")]
    Mismatch,
    /// The scope names another service or region than the request addresses.
    #[error("credential scope names the wrong {0}")]
    WrongScope(&'static str),
    /// Nobody has this access key.
    #[error("unknown access key")]
    UnknownAccessKey,
    /// The access key exists but the session token is not its own.
    #[error("invalid session token")]
    InvalidSessionToken,
    /// The session token has expired.
    #[error("session token expired")]
    ExpiredSessionToken,
}

impl SignatureError {
    /// Words the refusal as AWS does on `family`.
    pub fn to_error(&self, family: Family) -> AwsError {
        let _ = family;
        AwsError::new("InvalidSignatureException", self.to_string()).with_status(StatusCode::BAD_REQUEST)
    }
}
