//! Proving a parsed signature against the key it names and the present time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use jiff::{SignedDuration, Timestamp};

use super::{Payload, Proof, SignatureError, SignedRequest, canonical};

/// How far a client's clock may be off, in seconds, either way.
pub const SKEW_SECONDS: i64 = 5 * 60;

/// The same for requests to S3.
pub(super) const S3_SKEW_SECONDS: i64 = 15 * 60;

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
    /// [`SignedRequest::payload`] is [`Signed`](Payload::Signed).
    ///
    /// # Errors
    /// Skew or expiry first, then a body that differs from its announced digest, then a plain mismatch.
    pub fn verify(
        &self,
        secret_access_key: &str,
        payload_sha256: &[u8; 32],
        now: Timestamp,
    ) -> Result<Verified, SignatureError> {
        self.check_time(now)?;
        let string_to_sign = self.string_to_sign(payload_sha256)?;
        let expected = canonical::hmac_signature(secret_access_key, &self.scope, &string_to_sign);
        match &self.proof {
            Proof::Hmac(given) if verify_slices_are_equal(given, &expected).is_ok() => Ok(Verified(())),
            Proof::Hmac(_) | Proof::Rsa(_) => Err(SignatureError::Mismatch),
        }
    }

    /// Checks the HMAC before the body is there, by the digest that the request announces.
    ///
    /// Whoever reads the body must check it against that, or the signatures of its chunks.
    ///
    /// # Errors
    /// As [`SignedRequest::verify`]; and a request must say what its signature covers of the body.
    pub fn verify_head(&self, secret_access_key: &str, now: Timestamp) -> Result<Verified, SignatureError> {
        let announced = match (self.payload, self.payload_line.as_deref()) {
            (Payload::Signed, Some(line)) => {
                let mut digest = [0; 32];
                hex::decode_to_slice(line, &mut digest).map_err(|_| SignatureError::Mismatch)?;
                digest
            }
            (_, Some(_)) => [0; 32],
            (_, None) => {
                return Err(SignatureError::Incomplete(
                    "Missing required header for this request: x-amz-content-sha256".to_owned(),
                ));
            }
        };
        self.verify(secret_access_key, &announced, now)
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
        self.check_time(now)?;
        let string_to_sign = self.string_to_sign(payload_sha256)?;
        let Proof::Rsa(signature) = &self.proof else {
            return Err(SignatureError::Mismatch);
        };
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public_key)
            .verify(string_to_sign.as_bytes(), signature)
            .map(|()| Verified(()))
            .map_err(|_| SignatureError::Mismatch)
    }

    fn check_time(&self, now: Timestamp) -> Result<(), SignatureError> {
        let skew = SignedDuration::from_secs(match self.scope.service.as_str() {
            "s3" => S3_SKEW_SECONDS,
            _ => SKEW_SECONDS,
        });
        let lifetime = self
            .expires_seconds
            .map_or(skew, |seconds| SignedDuration::from_secs(seconds.into()));
        if now.duration_since(self.signed_at) > lifetime {
            let earliest = now.saturating_sub(lifetime).unwrap_or(now);
            return Err(SignatureError::Expired {
                signed_at: self.signed_at,
                earliest,
                now,
                lifetime,
            });
        }
        if self.signed_at.duration_since(now) > skew {
            let latest = now.saturating_add(skew).unwrap_or(now);
            return Err(SignatureError::NotYetCurrent {
                signed_at: self.signed_at,
                latest,
                now,
            });
        }
        Ok(())
    }

    fn string_to_sign(&self, payload_sha256: &[u8; 32]) -> Result<String, SignatureError> {
        let actual = hex::encode(payload_sha256);
        let line = self.payload_line.as_deref().unwrap_or(&actual);
        if self.payload == Payload::Signed && !line.eq_ignore_ascii_case(&actual) {
            return Err(SignatureError::PayloadMismatch);
        }
        Ok(canonical::string_to_sign(
            &self.amz_date,
            &self.scope,
            &self.canonical_head,
            line,
        ))
    }
}
