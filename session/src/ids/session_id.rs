//! The id of a session, which becomes a file name, a URL segment, a log name and a policy resource.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ParseError, id};
use crate::random::{Random, RandomArray as _};

id!(
    /// Names a session: 1 to 96 characters of `A-Z a-z 0-9 + = , . @ _ -`.
    ///
    /// Generated ids are `<user or role session name>-<17 hex digits>`, so that a policy on
    /// `session/${aws:username}-*` matches its owner's sessions. An id alone opens nothing.
    SessionId, "a session id", "1 to 96 letters, digits or any of `+=,.@_-`",
    |text| (1..=SessionId::MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed)
);

impl SessionId {
    /// The most characters an id may have (`SessionId` of the public SSM model).
    pub const MAX_LENGTH: usize = 96;

    /// Draws an id whose first part is `prefix`, cut and cleaned to the alphabet where it must be.
    pub fn generate(prefix: &str, random: &dyn Random) -> Self {
        const SUFFIX_LENGTH: usize = 18;
        let mut text: String = prefix
            .chars()
            .map(|c| {
                if u8::try_from(c).is_ok_and(is_allowed) {
                    c
                } else {
                    '_'
                }
            })
            .take(Self::MAX_LENGTH - SUFFIX_LENGTH)
            .collect();
        let _ = write!(text, "-0{}", hex::encode(random.array::<8>()));
        Self(text.into())
    }

    /// Returns a file name that no other id has: letters, digits, `-`, `_`, and `%XX` for the rest.
    ///
    /// It contains neither a dot nor a slash, so joining it to a folder cannot leave that folder.
    pub fn file_name(&self) -> String {
        self.escaped(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    }

    /// Returns the id percent-encoded as one segment of a URL's path (RFC 3986 unreserved characters stay).
    pub fn url_segment(&self) -> String {
        self.escaped(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    }

    fn escaped(&self, keep: impl Fn(u8) -> bool) -> String {
        let mut text = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            if keep(byte) {
                text.push(char::from(byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'=' | b',' | b'.' | b'@' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::random::{SeededRandom, SystemRandom};

    #[test]
    fn starts_with_its_owner_and_ends_in_17_hex_digits() {
        let id = SessionId::generate("alice", &SeededRandom::new(7));
        let (prefix, suffix) = id.as_str().rsplit_once('-').expect("a hyphen");
        assert_eq!(prefix, "alice");
        assert_eq!(suffix.len(), 17);
        assert!(suffix.starts_with('0') && suffix.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn survives_any_prefix() {
        for prefix in ["", "../../etc/passwd", "jörg", &"x".repeat(500), "a\nb"] {
            let id = SessionId::generate(prefix, &SeededRandom::new(7));
            assert!(SessionId::parse(id.as_str()).is_ok(), "{id}");
        }
    }

    #[test]
    fn has_no_two_ids_alike() {
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            assert!(seen.insert(SessionId::generate("alice", &SystemRandom)));
        }
    }

    #[test]
    fn refuses_ids_that_are_paths() {
        for text in ["", "a/b", "../x", "a b", "a%2Fb", "a\0", &"x".repeat(97)] {
            assert!(SessionId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn encodes_file_names_without_collisions() {
        let name = |text: &str| SessionId::parse(text).expect("valid").file_name();
        assert_eq!(name(".."), "%2E%2E");
        assert_eq!(name("a@b.c-01"), "a%40b%2Ec-01");
        assert_ne!(name("a.b"), name("a_b"));
        assert_eq!(
            SessionId::parse("a@b.c-01").expect("valid").url_segment(),
            "a%40b.c-01"
        );
    }
}
