//! Wildcards: `*` for any run of characters, `?` for exactly one.
//!
//! A glob is the list of chunks between its stars. The first chunk is tied to the start of the text and the last to
//! its end; each other one takes the leftmost place that is left, which is always a right choice. So a match never
//! goes back, and costs at most the product of both lengths, and the sum of them without `?`.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Glob {
    /// A text that stands for itself.
    Literal(String),
    /// A text that stands for itself and one star. Nearly all patterns are this or a literal, and cost one comparison.
    Prefix(String),
    /// What stands between stars; one chunk means that there is no star.
    Wild(Vec<Chunk>),
}

/// What stands between two stars.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Chunk(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    One,
}

impl Glob {
    /// Starts with the pattern that matches the empty text only.
    pub(crate) fn new() -> Self {
        Self::Literal(String::new())
    }

    /// Compiles a text in which `*` and `?` are wildcards.
    pub(crate) fn wild(text: &str) -> Self {
        let mut glob = Self::new();
        glob.push_wild(text);
        glob
    }

    /// Appends a text in which `*` and `?` are wildcards.
    pub(crate) fn push_wild(&mut self, mut text: &str) {
        while let Some(at) = text.find(['*', '?']) {
            self.push_literal(&text[..at]);
            if text[at..].starts_with('*') {
                self.push_star();
            } else {
                self.last().0.push(Part::One);
            }
            text = &text[at + 1..];
        }
        self.push_literal(text);
    }

    /// Appends a text that stands for itself, whatever is in it.
    pub(crate) fn push_literal(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Self::Literal(before) = self {
            before.push_str(text);
            return;
        }
        match self.last().0.last_mut() {
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.last().0.push(Part::Text(text.to_owned())),
        }
    }

    /// Returns the one text that matches, `None` for a pattern with wildcards.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Prefix(_) | Self::Wild(_) => None,
        }
    }

    fn push_star(&mut self) {
        match self {
            Self::Literal(text) => *self = Self::Prefix(std::mem::take(text)),
            // Stars beside each other are one.
            Self::Prefix(_) => {}
            Self::Wild(chunks) => chunks.push(Chunk::default()),
        }
    }

    fn last(&mut self) -> &mut Chunk {
        self.chunks().last_mut().expect("a glob has at least one chunk")
    }

    /// Returns the chunks of a pattern that has wildcards, or is about to.
    fn chunks(&mut self) -> &mut Vec<Chunk> {
        let chunks = match self {
            Self::Wild(chunks) => return chunks,
            Self::Prefix(text) => vec![Chunk::text(text), Chunk::default()],
            Self::Literal(text) => vec![Chunk::text(text)],
        };
        *self = Self::Wild(chunks);
        self.chunks()
    }

    /// Says whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Prefix(prefix) => prefix.is_empty() || text.starts_with(prefix.as_str()),
            Self::Wild(chunks) => chunks_match(chunks, text),
        }
    }
}

fn chunks_match(chunks: &[Chunk], text: &str) -> bool {
    let (first, others) = chunks.split_first().expect("a glob has at least one chunk");
    let Some(text) = first.strip_start(text) else {
        return false;
    };
    let Some((last, middle)) = others.split_last() else {
        return text.is_empty();
    };
    let Some(mut text) = last.strip_end(text) else {
        return false;
    };
    for chunk in middle {
        match chunk.skip_past(text) {
            Some(rest) => text = rest,
            None => return false,
        }
    }
    true
}

impl Chunk {
    fn text(text: &str) -> Self {
        let parts = (!text.is_empty()).then(|| Part::Text(text.to_owned()));
        Self(parts.into_iter().collect())
    }

    fn strip_start<'a>(&self, mut text: &'a str) -> Option<&'a str> {
        for part in &self.0 {
            text = match part {
                Part::Text(literal) => text.strip_prefix(literal.as_str())?,
                Part::One => {
                    let mut characters = text.chars();
                    characters.next()?;
                    characters.as_str()
                }
            };
        }
        Some(text)
    }

    fn strip_end<'a>(&self, mut text: &'a str) -> Option<&'a str> {
        for part in self.0.iter().rev() {
            text = match part {
                Part::Text(literal) => text.strip_suffix(literal.as_str())?,
                Part::One => {
                    let mut characters = text.chars();
                    characters.next_back()?;
                    characters.as_str()
                }
            };
        }
        Some(text)
    }

    /// Returns what follows the leftmost place where the chunk matches.
    fn skip_past<'a>(&self, text: &'a str) -> Option<&'a str> {
        match self.0.as_slice() {
            [] => Some(text),
            [Part::Text(literal)] => text.find(literal.as_str()).map(|at| &text[at + literal.len()..]),
            _ => text
                .char_indices()
                .find_map(|(at, _)| self.strip_start(&text[at..])),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, as slow as it is plain.
    fn reference(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| reference(rest, &text[taken..])),
            Some(('?', rest)) => !text.is_empty() && reference(rest, &text[1..]),
            Some((literal, rest)) => text.first() == Some(literal) && reference(rest, &text[1..]),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?é]{0,8}", text in "[abé*]{0,8}") {
            let expected = reference(
                &pattern.chars().collect::<Vec<_>>(),
                &text.chars().collect::<Vec<_>>(),
            );
            prop_assert_eq!(Glob::wild(&pattern).matches(&text), expected);
        }

        #[test]
        fn pieces_match_as_the_whole_does(pieces in prop::collection::vec("[ab*?]{0,3}", 0..5), text in "[ab]{0,6}") {
            let mut glob = Glob::new();
            for piece in &pieces {
                glob.push_wild(piece);
            }
            prop_assert_eq!(glob.matches(&text), Glob::wild(&pieces.concat()).matches(&text));
        }

        #[test]
        fn a_literal_matches_itself_only(literal in "[a*?$]{0,6}", text in "[a*?$]{0,6}") {
            let mut glob = Glob::new();
            glob.push_literal(&literal);
            prop_assert_eq!(glob.matches(&text), literal == text);
        }
    }

    #[test]
    fn answers_soon_where_backtracking_would_not() {
        let glob = Glob::wild(&"*a".repeat(2_000));
        assert!(!glob.matches(&format!("{}b", "a".repeat(20_000))));
        let glob = Glob::wild(&format!("{}b", "*a?".repeat(500)));
        assert!(!glob.matches(&"a".repeat(5_000)));
    }
}
