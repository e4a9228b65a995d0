//! Typed identifiers: strings that were parsed once and cannot be swapped for one another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

mod session_id;
mod unique_id;

pub use session_id::SessionId;
pub use unique_id::UniqueId;

use crate::random::{Random, RandomArray as _};

/// Says which identifier a text is not, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {kind}: expected {expected}")]
pub struct ParseError {
    /// What was to be parsed, with its article, such as `a node id`.
    pub kind: &'static str,
    /// The shape that a valid text has.
    pub expected: &'static str,
    /// The refused text, cut to 128 characters.
    pub value: String,
}

impl ParseError {
    fn new(kind: &'static str, expected: &'static str, value: &str) -> Self {
        Self {
            kind,
            expected,
            value: value.chars().take(128).collect(),
        }
    }
}

/// Defines a newtype over shared text that can only hold what its predicate accepts.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a text; an error names the expected shape.
            pub fn parse(text: &str) -> Result<Self, ParseError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(ParseError::new($kind, $expected, text)) }
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
use id;

id!(
    /// Names an account: 12 decimal digits.
    AccountId, "an account id", "12 digits",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);

id!(
    /// Names an organization: `o-` and 10 to 32 lower-case letters and digits.
    OrganizationId, "an organization id", "`o-` and 10 to 32 lower-case letters or digits",
    |text| text.strip_prefix("o-").is_some_and(|rest| (10..=32).contains(&rest.len())
        && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
);

id!(
    /// Names a region: any 1 to 100 letters, digits and hyphens, since a self-hosted server invents its own.
    Region, "a region", "1 to 100 letters, digits or hyphens",
    |text| (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);

id!(
    /// Names a managed node: `mi-` and 17 hex digits for a registered one, `i-` and 8 or 17 for an enrolled one.
    NodeId, "a node id", "`mi-` and 17 hex digits, or `i-` and 8 or 17 hex digits",
    |text| match (text.strip_prefix("mi-"), text.strip_prefix("i-")) {
        (Some(rest), _) => rest.len() == 17 && rest.bytes().all(is_lower_hex),
        (None, Some(rest)) => matches!(rest.len(), 8 | 17) && rest.bytes().all(is_lower_hex),
        (None, None) => false,
    }
);

id!(
    /// Names an activation: a lower-case UUID of 36 characters.
    ActivationId, "an activation id", "a lower-case UUID with hyphens",
    |text| text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_lower_hex(byte),
        })
);

id!(
    /// Names a key: a lower-case UUID of 36 characters.
    KeyId, "a key id", "a lower-case UUID with hyphens",
    |text| text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_lower_hex(byte),
        })
);

id!(
    /// Names an access key: `AKIA` or `ASIA` and 12 to 124 upper-case letters and digits.
    AccessKeyId, "an access key id", "`AKIA` or `ASIA` and 12 to 124 upper-case letters or digits",
    |text| (16..=128).contains(&text.len())
        && (text.starts_with("AKIA") || text.starts_with("ASIA"))
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
);

impl NodeId {
    /// Draws the id of a newly registered node (`mi-0…`, 64 random bits).
    pub fn generate(random: &dyn Random) -> Self {
        Self(format!("mi-0{}", hex::encode(random.array::<8>())).into())
    }

    /// Draws the id of a newly enrolled node (`i-0…`, 64 random bits).
    pub fn generate_enrolled(random: &dyn Random) -> Self {
        Self(format!("i-0{}", hex::encode(random.array::<8>())).into())
    }

    /// Returns whether the node registered through an activation (`mi-…`).
    pub fn is_registered(&self) -> bool {
        self.0.starts_with("mi-")
    }
}

impl AccountId {
    /// Draws the id of a new account; the first digit is never 0, which some programs drop.
    pub fn generate(random: &dyn Random) -> Self {
        const FIRST: u64 = 100_000_000_000;
        let drawn = u64::from_be_bytes(random.array::<8>());
        Self((FIRST + drawn % (9 * FIRST)).to_string().into())
    }
}

impl OrganizationId {
    /// Draws the id of a new organization (`o-` and 10 characters).
    pub fn generate(random: &dyn Random) -> Self {
        const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let letters = random
            .array::<10>()
            .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
        Self(format!("o-{}", String::from_iter(letters)).into())
    }
}

