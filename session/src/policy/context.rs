//! The facts of a request that conditions and variables read.

use std::collections::HashMap;

/// Condition keys with their values; the case of a key does not matter, that of a value does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// By the key in lower case; never an empty list, because a key without values counts as absent.
    values: HashMap<String, Vec<String>>,
}

impl Context {
    /// Creates a context without any key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to a key, such as `aws:username`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.add(key, value);
        self
    }

    /// Adds a value to a key; several values make the key multi-valued.
    pub fn add(&mut self, key: &str, value: impl Into<String>) {
        self.values
            .entry(key.to_ascii_lowercase())
            .or_default()
            .push(value.into());
    }

    /// Returns the values of a key, `None` where the request does not have it.
    pub fn values(&self, key: &str) -> Option<&[String]> {
        self.lower(&key.to_ascii_lowercase())
    }

    /// Returns the values of a key that is in lower case.
    pub(super) fn lower(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// Returns the value that stands for `${key}`; a key with several values has no single one.
    pub(super) fn single(&self, key: &str) -> Option<&str> {
        match self.lower(key) {
            Some([value]) => Some(value),
            _ => None,
        }
    }
}
