//! Grant tokens: what whoever makes a grant may hand on with it.
//!
//! A grant is in force when it is made, so a token is not needed to use it; one that is not of ours is refused. A token
//! is `key ARN ‖ space ‖ grant id ‖ space ‖ HMAC-SHA-256 of both`, in base64: whoever reads it learns what a decision is
//! to be about, and nobody can make one up.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::RootKey;
use serde_json::Value;

use crate::{Kms, input};

/// What the key of the HMAC is derived for.
const PURPOSE: &str = "kms grant token 1";

/// The longest token that is looked at; ours are shorter.
const MAX_LENGTH: usize = 1024;

/// The most tokens of one request (the model's limit).
const MOST_TOKENS: usize = 10;

/// What a token names, not yet known to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) key_arn: String,
    pub(crate) grant: String,
    mac: Vec<u8>,
}

/// Makes the token of a grant.
pub(crate) fn make(root: &RootKey, key_arn: &str, grant: &str) -> String {
    let text = format!("{key_arn} {grant}");
    let mac = hmac::sign(&key(root), text.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(format!("{text} {}", hex::encode(mac)))
}

/// Reads what a token names.
pub(crate) fn read(token: &str) -> Option<Named> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let mut parts = text.split(' ');
    let named = Named {
        key_arn: parts.next()?.to_owned(),
        grant: parts.next()?.to_owned(),
        mac: hex::decode(parts.next()?).ok()?,
    };
    parts.next().is_none().then_some(named)
}

/// Reads a token that this server made.
pub(crate) fn check(root: &RootKey, token: &str) -> Result<Named, AwsError> {
    let invalid = || AwsError::new("InvalidGrantTokenException", "The grant token is not valid.");
    let named = read(token).ok_or_else(invalid)?;
    let text = format!("{} {}", named.key_arn, named.grant);
    hmac::verify(&key(root), text.as_bytes(), &named.mac).map_err(|_| invalid())?;
    Ok(named)
}

/// Refuses a request with a token that this server did not make.
pub(crate) fn check_all(kms: &Kms, input: &Value) -> Result<(), AwsError> {
    let tokens: Vec<_> = input::texts(input, "GrantTokens").collect();
    if tokens.len() > MOST_TOKENS {
        return Err(AwsError::validation(format!(
            "At most {MOST_TOKENS} grant tokens can be given."
        )));
    }
    tokens
        .into_iter()
        .try_for_each(|token| check(&kms.root, token).map(drop))
}

fn key(root: &RootKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &*root.derive(PURPOSE))
}

#[cfg(test)]
mod tests {
    use drawbridge_session::SeededRandom;
    use proptest::prelude::*;

    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn only_tokens_of_ours_are_taken() {
        let random = SeededRandom::new(1);
        let root = RootKey::ephemeral(&random);
        let token = make(&root, ARN, "abc");
        let named = check(&root, &token).expect("of ours");
        assert_eq!((named.key_arn.as_str(), named.grant.as_str()), (ARN, "abc"));
        assert!(check(&RootKey::ephemeral(&random), &token).is_err());
        for wrong in ["", "x", &token[..token.len() - 2], &"A".repeat(9000)] {
            assert!(check(&root, wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(token in "[A-Za-z0-9_-]{0,200}") {
            let root = RootKey::ephemeral(&SeededRandom::new(1));
            prop_assert!(check(&root, &token).is_err());
        }
    }
}
