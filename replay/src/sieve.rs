//! Lets through what draws on a screen, and nothing else.
//!
//! Dropped are: strings for the terminal (OSC, DCS, APC, PM, SOS: titles, clipboards, links, requests), control sequences that
//! ask for an answer (DSR, DA, DECRQSS, window reports), modes that make it report the mouse or the focus, ENQ, C1
//! controls, and sequences longer than any real one. A string that is not ended ends with its line.

use drawbridge_session::document::SessionType;

/// The longest control sequence that is let through, without its introducer.
const MAX_SEQUENCE: usize = 64;

/// Filters what a terminal is sent; pieces may end anywhere.
#[derive(Debug, Default)]
pub struct Sieve {
    state: State,
    sequence: Vec<u8>,
    text: Decoder,
    /// Whether a line feed begins a line: no terminal on the node has made two characters of it.
    is_feed_a_line: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte: one more names a character set.
    Charset,
    /// In a control sequence.
    Sequence,
    /// In a control sequence that will be dropped.
    BadSequence,
    /// In a string that will be dropped.
    String,
    /// After ESC in a string: `\` ends it.
    StringEscape,
}

const ESC: u8 = 0x1b;

impl Sieve {
    /// Makes one for the start of a recording.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes one for the start of a session's recording.
    pub fn of(session_type: SessionType) -> Self {
        Self {
            is_feed_a_line: session_type == SessionType::NonInteractiveCommands,
            ..Self::default()
        }
    }

    /// Appends to `out` what of `bytes` draws.
    pub fn pass(&mut self, bytes: &[u8], out: &mut String) {
        for byte in bytes {
            self.take(*byte, out);
        }
    }

    fn take(&mut self, byte: u8, out: &mut String) {
        // These end whatever was begun.
        match byte {
            0x18 | 0x1a => {
                self.state = State::Ground;
                return;
            }
            ESC if self.state == State::String => {
                self.state = State::StringEscape;
                return;
            }
            ESC => {
                self.text.finish(out);
                self.state = State::Escape;
                return;
            }
            _ => {}
        }
        self.state = match self.state {
            State::Ground => {
                self.ground(byte, out);
                State::Ground
            }
            State::Escape => self.escape(byte, out),
            State::Charset => {
                // Only ASCII and line drawing: what else there is looks like neither.
                if matches!(byte, b'0' | b'B') {
                    out.push('\x1b');
                    out.push(char::from(self.sequence.first().copied().unwrap_or(b'(')));
                    out.push(char::from(byte));
                }
                State::Ground
            }
            State::Sequence => self.sequence(byte, out),
            State::BadSequence if (0x40..=0x7e).contains(&byte) => State::Ground,
            State::BadSequence => State::BadSequence,
            // BEL ends an OSC. That it ends the others here, too, shows more of them and never more than text.
            State::String if byte == 0x07 => State::Ground,
            // So does the end of a line, or whoever began a string would hide all that follows.
            State::String if matches!(byte, b'\r' | b'\n') => {
                self.ground(byte, out);
                State::Ground
            }
            State::String => State::String,
            State::StringEscape if byte == b'\\' => State::Ground,
            State::StringEscape => self.escape(byte, out),
        };
    }

    fn ground(&mut self, byte: u8, out: &mut String) {
        match byte {
            0x08..=0x0d => {
                self.text.finish(out);
                if byte == b'\n' && self.is_feed_a_line {
                    out.push('\r');
                }
                out.push(char::from(byte));
            }
            0x00..=0x1f | 0x7f => {}
            _ => self.text.take(byte, out),
        }
    }

    fn escape(&mut self, byte: u8, out: &mut String) -> State {
        self.sequence.clear();
        match byte {
            b'[' => State::Sequence,
            b']' | b'P' | b'_' | b'^' | b'X' => State::String,
            b'(' | b')' => {
                self.sequence.push(byte);
                State::Charset
            }
            0x20..=0x2f => State::Charset,
            // Save and restore the cursor, index, next line, reverse index, reset.
            b'7' | b'8' | b'D' | b'E' | b'M' | b'c' => {
                out.push('\x1b');
                out.push(char::from(byte));
                State::Ground
            }
            _ => State::Ground,
        }
    }

