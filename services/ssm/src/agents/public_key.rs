//! A node's public key, as agents send it.

use aws_lc_rs::rsa::PublicEncryptingKey;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::error::AwsError;

/// The fewest bits a key may have, which is what AWS's agent makes.
const MIN_BITS: usize = 2048;

/// The most, beyond which checking a signature costs too much.
const MAX_BITS: usize = 8192;

/// The exponent 65537 as DER writes it: that of every agent's keys.
const EXPONENT: [u8; 5] = [2, 3, 1, 0, 1];

/// Reads base64 of a DER SubjectPublicKeyInfo, and accepts an RSA key of a useful size only.
pub(super) fn read(text: &str) -> Result<Vec<u8>, AwsError> {
    let invalid =
        |why: &str| AwsError::new("InvalidPublicKey", format!("The public key is not valid: {why}."));
    let der = BASE64_STANDARD
        .decode(text)
        .map_err(|_| invalid("it is not base64"))?;
    let key = PublicEncryptingKey::from_der(&der)
        .map_err(|_| invalid("it is not the SubjectPublicKeyInfo of an RSA key"))?;
    if !(MIN_BITS..=MAX_BITS).contains(&key.key_size_bits()) {
        return Err(invalid("it must have 2048 to 8192 bits"));
    }
    // The exponent comes last. With another one a signature may be anybody's work, or ours to check it for long.
    if !der.ends_with(&EXPONENT) {
        return Err(invalid("its exponent must be 65537"));
    }
    Ok(der)
}

#[cfg(test)]
pub(super) mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};

    use super::*;

    /// Makes a key as an agent does, and returns the text that it sends.
    pub(crate) fn fresh() -> String {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048)
            .expect("generated")
            .public_key();
        let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> = key.as_der().expect("encoded");
        BASE64_STANDARD.encode(der.as_ref())
    }

    #[test]
    fn accepts_what_an_agent_sends_and_little_else() {
        let text = fresh();
        assert_eq!(text.len(), 392);
        assert!(read(&text).is_ok());
        for wrong in ["", "!", "AAAA", &text[4..], &text[..388]] {
            assert_eq!(read(wrong).expect_err("wrong").code(), "InvalidPublicKey");
        }
    }

    #[test]
    fn refuses_unusual_exponents() {
        let mut der = BASE64_STANDARD.decode(fresh()).expect("base64");
        *der.last_mut().expect("not empty") = 3;
        let refused = read(&BASE64_STANDARD.encode(&der)).expect_err("65539");
        assert!(refused.message().contains("exponent"), "{refused}");
    }
}
