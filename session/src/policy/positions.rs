//! Where statements stand in the text of a document.

use super::document::Policy;

/// A place in a text; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// The part of a text that a statement takes up, as AWS's simulator counts it: from behind the bracket, comma or
/// colon before it to behind its closing brace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: Position,
    /// Where the text goes on.
    pub end: Position,
}

impl Policy {
    /// Finds the statements in the text that a document was read from, in their order.
    pub fn spans(text: &str) -> Vec<Span> {
        let mut reader = Reader::default();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let length = match character {
                '"' => text_length(rest),
                _ => character.len_utf8(),
            };
            let (token, after) = rest.split_at(length);
            reader.take(token);
            rest = after;
        }
        reader.spans
    }
}

/// What was read so far of a document that is known to be valid.
struct Reader {
    spans: Vec<Span>,
    at: Position,
    /// Behind the last character that is neither a text's nor white space.
    behind: Position,
    /// How many braces and brackets are open.
    depth: u32,
    /// The last text outside of all values.
    key: String,
    /// Whether the value of `Statement` is being read.
    inside: bool,
    /// Where the statement that is being read began, and how deep.
    open: Option<(Position, u32)>,
}

impl Default for Reader {
    fn default() -> Self {
        let first = Position { line: 1, column: 1 };
        Self {
            spans: Vec::new(),
            at: first,
            behind: first,
            depth: 0,
            key: String::new(),
            inside: false,
            open: None,
        }
    }
}

impl Reader {
    fn take(&mut self, token: &str) {
        if token == "{" && self.inside && self.open.is_none() {
            self.open = Some((self.behind, self.depth));
        }
        for character in token.chars() {
            match character {
                '\n' => {
                    self.at.line += 1;
                    self.at.column = 1;
                }
                _ => self.at.column += 1,
            }
        }
        match token {
            "{" | "[" => self.depth += 1,
            "}" | "]" => self.depth = self.depth.saturating_sub(1),
            ":" if self.depth == 1 => self.inside = self.key == "Statement",
            "," if self.depth == 1 => self.inside = false,
            ":" | "," => {}
            _ => {
                if self.depth == 1 && token.starts_with('"') {
                    self.key = serde_json::from_str(token).unwrap_or_default();
                }
                return;
            }
        }
        self.behind = self.at;
        if let Some((start, _)) = self
            .open
            .take_if(|(_, depth)| token == "}" && *depth == self.depth)
        {
            let end = self.at;
            self.spans.push(Span { start, end });
        }
    }
}

/// Returns how many bytes the text in quotes takes that begins here.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<(u32, u32, u32, u32)> {
        let spans = Policy::spans(text);
        let numbers = |it: Span| (it.start.line, it.start.column, it.end.line, it.end.column);
        spans.into_iter().map(numbers).collect()
    }

    #[test]
    fn counts_as_aws_does() {
        let administrator = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \
                             \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}";
        assert_eq!(spans(administrator), [(3, 17, 8, 6)]);
        let compact = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow"},{"Effect":"Deny"}]}"#;
        assert_eq!(spans(compact), [(1, 38, 1, 56), (1, 57, 1, 74)]);
    }

    #[test]
    fn finds_a_single_statement_whatever_stands_around_it() {
        let text = r#"{"Id":"{\"Statement\":[{","Stat\u0065ment":{"Condition":{"a":{"b":["}","ü"]}}},"Version":"x"}"#;
        let found = spans(text);
        assert_eq!(found.len(), 1);
        let (_, start, _, end) = found[0];
        let between: String = text
            .chars()
            .skip(start as usize - 1)
            .take((end - start) as usize)
            .collect();
        assert_eq!(between, r#"{"Condition":{"a":{"b":["}","ü"]}}}"#);
    }

    #[test]
    fn survives_what_is_no_document() {
        for text in ["", "{", "\"", "}}]", "{\"Statement\":[{", "{\"Statement\": \"\\"] {
            assert!(spans(text).is_empty(), "{text}");
        }
    }
}
