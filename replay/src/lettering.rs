//! The characters that letters stand for: themselves, or the lines and corners that frames are drawn with.

use std::borrow::Cow;

/// Puts characters in the place of the letters that stand for them.
///
/// Takes what has passed a [`Sieve`](crate::Sieve): its sequences are complete, and choose no other sets than these two.
#[derive(Debug, Default)]
pub(crate) struct Lettering {
    draws_lines: bool,
}

impl Lettering {
    /// Gives text back as it is to be drawn.
    pub(crate) fn of<'text>(&mut self, text: &'text str) -> Cow<'text, str> {
        if !self.draws_lines && !text.contains(LINES_BEGIN) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(escape) = rest.find('\x1b') {
            self.letters(&rest[..escape], &mut out);
            let (sequence, behind) = rest[escape..].split_at(length(&rest[escape..]));
            match sequence {
                LINES_BEGIN => self.draws_lines = true,
                LINES_END => self.draws_lines = false,
                _ => {
                    self.draws_lines &= sequence != RESET;
                    out.push_str(sequence);
                }
            }
            rest = behind;
        }
        self.letters(rest, &mut out);
        Cow::Owned(out)
    }

    fn letters(&self, text: &str, out: &mut String) {
        match self.draws_lines {
            true => out.extend(text.chars().map(line)),
            false => out.push_str(text),
        }
    }
}

const LINES_BEGIN: &str = "\x1b(0";
const LINES_END: &str = "\x1b(B";
const RESET: &str = "\x1bc";

/// The length of the sequence that a text begins with.
fn length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let length = match bytes.get(1) {
        Some(b'[') => {
            let last = bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte));
            last.map_or(bytes.len(), |last| last + 3)
        }
        Some(b'(' | b')') => 3,
        _ => 2,
    };
    text.floor_char_boundary(length.min(bytes.len())).max(1)
}

/// The character that a letter stands for in the set of lines: of a VT100, as terminals map it to Unicode.
fn line(letter: char) -> char {
    let place = u32::from(letter).checked_sub(u32::from('`'));
    let found = place.and_then(|place| LINES.get(usize::try_from(place).ok()?));
    found.copied().unwrap_or(letter)
}

/// From the grave accent to the tilde.
const LINES: [char; 31] = [
    '◆', '▒', '␉', '␌', '␍', '␊', '°', '±', '␤', '␋', '┘', '┐', '┌', '└', '┼', '⎺', '⎻', '─', '⎼', '⎽', '├',
    '┤', '┴', '┬', '│', '≤', '≥', 'π', '≠', '£', '·',
];

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;
    use crate::Sieve;

    #[test]
    fn frames_are_drawn_with_lines() {
        let mut lettering = Lettering::default();
        let frame = "lq \x1b(0lqk\x1b[1;31mx\x1b[m~é\x1b(B x";
        assert_eq!(lettering.of(frame), "lq ┌─┐\x1b[1;31m│\x1b[m·é x");
        assert_eq!(lettering.of("\x1b(0"), "");
        assert_eq!(lettering.of("mqj"), "└─┘", "until the other set is chosen");
        assert_eq!(lettering.of("q\x1bcq"), "─\x1bcq");
        assert_eq!(lettering.of("\x1b)0q"), "\x1b)0q");
    }

    proptest! {
        #[test]
        fn nothing_else_changes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut text = String::new();
            Sieve::new().pass(&bytes, &mut text);
            let text = text.replace(LINES_BEGIN, "");
            assert_eq!(Lettering::default().of(&text), text);
            let in_lines = Lettering { draws_lines: true }.of(&text).into_owned();
            assert_eq!(in_lines.matches('\x1b').count(), text.replace(LINES_END, "").matches('\x1b').count());
        }
    }
}