    fn sequence(&mut self, byte: u8, out: &mut String) -> State {
        match byte {
            0x20..=0x3f if self.sequence.len() < MAX_SEQUENCE => {
                self.sequence.push(byte);
                State::Sequence
            }
            0x40..=0x7e => {
                if draws(&self.sequence, byte) {
                    out.push_str("\x1b[");
                    out.extend(self.sequence.iter().map(|byte| char::from(*byte)));
                    out.push(char::from(byte));
                }
                State::Ground
            }
            0x00..=0x1f => {
                self.ground(byte, out);
                State::Sequence
            }
            _ => State::BadSequence,
        }
    }
}

/// Says whether a control sequence only draws.
fn draws(parameters: &[u8], last: u8) -> bool {
    let plain = parameters
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'));
    match last {
        b'A'..=b'H' | b'J' | b'K' | b'L' | b'M' | b'P' | b'S' | b'T' | b'X' | b'Z' | b'@' => plain,
        b'`' | b'a' | b'd' | b'e' | b'f' | b'm' | b'r' => plain,
        b's' | b'u' => parameters.is_empty(),
        b'h' | b'l' => parameters
            .strip_prefix(b"?")
            .is_some_and(|modes| modes.split(|byte| *byte == b';').all(is_drawing_mode)),
        _ => false,
    }
}

/// Origin, wrapping, the cursor, the alternate screen: modes of the screen and not of the mouse or the keyboard.
fn is_drawing_mode(mode: &[u8]) -> bool {
    matches!(mode, b"6" | b"7" | b"25" | b"47" | b"1047" | b"1048" | b"1049")
}

/// Reads UTF-8 whose characters may come in pieces; what is none shows as U+FFFD.
#[derive(Debug, Default)]
struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    fn take(&mut self, byte: u8, out: &mut String) {
        if byte.is_ascii() {
            self.finish(out);
            out.push(char::from(byte));
            return;
        }
        let begins = byte >= 0xc0;
        if begins {
            self.finish(out);
        }
        self.pending.push(byte);
        match str::from_utf8(&self.pending) {
            Ok(text) => {
                // C1 controls would begin what this sieve drops.
                out.extend(
                    text.chars()
                        .map(|one| if is_inert(one) { one } else { '\u{fffd}' }),
                );
                self.pending.clear();
            }
            Err(error) if error.error_len().is_some() => {
                out.push('\u{fffd}');
                self.pending.clear();
            }
            Err(_unfinished) => {}
        }
    }

    fn finish(&mut self, out: &mut String) {
        if !self.pending.is_empty() {
            self.pending.clear();
            out.push('\u{fffd}');
        }
    }
}

