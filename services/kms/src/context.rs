//! Encryption contexts: what a ciphertext is bound to.

use std::collections::HashSet;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::EncryptionContext;

/// The most bytes of all keys and values together.
const MOST_BYTES: usize = 8192;

/// The most pairs of a grant's constraint, and characters of each value (KMS's documented limits).
const MOST_CONSTRAINED: usize = 8;
const MOST_CONSTRAINED_CHARACTERS: usize = 384;

/// Refuses a context that is too long, or whose keys differ by their case alone: conditions, which do not tell them
/// apart, would see one key with two values.
pub(crate) fn check(context: &EncryptionContext) -> Result<(), AwsError> {
    let bytes: usize = context.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MOST_BYTES {
        return Err(AwsError::validation(format!(
            "The encryption context has {bytes} bytes; at most {MOST_BYTES} are allowed."
        )));
    }
    let mut keys = HashSet::new();
    match context.keys().find(|key| !keys.insert(key.to_ascii_lowercase())) {
        None => Ok(()),
        Some(key) => Err(AwsError::validation(format!(
            "The encryption context has the key {key} twice, in different case."
        ))),
    }
}

/// Refuses what a grant cannot want of contexts. Every decision on its key reads it.
pub(crate) fn check_constraint(pairs: &EncryptionContext) -> Result<(), AwsError> {
    check(pairs)?;
    let is_long = |value: &String| value.chars().count() > MOST_CONSTRAINED_CHARACTERS;
    if pairs.len() > MOST_CONSTRAINED || pairs.values().any(is_long) {
        return Err(AwsError::validation(format!(
            "A grant's constraint has at most {MOST_CONSTRAINED} pairs, with values of at most \
             {MOST_CONSTRAINED_CHARACTERS} characters."
        )));
    }
    Ok(())
}

/// Writes a context so that no two are written alike: for each pair, in the order of the keys, the length of the key
/// (4 bytes, big-endian), the key, the length of the value and the value.
pub(crate) fn encode(context: &EncryptionContext, out: &mut Vec<u8>) {
    for text in context.iter().flat_map(|(key, value)| [key, value]) {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(context: &EncryptionContext) -> Vec<u8> {
        let mut out = Vec::new();
        encode(context, &mut out);
        out
    }

    fn contexts() -> impl Strategy<Value = EncryptionContext> {
        // Few letters, so that contexts are often nearly the same.
        proptest::collection::btree_map("[ab\u{0}]{0,3}", "[ab\u{0}]{0,3}", 0..4)
    }

    proptest! {
        #[test]
        fn no_two_contexts_are_written_alike(one in contexts(), other in contexts()) {
            prop_assert_eq!(one == other, encoded(&one) == encoded(&other));
        }

        #[test]
        fn moving_a_letter_changes_what_is_written(key in "[a-z]{1,8}", value in "[a-z]{0,8}") {
            let one = EncryptionContext::from([(key.clone(), value.clone())]);
            let (head, last) = key.split_at(key.len() - 1);
            let moved = EncryptionContext::from([(head.to_owned(), format!("{last}{value}"))]);
            prop_assert_ne!(encoded(&one), encoded(&moved));
        }
    }

    #[test]
    fn keys_differ_by_more_than_their_case() {
        let of = |keys: &[&str]| {
            keys.iter()
                .map(|key| ((*key).to_owned(), "x".to_owned()))
                .collect()
        };
        assert!(check(&of(&["a", "b"])).is_ok());
        assert!(check(&of(&["aws:ssm:TargetId", "AWS:ssm:TargetId"])).is_err());
        assert!(check(&of(&[&"a".repeat(MOST_BYTES - 1)])).is_ok());
        assert!(check(&of(&[&"a".repeat(MOST_BYTES)])).is_err());
    }
}
