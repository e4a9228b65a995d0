//! Proving a parsed signature against the key it names and the present time.

use jiff::Timestamp;

use super::{SignatureError, SignedRequest};

/// How far a client's clock may be off, in seconds, either way.
pub const SKEW_SECONDS: i64 = 5 * 60;

/// The longest a presigned request may ask to stay valid, in seconds (seven days).
pub const MAX_PRESIGN_SECONDS: u32 = 7 * 24 * 60 * 60;

/// Proof that a signature was checked; only the checks in this module make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Verified(());

impl SignedRequest {
    /// Checks the HMAC with the secret access key of [`SignedRequest::access_key_id`].
    ///
    /// `payload_sha256` is the SHA-256 of the body as received; it is ignored unless
    /// [`SignedRequest::payload`] is [`Signed`](super::Payload::Signed).
    ///
    /// # Errors
    /// Skew or expiry first, then a body that differs from its announced digest, then a plain mismatch.
    pub fn verify(
        &self,
        secret_access_key: &str,
        payload_sha256: &[u8; 32],
        now: Timestamp,
    ) -> Result<Verified, SignatureError> {
        let _ = (secret_access_key, payload_sha256, now);
        Err(SignatureError::Mismatch)
    }

    /// Checks a node's RSASSA-PSS signature (SHA-256, MGF1-SHA-256, salt 32) with its public key.
    ///
    /// `public_key` is a DER SubjectPublicKeyInfo of an RSA key of 2048 to 8192 bits.
    ///
    /// # Errors
    /// As [`SignedRequest::verify`]; an HMAC signature never passes here.
    pub fn verify_rsa(
        &self,
        public_key: &[u8],
        payload_sha256: &[u8; 32],
        now: Timestamp,
    ) -> Result<Verified, SignatureError> {
        let _ = (public_key, payload_sha256, now);
        Err(SignatureError::Mismatch)
    }
}
