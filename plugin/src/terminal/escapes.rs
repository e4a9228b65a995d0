//! The escapes a person can type: `~.` and its kin, only straight after a newline.
//!
//! ```text
//!             newline                 `~`
//!  MidLine ─────────────▶ LineStart ───────▶ Tilde ── `.` `?` `d` `^Z` ──▶ an escape, back to LineStart
//!     ▲                       │                │
//!     └──── any other byte ───┴── `~~` or any ─┘
//! ```
//!
//! Text that a terminal marks as pasted (bracketed paste) is never searched: a pasted line that begins with
//! `~.` must not end a session.

use bytes::Bytes;

/// What a person asked of the client itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// `~.`: end the session and leave.
    Leave,
    /// `~d`: leave, and let the session run on.
    Detach,
    /// `~^Z`: stop this client as Ctrl-Z stops a local program.
    Suspend,
    /// `~?`: list the escapes.
    Help,
}

/// A piece of what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Bytes for the far end.
    Bytes(Bytes),
    /// A request to the client; its keys are not sent.
    Escape(Escape),
}

/// Separates escapes from the bytes that go to the far end.
#[derive(Debug)]
pub struct EscapeFilter {
    may_detach: bool,
    state: State,
    paste: Paste,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    LineStart,
    Tilde,
    MidLine,
}

/// How far into a bracketed-paste marker the bytes are, and whether inside one.
#[derive(Debug, Default)]
struct Paste {
    inside: bool,
    matched: usize,
}

impl EscapeFilter {
    /// Makes a filter at the start of a line; `~d` is an escape only if `may_detach`.
    pub fn new(may_detach: bool) -> Self {
        Self {
            may_detach,
            state: State::LineStart,
            paste: Paste::default(),
        }
    }

    /// Takes what was typed and returns it in order, escapes apart.
    ///
    /// A `~` at the start of a line is held back until the key that follows it.
    pub fn feed(&mut self, typed: &Bytes) -> Vec<Typed> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for (at, &byte) in typed.iter().enumerate() {
            self.paste.step(byte);
            let here = self.state;
            self.state = match byte {
                b'\r' | b'\n' => State::LineStart,
                b'~' if here == State::LineStart && !self.paste.inside => State::Tilde,
                _ => State::MidLine,
            };
            if self.state == State::Tilde {
                push(&mut pieces, typed.slice(start..at));
                start = at + 1;
            } else if here == State::Tilde {
                match self.escape(byte) {
                    Some(escape) => {
                        pieces.push(Typed::Escape(escape));
                        self.state = State::LineStart;
                        start = at + 1;
                    }
                    // `~~` sends one tilde: the second one, which is still in the run.
                    None if byte == b'~' => {}
                    None => push(&mut pieces, Bytes::from_static(b"~")),
                }
            }
        }
        push(&mut pieces, typed.slice(start..));
        pieces
    }

    fn escape(&self, byte: u8) -> Option<Escape> {
        match byte {
            b'.' => Some(Escape::Leave),
            b'?' => Some(Escape::Help),
            b'd' if self.may_detach => Some(Escape::Detach),
            CTRL_Z => Some(Escape::Suspend),
            _ => None,
        }
    }
}

impl Paste {
    /// Follows `ESC [ 2 0 0 ~` and `ESC [ 2 0 1 ~` across chunk borders.
    fn step(&mut self, byte: u8) {
        let marker = if self.inside { PASTE_END } else { PASTE_START };
        if marker.get(self.matched) == Some(&byte) {
            self.matched += 1;
        } else {
            self.matched = usize::from(byte == PASTE_START[0]);
        }
        if self.matched == marker.len() {
            *self = Self {
                inside: !self.inside,
                matched: 0,
            };
        }
    }
}

fn push(pieces: &mut Vec<Typed>, bytes: Bytes) {
    if !bytes.is_empty() {
        pieces.push(Typed::Bytes(bytes));
    }
}

const CTRL_Z: u8 = 0x1a;

/// Bracketed paste, as xterm's control sequences document it ("Bracketed Paste Mode").
const PASTE_START: &[u8; 6] = b"\x1b[200~";
const PASTE_END: &[u8; 6] = b"\x1b[201~";

