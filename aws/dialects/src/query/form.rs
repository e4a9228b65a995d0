//! `application/x-www-form-urlencoded` fields.

use std::collections::BTreeMap;
use std::ops::Bound;

use percent_encoding::percent_decode_str;

use crate::error::AwsError;

/// More fields than any operation takes: a thousand resources with fifty tags each are some 1,100.
pub const MAX_FIELDS: usize = 4096;

/// Form fields of one request, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    fields: BTreeMap<String, String>,
}

impl Form {
    /// Parses `application/x-www-form-urlencoded` text (a body, or the query of a `GET`).
    ///
    /// The parameters of a presigned request (`X-Amz-…`) are left out.
    ///
    /// # Errors
    /// `MalformedQueryString` for bad encoding, a field given twice, or more than [`MAX_FIELDS`].
    pub fn parse(text: &[u8]) -> Result<Self, AwsError> {
        let malformed = |why: &str| AwsError::new("MalformedQueryString", why);
        let text = std::str::from_utf8(text).map_err(|_| malformed("The request is not UTF-8"))?;
        let mut fields = BTreeMap::new();
        for piece in text.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = decode(name).ok_or_else(|| malformed("A field's name is not UTF-8"))?;
            let value = decode(value).ok_or_else(|| malformed("A field's value is not UTF-8"))?;
            if name.starts_with("X-Amz-") {
                continue;
            }
            if fields.len() >= MAX_FIELDS {
                return Err(malformed("The request has too many fields"));
            }
            if fields.insert(name, value).is_some() {
                return Err(malformed("A field is given more than once"));
            }
        }
        Ok(Self { fields })
    }

    /// The `Action` field.
    pub fn action(&self) -> Option<&str> {
        self.field("Action")
    }

    /// The `Version` field.
    pub fn version(&self) -> Option<&str> {
        self.field("Version")
    }

    /// One field by its full name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Whether there is a field of that name or below it.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.fields.contains_key(name) || self.below(name).next().is_some()
    }

    /// What follows `name` and a dot in the names of the fields below it.
    pub(super) fn below(&self, name: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{name}.");
        self.fields
            .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
            .map_while(move |(found, _)| found.strip_prefix(&prefix))
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}
