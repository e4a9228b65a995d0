//! One event, one line.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// Writes a value as JSON without a character that ends a line or steers a terminal anywhere.
pub(super) fn of<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::with_capacity(1024);
    let mut serializer = Serializer::with_formatter(&mut bytes, OneLine);
    value
        .serialize(&mut serializer)
        .expect("plain data with text keys is serializable, and memory can be written");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// Cuts a text to a number of bytes, at a character.
pub(super) fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

/// JSON must escape the control characters below U+0020 only; this escapes those above as well.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        for (at, character) in fragment.char_indices().filter(|(_, it)| must_escape(*it)) {
            CompactFormatter.write_string_fragment(writer, &fragment[plain..at])?;
            write!(writer, "\\u{:04x}", u32::from(character))?;
            plain = at + character.len_utf8();
        }
        CompactFormatter.write_string_fragment(writer, &fragment[plain..])
    }
}

/// Whether a character ends lines for some program, steers a terminal or reorders what is shown around it. All of them
/// are in the basic plane, so that one escape is enough.
fn must_escape(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_for_a_terminal() {
        let text = "a\r\nb\u{1b}[2J\u{9b}2J\u{85}\u{2028}\u{202e}\u{7f}\"\\é😀";
        let line = of(&text);
        assert!(!line.contains(must_escape), "{line}");
        assert!(line.contains("é😀"));
        assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), text);
    }

    #[test]
    fn cuts_at_a_character() {
        assert_eq!(cut("aéb", 2), "a");
        assert_eq!(cut("aéb", 3), "aé");
        assert_eq!(cut("aéb", 9), "aéb");
    }
}