#[cfg(test)]
mod tests {
    use drawbridge_session::{RandomArray, SeededRandom};

    use super::*;

    /// Feeds the chunks one by one; returns the bytes sent and the escapes seen.
    fn feed(may_detach: bool, chunks: &[&str]) -> (String, Vec<Escape>) {
        let mut filter = EscapeFilter::new(may_detach);
        let mut sent = Vec::new();
        let mut escapes = Vec::new();
        for chunk in chunks {
            for piece in filter.feed(&Bytes::copy_from_slice(chunk.as_bytes())) {
                match piece {
                    Typed::Bytes(bytes) => sent.extend_from_slice(&bytes),
                    Typed::Escape(escape) => escapes.push(escape),
                }
            }
        }
        (String::from_utf8(sent).unwrap(), escapes)
    }

    #[test]
    fn leaves_at_the_very_start_and_after_a_newline() {
        assert_eq!(feed(false, &["~."]), (String::new(), vec![Escape::Leave]));
        assert_eq!(feed(false, &["ls\r~."]), ("ls\r".into(), vec![Escape::Leave]));
        assert_eq!(
            feed(false, &["ls\n", "~", "."]),
            ("ls\n".into(), vec![Escape::Leave])
        );
    }

    #[test]
    fn is_not_an_escape_in_the_middle_of_a_line() {
        assert_eq!(feed(true, &["cd ~.", " a~?"]), ("cd ~. a~?".into(), vec![]));
    }

    #[test]
    fn two_tildes_send_one() {
        assert_eq!(feed(false, &["~~."]), ("~.".into(), vec![]));
        assert_eq!(feed(false, &["~", "~", "x\r"]), ("~x\r".into(), vec![]));
    }

    #[test]
    fn an_unknown_escape_is_sent_as_typed() {
        assert_eq!(feed(false, &["~x"]), ("~x".into(), vec![]));
        assert_eq!(feed(false, &["~", "/bin\r"]), ("~/bin\r".into(), vec![]));
        assert_eq!(feed(false, &["~\r~?"]), ("~\r".into(), vec![Escape::Help]));
    }

    #[test]
    fn detaches_only_where_it_may() {
        assert_eq!(feed(true, &["~d"]), (String::new(), vec![Escape::Detach]));
        assert_eq!(feed(false, &["~d"]), ("~d".into(), vec![]));
    }

    #[test]
    fn another_escape_may_follow_at_once() {
        let (sent, escapes) = feed(false, &["a\r~?~\u{1a}~.b"]);
        assert_eq!(sent, "a\rb");
        assert_eq!(escapes, [Escape::Help, Escape::Suspend, Escape::Leave]);
    }

    #[test]
    fn pasted_text_is_never_searched() {
        let paste = "\u{1b}[200~one\r~.\r~?\u{1b}[201~";
        assert_eq!(feed(false, &[paste]), (paste.into(), vec![]));
        let bytes: Vec<String> = paste.chars().map(String::from).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(feed(false, &bytes), (paste.into(), vec![]));
        assert_eq!(
            feed(false, &[paste, "\r~."]),
            (format!("{paste}\r"), vec![Escape::Leave])
        );
    }

    #[test]
    fn a_long_paste_stays_in_one_piece() {
        let text = Bytes::from(vec![b'x'; 1 << 20]);
        assert_eq!(EscapeFilter::new(false).feed(&text), [Typed::Bytes(text)]);
    }

    #[test]
    fn chunks_make_no_difference() {
        const ALPHABET: &[u8; 13] = b"~~..?\r\na\x1b[201";
        let random = SeededRandom::new(11);
        for _ in 0..2000 {
            let bytes = random.array::<48>();
            let mut typed: String = bytes
                .iter()
                .map(|byte| char::from(ALPHABET[usize::from(*byte) % 13]))
                .collect();
            if bytes[0] % 2 == 0 {
                typed.insert_str(usize::from(bytes[1] % 48), "\x1b[200~");
            }
            let whole = feed(true, &[&typed]);
            let mut chunks = Vec::new();
            let mut rest = typed.as_str();
            for length in random.array::<16>() {
                let (chunk, after) = rest.split_at(usize::from(length % 8).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            assert_eq!(feed(true, &chunks), whole, "{typed:?}");
        }
    }
}
