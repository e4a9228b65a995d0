//! Cutting output into lines, and taking out of them what is for terminals only.

/// No line is longer: output without an end of line is cut, between two characters.
pub(super) const LONGEST_LINE: usize = 32 * 1024;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;

/// Cuts output into lines, however it comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    rest: Vec<u8>,
}

impl Splitter {
    /// Takes the next piece, and gives each line that is complete, its end of line included.
    pub(super) fn push(&mut self, mut piece: &[u8], mut line: impl FnMut(&[u8])) {
        while !piece.is_empty() {
            let room = LONGEST_LINE - self.rest.len();
            let end = piece.iter().take(room).position(|&byte| byte == b'\n');
            let (now, later) = piece.split_at(end.map_or(room.min(piece.len()), |end| end + 1));
            self.rest.extend_from_slice(now);
            piece = later;
            if end.is_some() {
                line(&self.rest);
                self.rest.clear();
            } else if self.rest.len() == LONGEST_LINE {
                let whole = whole_characters(&self.rest);
                line(&self.rest[..whole]);
                self.rest.drain(..whole);
            }
        }
    }

    /// Gives what is left when there is no more output.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            line(&self.rest);
            self.rest.clear();
        }
    }
}

/// Returns where the last character begins if it is not all there, else the length.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.iter().rev().take(3).position(|&byte| byte >= 0b1100_0000);
    let Some(behind) = last else {
        return bytes.len();
    };
    let begin = bytes.len() - 1 - behind;
    let wanted = match bytes[begin] {
        0b1111_0000.. => 4,
        0b1110_0000.. => 3,
        _ => 2,
    };
    if behind + 1 < wanted { begin } else { bytes.len() }
}

/// Returns a line as text: no end of line, no control sequences, no carriage returns, a blank for a tab.
///
/// A sequence that is not complete within the line loses its introduction only: nobody hides what follows by beginning one.
/// Takes time in proportion to the line.
pub(super) fn clean(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut text = Vec::with_capacity(line.len());
    let last_end_of_string = last_end_of_string(line);
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        at += 1;
        match byte {
            ESCAPE => at += sequence(&line[at..], last_end_of_string.saturating_sub(at)),
            b'\r' => {}
            b'\t' => text.push(b' '),
            byte => text.push(byte),
        }
    }
    match String::from_utf8(text) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

/// Returns how many bytes after an escape belong to it. Of them, the first `strings` may end a control string.
fn sequence(rest: &[u8], strings: usize) -> usize {
    let count = |range: std::ops::RangeInclusive<u8>, bytes: &[u8]| {
        bytes.iter().take_while(|byte| range.contains(byte)).count()
    };
    let is_final = |byte: Option<&u8>, from: u8| byte.is_some_and(|byte| (from..=0x7e).contains(byte));
    match rest.first() {
        Some(b'[') => {
            let parameters = 1 + count(0x30..=0x3f, &rest[1..]);
            let length = parameters + count(0x20..=0x2f, &rest[parameters..]);
            if is_final(rest.get(length), 0x40) {
                length + 1
            } else {
                1
            }
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => 1 + end_of_string(&rest[1..strings.max(1)]).unwrap_or(0),
        Some(0x20..=0x2f) => {
            let length = count(0x20..=0x2f, rest);
            if is_final(rest.get(length), 0x30) {
                length + 1
            } else {
                0
            }
        }
        Some(0x30..=0x7e) => 1,
        _ => 0,
    }
}

/// Returns how many bytes there are up to the end of a control string, that end included.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().enumerate().find_map(|(at, &byte)| match byte {
        BELL => Some(at + 1),
        ESCAPE if bytes.get(at + 1) == Some(&b'\\') => Some(at + 2),
        _ => None,
    })?;
    Some(end)
}

