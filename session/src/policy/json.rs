//! JSON that says one thing only: no key twice, no deep nesting.
//!
//! Two readers of `{"Effect": "Deny", "Effect": "Allow"}` may disagree about what was decided, so such a document is
//! nobody's policy.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::PolicyError;

/// The deepest element of the grammar is a value in a list of a key of an operator: eight levels.
const MAX_DEPTH: usize = 10;

/// A parsed value; objects keep the order of their keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// A number in its shortest form.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Reads a whole document.
pub(super) fn read(text: &str) -> Result<Node, PolicyError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let refuse = |error: serde_json::Error| PolicyError::new(format!("Syntax errors in policy: {error}"));
    let node = Level(MAX_DEPTH).deserialize(&mut reader).map_err(refuse)?;
    reader.end().map_err(refuse)?;
    Ok(node)
}

/// Reads one value that may nest this many levels more.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.0.checked_sub(1) {
            Some(left) => Ok(Self(left)),
            None => Err(E::custom("nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let inner = self.deeper()?;
        let mut object = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!("duplicate key `{key}`")));
            }
            object.push((key, entries.next_value_seed(inner)?));
        }
        Ok(Node::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_key_that_is_there_twice() {
        let error = read("{\"Effect\": \"Deny\",\n\"Effect\": \"Allow\"}").expect_err("duplicate");
        assert!(
            error.reason().contains("duplicate key `Effect` at line 2"),
            "{error}"
        );
    }

    #[test]
    fn refuses_deep_nesting_and_what_follows_the_document() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(read(&deep).expect_err("deep").reason().contains("too deeply"));
        assert!(read("{} {}").is_err());
        assert!(read("").is_err());
    }
}
