//! The facts of a request that conditions and variables read.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

/// Condition keys with their values; the case of a key does not matter, that of a value does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Context {
    /// By the key in lower case; never an empty list, because a key without values counts as absent.
    ///
    /// A request has some tens of keys at most, so a fast hash is enough: nobody gains by keys that collide.
    values: HashMap<String, Vec<String>, FixedState>,
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

    /// Takes over another context's values; the values of a key that both have are put together.
    pub fn extend(&mut self, other: &Self) {
        for (key, values) in &other.values {
            self.values
                .entry(key.clone())
                .or_default()
                .extend(values.iter().cloned());
        }
    }

    /// Gives a key these values in the place of any before; none removes it.
    pub fn set(&mut self, key: &str, values: Vec<String>) {
        let key = key.to_ascii_lowercase();
        if values.is_empty() {
            self.values.remove(&key);
        } else {
            self.values.insert(key, values);
        }
    }

    /// Returns every key, in lower case, with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.values
            .iter()
            .map(|(key, values)| (key.as_str(), values.as_slice()))
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