/// Returns where the last control string of a line may end, so that one without an end is not looked for again and again.
fn last_end_of_string(line: &[u8]) -> usize {
    let bell = line.iter().rposition(|&byte| byte == BELL).map(|at| at + 1);
    let terminator = line
        .windows(2)
        .rposition(|two| two == [ESCAPE, b'\\'])
        .map(|at| at + 2);
    bell.max(terminator).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        for piece in pieces {
            splitter.push(piece, |line| lines.push(line.to_vec()));
        }
        splitter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    fn cleaned(line: &str) -> String {
        clean(line.as_bytes())
    }

    #[test]
    fn a_line_is_what_a_person_read() {
        assert_eq!(cleaned("sh-5.2$ ls\r\n"), "sh-5.2$ ls");
        assert_eq!(cleaned("a\tb\t\tc\r\n"), "a b  c");
        assert_eq!(
            cleaned("\x1b[?2004h\x1b]0;me@host: ~\x07$ \x1b[01;34mbin\x1b[0m\r\n"),
            "$ bin"
        );
        assert_eq!(
            cleaned("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b(B\x1b=\x1b>\x1b7end"),
            "link end"
        );
        assert_eq!(clean(b"caf\xc3\xa9 \xff\n"), "caf\u{e9} \u{fffd}");
    }

    #[test]
    fn a_sequence_that_never_ends_hides_nothing() {
        for (line, text) in [
            ("\x1b]0;rm -rf /", "0;rm -rf /"),
            ("\x1bPrm -rf /", "rm -rf /"),
            ("\x1b[12;34", "12;34"),
            ("\x1b[1\u{e9}rm", "1\u{e9}rm"),
            ("a\x07\x1b]rm", "a\x07rm"),
            ("x\x1b", "x"),
            ("x\x1b[", "x"),
            ("x\x1b(", "x("),
        ] {
            assert_eq!(cleaned(line), text, "{line:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_cut_between_characters() {
        let text = "é".repeat(LONGEST_LINE);
        let shifted = format!("x{text}");
        let cut = lines(&[shifted.as_bytes()]);
        assert_eq!(cut.concat(), shifted.as_bytes());
        assert!(cut.len() > 2 && cut.iter().all(|line| std::str::from_utf8(line).is_ok()));
        assert!(cut.iter().all(|line| line.len() <= LONGEST_LINE));
    }

    /// Each of these took time in proportion to the square of its length where a cleaner looked back or ahead for each escape.
    #[test]
    fn hostile_lines_take_no_longer_than_others() {
        for pattern in ["\x1b]", "\x1b[1;", "\x1b[", "\x1b", "\x1bP\x1b", "\x1b(((("] {
            let line = pattern.repeat(4 * 1024 * 1024 / pattern.len());
            assert!(clean(line.as_bytes()).len() <= line.len());
        }
    }

    fn output() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => "[ -~]{0,8}".prop_map(String::into_bytes),
            2 => Just(b"\r\n".to_vec()),
            2 => prop::sample::select(vec![
                "\x1b[0m", "\x1b]", "\x1b", "\x07", "\x1b\\", "\t", "\n", "é", "\u{1f680}",
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..8),
            1 => (1_usize..3).prop_map(|times| b"long ".repeat(times * LONGEST_LINE / 8)),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn split_anywhere_the_lines_are_the_same(output in output(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(output.len() + 1)).collect();
            cuts.extend([0, output.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|two| &output[two[0]..two[1]]).collect();
            let whole = lines(&[&output]);
            prop_assert_eq!(&whole, &lines(&pieces));
            prop_assert_eq!(whole.concat(), output);
        }

        #[test]
        fn nothing_cleaned_steers_a_terminal(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = clean(&line);
            prop_assert!(!text.contains(['\x1b', '\r', '\t']), "{text:?}");
        }

        #[test]
        fn plain_text_stays_as_it_is(line in "[ -~é]{0,80}") {
            prop_assert_eq!(clean(line.as_bytes()), line);
        }
    }
}
