//! Reading the keys of an object one by one, with the path of each in its error.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde_json::{Map, Value};

use super::content::Strictness;
use super::error::DocumentError;
use super::placeholder::{Piece, has_placeholder, has_ssm_reference, pieces};

/// What only the node could read, nobody could check before the session starts.
const NOT_SSM: &str = "cannot come from the parameter store; only free texts can";

/// Said of what is no list of texts.
const NO_LIST: &str =
    "must be a list of texts, a text that holds one in JSON, or one placeholder and nothing beside it";

/// An object of a document.
pub(super) struct Fields<'a> {
    path: String,
    object: Option<&'a Map<String, Value>>,
    known: BTreeSet<&'static str>,
    strictness: Strictness,
}

impl<'a> Fields<'a> {
    /// Takes an object; null stands for one without keys.
    pub(super) fn of(
        value: Option<&'a Value>,
        path: impl Into<String>,
        strictness: Strictness,
    ) -> Result<Self, DocumentError> {
        let path = path.into();
        let object = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(_) => return Err(DocumentError::at(path, "must be an object")),
        };
        Ok(Self {
            path,
            object,
            known: BTreeSet::new(),
            strictness,
        })
    }

    /// Returns the path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Returns a key's value; null counts as absent.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.insert(key);
        self.object?.get(key).filter(|value| !value.is_null())
    }

    /// Returns the fields of an object.
    pub(super) fn object(&mut self, key: &'static str) -> Result<Fields<'a>, DocumentError> {
        let path = self.path(key);
        Fields::of(self.value(key), path, self.strictness)
    }

    /// Returns a text, empty where it is absent.
    pub(super) fn text(&mut self, key: &'static str) -> Result<String, DocumentError> {
        match self.value(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(self.wrong(key, "must be a text")),
        }
    }

    /// Returns a text that other programs write as a number too.
    pub(super) fn text_or_number(&mut self, key: &'static str) -> Result<String, DocumentError> {
        match self.value(key) {
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => self.text(key),
        }
    }

    /// Returns a boolean, which may be written as a text; `false` where it is absent.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<bool, DocumentError> {
        match self.value(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if has_ssm_reference(text) => Err(self.wrong(key, NOT_SSM)),
            Some(Value::String(text)) if has_placeholder(text) => Ok(false),
            Some(Value::String(text)) => {
                boolean(text).ok_or_else(|| self.wrong(key, &format!("must be true or false, not {text:?}")))
            }
            Some(_) => Err(self.wrong(key, "must be true or false")),
        }
    }

    /// Returns a text if a rule holds for it; what a placeholder stands for is checked when it is known.
    pub(super) fn text_where(
        &mut self,
        key: &'static str,
        rule: &str,
        holds: impl FnOnce(&str) -> bool,
    ) -> Result<String, DocumentError> {
        let text = self.text_or_number(key)?;
        if has_ssm_reference(&text) {
            return Err(self.wrong(key, NOT_SSM));
        }
        if text.is_empty() || has_placeholder(&text) || holds(&text) {
            Ok(text)
        } else {
            Err(self.wrong(key, rule))
        }
    }

    /// Returns the entries of a list of texts, which may be written as a text that holds one in JSON, as a placeholder of a
    /// `StringList` becomes one. There are none while a placeholder stands for any of it.
    pub(super) fn list<T, E: Display>(
        &mut self,
        key: &'static str,
        most: usize,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Vec<T>>, DocumentError> {
        let held;
        let entries: &Vec<Value> = match self.value(key) {
            None => return Ok(None),
            Some(Value::Array(entries)) => entries,
            Some(Value::String(text)) => match pieces(text).as_slice() {
                [Piece::Parameter(_)] => return Ok(Some(Vec::new())),
                [Piece::Text(_)] => {
                    held = serde_json::from_str(text).map_err(|_| self.wrong(key, NO_LIST))?;
                    &held
                }
                // With quotes in it, a value inside a longer text would become entries of its own.
                _ => return Err(self.wrong(key, NO_LIST)),
            },
            Some(_) => return Err(self.wrong(key, NO_LIST)),
        };
        if !(1..=most).contains(&entries.len()) {
            return Err(self.wrong(
                key,
                &format!("must have 1 to {most} entries, not {}", entries.len()),
            ));
        }
        let mut found = Vec::with_capacity(entries.len());
        let mut is_awaited = false;
        for (nth, entry) in entries.iter().enumerate() {
            let path = format!("{}.{nth}", self.path(key));
            match entry {
                Value::String(text) if has_ssm_reference(text) => {
                    return Err(DocumentError::at(path, NOT_SSM));
                }
                Value::String(text) if has_placeholder(text) => is_awaited = true,
                Value::String(text) => found.push(
                    read(text)
                        .map_err(|error| DocumentError::at(path, format!("cannot be read: {error}")))?,
                ),
                _ => return Err(DocumentError::at(path, "must be a text")),
            }
        }
        Ok(Some(if is_awaited { Vec::new() } else { found }))
    }

    /// Returns the error for a key.
    pub(super) fn wrong(&self, key: &str, rule: &str) -> DocumentError {
        DocumentError::at(self.path(key), rule)
    }

    /// Refuses keys that nobody asked for.
    pub(super) fn finish(self) -> Result<(), DocumentError> {
        let mut keys = self.object.into_iter().flat_map(Map::keys);
        let unknown = keys.find(|key| !self.known.contains(key.as_str()));
        match unknown {
            Some(key) if self.strictness == Strictness::Strict => {
                let known: Vec<_> = self.known.iter().copied().collect();
                let rule = format!("is not known here; known are {}", known.join(", "));
                Err(DocumentError::at(self.path(key), rule))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the texts that AWS's agent takes for booleans: those of Go's `strconv.ParseBool`, and nothing for false.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
