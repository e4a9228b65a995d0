//! Filters: a name and values, of which one must match. In a value `*` stands for any text and `?` for any character.

use drawbridge_aws_dialects::error::AwsError;
use serde::Deserialize;

use crate::error::invalid_value;

/// A filter as requests have it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Asked {
    pub(crate) name: Option<String>,
    values: Option<Vec<String>>,
}

/// What a filter compares, by a name of the operation's own, and the values.
#[derive(Debug)]
pub(crate) struct Filter<N> {
    pub(crate) name: N,
    values: Vec<Pattern>,
}

impl<N> Filter<N> {
    /// Reads filters whose names an operation knows.
    pub(crate) fn read_all(
        asked: Option<Vec<Asked>>,
        known: impl Fn(&str) -> Option<N>,
    ) -> Result<Vec<Self>, AwsError> {
        let asked = asked.unwrap_or_default().into_iter();
        asked.map(|asked| Self::read(asked, &known)).collect()
    }

    fn read(asked: Asked, known: &impl Fn(&str) -> Option<N>) -> Result<Self, AwsError> {
        let name = asked.name.unwrap_or_default();
        let found = known(&name).ok_or_else(|| invalid_value(format!("The filter '{name}' is invalid")))?;
        let values = asked.values.unwrap_or_default();
        if values.is_empty() {
            return Err(invalid_value(format!("The filter '{name}' has no values")));
        }
        Ok(Self {
            name: found,
            values: values.iter().map(|value| Pattern::parse(value)).collect(),
        })
    }

    /// Says whether one of the values matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.values.iter().any(|pattern| pattern.matches(text))
    }
}

/// A value of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Anything,
    AnyOne,
    One(char),
}

impl Pattern {
    /// A backslash takes its meaning from the character after it.
    fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            pieces.push(match character {
                '*' => Piece::Anything,
                '?' => Piece::AnyOne,
                '\\' => Piece::One(characters.next().unwrap_or('\\')),
                character => Piece::One(character),
            });
        }
        Self(pieces)
    }

    fn matches(&self, text: &str) -> bool {
        // `reachable[n]`: the first `n` pieces match what was read; at most pieces by characters steps.
        let mut reachable = vec![false; self.0.len() + 1];
        reachable[0] = true;
        self.skip_stars(&mut reachable);
        for character in text.chars() {
            let mut next = vec![false; reachable.len()];
            for (at, piece) in self.0.iter().enumerate().filter(|(at, _)| reachable[*at]) {
                match piece {
                    Piece::Anything => next[at] = true,
                    Piece::AnyOne => next[at + 1] = true,
                    Piece::One(wanted) => next[at + 1] |= *wanted == character,
                }
            }
            self.skip_stars(&mut next);
            reachable = next;
        }
        reachable.last() == Some(&true)
    }

    /// A star may stand for nothing.
    fn skip_stars(&self, reachable: &mut [bool]) {
        for (at, piece) in self.0.iter().enumerate() {
            if *piece == Piece::Anything && reachable[at] {
                reachable[at + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_others_unless_escaped() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("Prod", "Prod", true),
            ("Prod", "prod", false),
            ("Prod", "Production", false),
            ("Prod*", "Production", true),
            ("*od*", "Production", true),
            ("*", "", true),
            ("**", "ü", true),
            ("?", "ü", true),
            ("?", "", false),
            ("a?c*", "abc", true),
            ("a?c*", "ac", false),
            (r"\*", "*", true),
            (r"\*", "a", false),
            (r"a\", r"a\", true),
        ] {
            assert_eq!(
                Pattern::parse(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
        let slow = "*a".repeat(500);
        assert!(!Pattern::parse(&slow).matches(&"b".repeat(1000)));
    }

    #[test]
    fn refuses_an_unknown_name_and_no_values() {
        let read = |name: Option<&str>, values: Option<&[&str]>| {
            let asked = Asked {
                name: name.map(str::to_owned),
                values: values.map(|values| values.iter().map(|it| (*it).to_owned()).collect()),
            };
            Filter::read_all(Some(vec![asked]), |name| (name == "key").then_some(()))
        };
        assert!(read(Some("key"), Some(&["a"])).is_ok());
        for (name, values, message) in [
            (None, Some(&["a"][..]), "The filter '' is invalid"),
            (Some("Key"), Some(&["a"][..]), "The filter 'Key' is invalid"),
            (Some("key"), None, "The filter 'key' has no values"),
            (Some("key"), Some(&[][..]), "The filter 'key' has no values"),
        ] {
            let error = read(name, values).expect_err(message);
            assert_eq!(
                (error.code(), error.message()),
                ("InvalidParameterValue", message)
            );
        }
    }
}