/// Whether a character is only itself: no control, and nothing that turns the text around it.
fn is_inert(one: char) -> bool {
    !one.is_control()
        && !matches!(one, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;

    fn sieved(bytes: &[u8]) -> String {
        let mut out = String::new();
        Sieve::new().pass(bytes, &mut out);
        out
    }

    #[test]
    fn what_draws_passes() {
        for text in [
            "plain é 漢\r\n\t\x08",
            "\x1b[1;38:2:1:2:3mred\x1b[m",
            "\x1b[2J\x1b[H\x1b[10;20f\x1b[3A\x1b[K",
            "\x1b[?1049h\x1b[?25l\x1b[?1049l",
            "\x1b7\x1b8\x1bM\x1b(0lqk\x1b(B",
        ] {
            assert_eq!(sieved(text.as_bytes()), text);
        }
    }

    #[test]
    fn what_answers_or_reaches_outside_is_dropped() {
        for hostile in [
            &b"\x1b]52;c;aGk=\x07"[..],
            b"\x1b]52;c;?\x1b\\",
            b"\x1b]8;;file:///etc/passwd\x1b\\",
            b"\x1b]0;title\x07",
            b"\x1bP$qm\x1b\\",
            b"\x1bPtmux;\x1b\x1b]52;c;aGk=\x07\x1b\\",
            b"\x1b_Gq=1\x1b\\",
            b"\x1b^x\x1b\\",
            b"\x1b[6n",
            b"\x1b[?6n",
            b"\x1b[c",
            b"\x1b[>c",
            b"\x1b[=c",
            b"\x1b[21t",
            b"\x1b[18t",
            b"\x1b[?1000h",
            b"\x1b[?1003;1006h",
            b"\x1b[?1004h",
            b"\x1b[?25;1000h",
            b"\x1b[?u",
            b"\x1b[>1u",
            b"\x1b[0x",
            b"\x1b[5i",
            b"\x1b[!p",
            b"\x1b[?2026$p",
            b"\x1b[2 q",
            b"\x1bZ",
            b"\x05",
            b"\x1b#8",
        ] {
            let left = sieved(hostile);
            let text = left.replace("\x1b\\", "").replace("\\", "");
            assert!(
                !left.contains('\x1b') && !left.contains('\x05') && text.len() <= 12,
                "{hostile:?} leaves {left:?}"
            );
        }
        assert_eq!(sieved(b"a\x1b]52;c;x\x07b"), "ab");
        assert_eq!(sieved(b"a\xc2\x9b6nb"), "a\u{fffd}6nb");
        assert_eq!(sieved(b"a\x9b6n\xffb"), "a\u{fffd}6n\u{fffd}b");
        assert_eq!(sieved("a\u{202e}b".as_bytes()), "a\u{fffd}b");
    }

    /// A terminal of one's own may show what another takes for the rest of a title: nobody hides what follows by beginning one.
    #[test]
    fn a_string_ends_with_its_line() {
        for start in ["\x1b]", "\x1b]0;", "\x1bP", "\x1b_", "\x1b^", "\x1bX"] {
            assert_eq!(
                sieved(format!("a{start}b\r\nsecret\r\n").as_bytes()),
                "a\r\nsecret\r\n"
            );
            assert_eq!(sieved(format!("a{start}b\nsecret\n").as_bytes()), "a\nsecret\n");
        }
    }

    #[test]
    fn endless_sequences_take_no_memory() {
        let mut sieve = Sieve::new();
        let mut out = String::new();
        for start in [&b"\x1b["[..], b"\x1b]0;", b"\x1bP", b"\x1b[?"] {
            sieve.pass(start, &mut out);
            for _ in 0..1000 {
                sieve.pass(&[b'1'; 1000], &mut out);
            }
            sieve.pass(b"\x18", &mut out);
        }
        assert_eq!(out, "");
        assert!(sieve.sequence.capacity() <= 2 * MAX_SEQUENCE);
    }

    #[test]
    fn characters_may_come_in_pieces() {
        let text = "é漢🙂";
        let mut sieve = Sieve::new();
        let mut out = String::new();
        for byte in text.as_bytes() {
            sieve.pass(&[*byte], &mut out);
        }
        assert_eq!(out, text);
        out.clear();
        sieve.pass(b"\xe6\xbc\r\n", &mut out);
        assert_eq!(out, "\u{fffd}\r\n");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in vec(any::<u8>(), 0..200), cut in any::<u16>()) {
            let cut = usize::from(cut) % (bytes.len() + 1);
            let mut sieve = Sieve::new();
            let mut out = String::new();
            sieve.pass(&bytes[..cut], &mut out);
            sieve.pass(&bytes[cut..], &mut out);
            assert_eq!(out, sieved(&bytes));
        }

        #[test]
        fn what_passed_passes_again(bytes in vec(any::<u8>(), 0..200)) {
            let once = sieved(&bytes);
            assert_eq!(sieved(once.as_bytes()), once);
        }
    }
}
