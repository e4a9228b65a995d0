//! Texts of a policy: literal characters, wildcards and variables.
//!
//! A variable's value is put into the compiled pattern as literal text, after the policy's own wildcards were
//! recognised. So a user who is named `*` matches `session/*-…` as a literal star and nothing else.

use std::borrow::Cow;

use super::context::Context;
use super::error::PolicyError;
use super::glob::Glob;

/// Which characters of a text mean something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syntax {
    /// Whether `*` and `?` are wildcards.
    pub(super) wildcards: bool,
    /// Whether `${…}` is a variable, which it is since version 2012-10-17.
    pub(super) variables: bool,
}

/// A parsed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Template {
    /// Without variables.
    Fixed(Glob),
    /// With at least one variable.
    Variable(Vec<Segment>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Characters that stand for themselves.
    Literal(String),
    /// Characters among which `*` and `?` are wildcards.
    Wild(String),
    /// A context key, and what stands for it where the request does not have it.
    Key {
        /// As the policy writes it.
        name: String,
        /// In lower case.
        key: String,
        default: Option<String>,
    },
}

impl Template {
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, PolicyError> {
        let mut segments = Vec::new();
        let mut rest = text;
        while syntax.variables
            && let Some(start) = rest.find("${")
        {
            segments.push(Segment::plain(&rest[..start], syntax));
            let inner = &rest[start + 2..];
            let end = inner
                .find('}')
                .ok_or_else(|| PolicyError::new("a variable is not closed with `}`"))?;
            segments.push(Segment::variable(&inner[..end])?);
            rest = &inner[end + 1..];
        }
        segments.push(Segment::plain(rest, syntax));
        if segments
            .iter()
            .any(|segment| matches!(segment, Segment::Key { .. }))
        {
            return Ok(Self::Variable(segments));
        }
        let mut glob = Glob::new();
        for segment in &segments {
            segment
                .push(&Context::new(), &mut glob)
                .expect("only keys can be unresolved");
        }
        Ok(Self::Fixed(glob))
    }

    /// Says whether the text matches; where a variable has no value, nothing does.
    pub(super) fn matches(&self, text: &str, context: &Context) -> bool {
        match self {
            Self::Fixed(glob) => glob.matches(text),
            Self::Variable(_) => self.glob(context).is_ok_and(|glob| glob.matches(text)),
        }
    }

    /// Compares without regard to case; only for texts without wildcards.
    pub(super) fn equals_folded(&self, text: &str, context: &Context) -> bool {
        let Ok(glob) = self.glob(context) else {
            return false;
        };
        glob.literal().is_some_and(|literal| fold(literal) == fold(text))
    }

    /// Returns the one text that matches in every request.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Self::Fixed(glob) => glob.literal(),
            Self::Variable(_) => None,
        }
    }

    /// Returns the first variable that has no value in this request.
    pub(super) fn unresolved(&self, context: &Context) -> Option<&str> {
        self.glob(context).err()
    }

    fn glob(&self, context: &Context) -> Result<Cow<'_, Glob>, &str> {
        let segments = match self {
            Self::Fixed(glob) => return Ok(Cow::Borrowed(glob)),
            Self::Variable(segments) => segments,
        };
        let mut glob = Glob::new();
        for segment in segments {
            segment.push(context, &mut glob)?;
        }
        Ok(Cow::Owned(glob))
    }
}

impl Segment {
    fn plain(text: &str, syntax: Syntax) -> Self {
        if syntax.wildcards {
            Self::Wild(text.to_owned())
        } else {
            Self::Literal(text.to_owned())
        }
    }

    /// Parses what stands between `${` and `}`.
    fn variable(inner: &str) -> Result<Self, PolicyError> {
        if let "*" | "?" | "$" = inner {
            return Ok(Self::Literal(inner.to_owned()));
        }
        let (key, default) = match inner.split_once(',') {
            None => (inner, None),
            Some((key, default)) => {
                let quoted = default
                    .trim()
                    .strip_prefix('\'')
                    .and_then(|text| text.strip_suffix('\''))
                    .filter(|text| !text.contains('\''))
                    .ok_or_else(|| {
                        PolicyError::new("the default of a variable must stand in single quotes")
                    })?;
                (key, Some(quoted.to_owned()))
            }
        };
        let key = key.trim();
        if key.is_empty() || key.contains(['$', '{', '*', '?', '\'']) {
            return Err(PolicyError::new(format!("`${{{inner}}}` is not a variable")));
        }
        Ok(Self::Key {
            name: key.to_owned(),
            key: key.to_ascii_lowercase(),
            default,
        })
    }

    fn push(&self, context: &Context, glob: &mut Glob) -> Result<(), &str> {
        match self {
            Self::Literal(text) => glob.push_literal(text),
            Self::Wild(text) => glob.push_wild(text),
            Self::Key { name, key, default } => {
                let value = context.single(key).or(default.as_deref()).ok_or(name.as_str())?;
                glob.push_literal(value);
            }
        }
        Ok(())
    }
}

/// Folds case, but never turns a character outside ASCII into one inside it: the Kelvin sign is not a `k`.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        let crosses = !character.is_ascii() && character.to_lowercase().any(|lower| lower.is_ascii());
        if crosses {
            folded.push(character);
        } else {
            folded.extend(character.to_lowercase());
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIKE: Syntax = Syntax {
        wildcards: true,
        variables: true,
    };

    fn matches(pattern: &str, text: &str) -> bool {
        let context = Context::new().with("aws:username", "*");
        Template::parse(pattern, LIKE)
            .expect("valid")
            .matches(text, &context)
    }

    #[test]
    fn puts_values_in_as_literals() {
        assert!(matches("session/${aws:UserName}-*", "session/*-0123"));
        assert!(!matches("session/${aws:username}-*", "session/bob-0123"));
        assert!(!matches("session/${aws:nothing}-*", "session/-0123"));
        assert!(matches("${aws:nothing, 'a*'}", "a*"));
        assert!(!matches("${aws:nothing, 'a*'}", "ab"));
        assert!(matches("a${*}${?}${$}?", "a*?$x"));
        assert!(!matches("a${*}", "ab"));
    }

    #[test]
    fn refuses_what_is_no_variable() {
        for wrong in ["${aws:username", "${}", "${a, b}", "${${*}}", "${a, 'b}", "${a*}"] {
            assert!(Template::parse(wrong, LIKE).is_err(), "{wrong}");
        }
    }

    #[test]
    fn folds_case_within_an_alphabet() {
        assert_eq!(fold("ÄB"), "äb");
        assert_ne!(fold("\u{212a}"), "k");
    }
}
