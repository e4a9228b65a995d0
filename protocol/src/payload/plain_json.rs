//! JSON in which every program reads the same.
//!
//! Readers differ in what they do with two members of one name: the last counts, or the first, or neither. AWS's agent, as all
//! programs in Go, also takes `kmskeyid` for `KMSKeyId`, and folds some letters beyond ASCII into it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Says whether a text is JSON without members whose names differ by their case at most, or are not ASCII.
pub(super) fn is_plain(text: &[u8]) -> bool {
    serde_json::from_slice::<Plain>(text).is_ok()
}

struct Plain;

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with plain names")
    }

    fn visit_unit<E: Error>(self) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Plain, E> {
        Ok(Plain)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Plain, A::Error> {
        while list.next_element::<Plain>()?.is_some() {}
        Ok(Plain)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Plain, A::Error> {
        let mut names = HashSet::new();
        while let Some((mut name, Plain)) = object.next_entry::<String, Plain>()? {
            name.make_ascii_lowercase();
            if !name.is_ascii() || !names.insert(name) {
                return Err(A::Error::custom("a name is not plain"));
            }
        }
        Ok(Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn names_are_told_apart_by_everybody() {
        for plain in [
            "null",
            "7",
            r#""é""#,
            r#"{"a":1.5,"b":[true,{"a":"é"}],"c":{"a":-1}}"#,
        ] {
            assert!(is_plain(plain.as_bytes()), "{plain}");
        }
        for other in [
            "",
            "{",
            "{} {}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"A":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":[{"y":{"Ab":1,"aB":1}}]}"#,
            "{\"\u{212a}ey\":1}",
            r#"{"\u017f":1}"#,
        ] {
            assert!(!is_plain(other.as_bytes()), "{other}");
        }
        assert!(!is_plain(b"{\"a\":\"\xff\"}"));
        assert!(!is_plain("[".repeat(10_000).as_bytes()));
    }
}
