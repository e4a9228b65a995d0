//! Terms: a message must have all of them, or one of the optional ones, and none of the excluded ones.
//!
//! A term is found anywhere in the message, also inside a word, with its case.

use super::{Unreadable, quoted};

/// The terms of a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    required: Vec<String>,
    /// `?term`: one of them is enough, and beside required ones they do not count.
    optional: Vec<String>,
    /// `-term`.
    excluded: Vec<String>,
}

impl Terms {
    pub(super) fn matches(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        let optional = !self.required.is_empty() || self.optional.is_empty() || self.optional.iter().any(has);
        optional && self.required.iter().all(has) && !self.excluded.iter().any(has)
    }
}

pub(super) fn parse(text: &str) -> Result<Terms, Unreadable> {
    let mut terms = Terms::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (list, from) = match rest.strip_prefix('-') {
            Some(from) => (&mut terms.excluded, from),
            None => match rest.strip_prefix('?') {
                Some(from) => (&mut terms.optional, from),
                None => (&mut terms.required, rest),
            },
        };
        let (term, behind) = if from.starts_with('"') {
            quoted(from)?
        } else {
            bare(from)?
        };
        list.push(term);
        rest = behind.trim_start();
    }
    Ok(terms)
}

/// Takes a word; what else is in a term stands between quotation marks, as on AWS.
fn bare(text: &str) -> Result<(String, &str), Unreadable> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (term, rest) = text.split_at(end);
    let plain = |character: char| character.is_alphanumeric() || character == '_';
    if term.is_empty() {
        return Err(Unreadable::new("a sign stands before no term"));
    }
    if !term.chars().all(plain) {
        return Err(Unreadable::new(format!(
            "invalid character in term `{term}`, which can stand between quotation marks"
        )));
    }
    Ok((term.to_owned(), rest))
}