impl ActivationId {
    /// Draws the id of a new activation.
    pub fn generate(random: &dyn Random) -> Self {
        Self(random.uuid().to_string().into())
    }
}

impl KeyId {
    /// Draws the id of a new key.
    pub fn generate(random: &dyn Random) -> Self {
        Self::from(random.uuid())
    }

    /// Returns the 16 bytes that the text stands for.
    pub fn uuid(&self) -> Uuid {
        Uuid::parse_str(&self.0).expect("a key id has the shape of a UUID")
    }
}

impl From<Uuid> for KeyId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid.to_string().into())
    }
}

impl AccessKeyId {
    /// Draws a long-lived access key id (`AKIA…`, 20 characters).
    pub fn generate(random: &dyn Random) -> Self {
        Self::draw("AKIA", random)
    }

    /// Draws the access key id of temporary credentials (`ASIA…`, 20 characters).
    pub fn generate_temporary(random: &dyn Random) -> Self {
        Self::draw("ASIA", random)
    }

    /// Returns whether the key belongs to temporary credentials, which need their session token.
    pub fn is_temporary(&self) -> bool {
        self.0.starts_with("ASIA")
    }

    fn draw(prefix: &str, random: &dyn Random) -> Self {
        Self(base32::<16>(prefix, random).into())
    }
}

/// Draws `N` characters of base 32 behind a prefix.
fn base32<const N: usize>(prefix: &str, random: &dyn Random) -> String {
    // 32 letters, so that five bits of each random byte pick one without bias.
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = random.array::<N>();
    let letters = letters
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    prefix.chars().chain(letters).collect()
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn accepts_what_it_generates() {
        let random = SeededRandom::new(1);
        for _ in 0..100 {
            assert_eq!(
                NodeId::parse(NodeId::generate(&random).as_str()).map(|id| id.is_registered()),
                Ok(true)
            );
            assert_eq!(
                NodeId::parse(NodeId::generate_enrolled(&random).as_str()).map(|id| id.is_registered()),
                Ok(false)
            );
            assert!(AccountId::parse(AccountId::generate(&random).as_str()).is_ok());
            assert!(OrganizationId::parse(OrganizationId::generate(&random).as_str()).is_ok());
            assert!(ActivationId::parse(ActivationId::generate(&random).as_str()).is_ok());
            assert!(AccessKeyId::parse(AccessKeyId::generate(&random).as_str()).is_ok());
            assert!(AccessKeyId::generate_temporary(&random).is_temporary());
        }
    }

    #[test]
    fn refuses_node_ids_that_could_leave_a_folder_or_change_case() {
        for text in [
            "",
            "mi-",
            "mi-../../../../etc/x",
            "mi-0A1B2C3D4E5F67890",
            "mi-0a1b2c3d4e5f6789",
            "i-123",
            "x-12345678",
            "mi-0a1b2c3d4e5f67890\n",
        ] {
            assert!(NodeId::parse(text).is_err(), "{text}");
        }
        for text in ["mi-0a1b2c3d4e5f67890", "i-12345678", "i-0123456789abcdef0"] {
            assert!(NodeId::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_misshapen_accounts_regions_and_keys() {
        assert!(AccountId::parse("12345678901").is_err());
        assert!(AccountId::parse("12345678901٣").is_err());
        assert!(Region::parse("us east").is_err());
        assert!(Region::parse("local-1").is_ok());
        assert!(AccessKeyId::parse("akiaabcdefghijklmnop").is_err());
        assert!(AccessKeyId::parse("mi-0a1b2c3d4e5f67890").is_err());
        assert!(ActivationId::parse("a0b1c2d3-0000-0000-0000-00000000000Z").is_err());
    }

    #[test]
    fn says_what_was_expected() {
        let error = NodeId::parse("web-1").expect_err("not an id");
        assert_eq!(
            error.to_string(),
            "`web-1` is not a node id: expected `mi-` and 17 hex digits, or `i-` and 8 or 17 hex digits"
        );
    }

    #[test]
    fn deserializes_only_valid_ids() {
        assert!(serde_json::from_str::<AccountId>("\"123456789012\"").is_ok());
        assert!(serde_json::from_str::<AccountId>("\"x\"").is_err());
    }
}
