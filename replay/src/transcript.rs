//! A recording as text: the lines of the screen in the order in which they left it.
//!
//! What a program drew over a line before it left is gone, as it was for whoever sat there. What stood on the screen when it
//! was cleared is kept, and what happened on the alternate screen of a full-screen program is only noted.

use drawbridge_session::document::SessionType;
use drawbridge_session::recording::{Event, Happening};

use crate::beside::{Beside, Told};
use crate::reflow;
use crate::screen::{Screen, Scrolled};
use crate::sieve::Sieve;

/// Makes the text; lines can be taken as they come.
pub struct Transcript {
    screen: Screen<Lines>,
    sieve: Sieve,
    /// What waits for a full-screen program to end.
    notes: Vec<String>,
    /// Whether anything was drawn since the screen was last clear.
    is_drawn_on: bool,
    beside: Beside,
}

/// Bytes of what one command beside the shell wrote that are among the lines of the shell.
const MOST_BESIDE: usize = 256 * 1024;

/// Notes that wait at most; more of them are dropped.
const MOST_NOTES: usize = 1000;

#[derive(Default)]
struct Lines {
    done: String,
}

impl Scrolled for Lines {
    fn row(&mut self, text: &str, wraps: bool) {
        if wraps {
            self.done.push_str(text);
        } else {
            self.done.push_str(text.trim_end());
            self.done.push('\n');
        }
    }
}

/// What a piece of drawn text begins with that must be known before it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A full-screen program takes the alternate screen.
    Alternate,
    /// The screen is cleared.
    Clear,
    /// It is cleared from the cursor on.
    ClearBelow,
}

const TURNS: [(&str, Turn); 8] = [
    ("\x1b[?1049h", Turn::Alternate),
    ("\x1b[?1047h", Turn::Alternate),
    ("\x1b[?47h", Turn::Alternate),
    ("\x1b[2J", Turn::Clear),
    ("\x1b[3J", Turn::Clear),
    ("\x1bc", Turn::Clear),
    ("\x1b[J", Turn::ClearBelow),
    ("\x1b[0J", Turn::ClearBelow),
];

impl Transcript {
    /// Makes one for the start of a terminal's recording.
    pub fn new() -> Self {
        Self::of(SessionType::StandardStream)
    }

    /// Makes one for the start of a session's recording.
    pub fn of(session_type: SessionType) -> Self {
        Self {
            screen: Screen::scrolling_to(Lines::default()),
            sieve: Sieve::of(session_type),
            notes: Vec::new(),
            is_drawn_on: false,
            beside: Beside::telling(MOST_BESIDE),
        }
    }

    /// Takes what happened next.
    pub fn play(&mut self, event: &Event) {
        match &event.what {
            Happening::Output(bytes) | Happening::Errors(bytes) => self.write(bytes),
            Happening::Resize { columns, rows } => reflow::resize(&mut self.screen, *columns, *rows),
            Happening::Note(text) => self.note(text.clone()),
            Happening::Exit(code) => self.note(format!("ended with code {code}")),
            Happening::End { why, .. } => self.note(format!("session ended: {why}")),
            Happening::Beside(message) => {
                self.with_beside(|beside, tell| beside.play(message, tell));
            }
            Happening::Key(_) => {}
        }
    }

    /// Takes the lines that are complete.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.screen.scrolled().done)
    }

    /// Takes the rest, with what still stands on the screen.
    pub fn finish(mut self) -> String {
        self.with_beside(Beside::finish);
        if self.screen.shown().alternate_screen() {
            self.screen.draw("\x1b[?1049l");
        }
        self.tell_notes();
        self.keep_screen();
        self.take()
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut drawn = String::new();
        self.sieve.pass(bytes, &mut drawn);
        let mut rest = drawn.as_str();
        while let Some((before, turn, length)) = next_turn(rest) {
            self.draw(&rest[..before]);
            let sequence = &rest[before..before + length];
            self.turn(turn, sequence);
            rest = &rest[before + length..];
        }
        self.draw(rest);
        if !self.notes.is_empty() && !self.screen.shown().alternate_screen() {
            self.tell_notes();
        }
    }

    fn draw(&mut self, text: &str) {
        if !text.is_empty() {
            self.is_drawn_on = true;
            self.screen.draw(text);
        }
    }

    fn turn(&mut self, turn: Turn, sequence: &str) {
        let shown = self.screen.shown();
        let (is_alternate, at_start) = (shown.alternate_screen(), shown.cursor_position() == (0, 0));
        match turn {
            Turn::Alternate if !is_alternate => {
                self.say("a program took the whole screen");
                self.screen.draw(sequence);
            }
            // Twice in a row is one: clearing costs every cell.
            Turn::Clear | Turn::ClearBelow if !self.is_drawn_on => {}
            Turn::Clear | Turn::ClearBelow if !is_alternate && (turn == Turn::Clear || at_start) => {
                self.keep_screen();
                self.screen.draw(sequence);
                self.is_drawn_on = false;
            }
            _ => self.screen.draw(sequence),
        }
    }

    fn with_beside(&mut self, go_on: impl FnOnce(&mut Beside, &mut dyn FnMut(Told<'_>))) {
        let mut beside = std::mem::replace(&mut self.beside, Beside::telling(MOST_BESIDE));
        go_on(&mut beside, &mut |told| self.tell(told));
        self.beside = beside;
    }

    /// Tells of a command: among the lines, or where a full-screen program has the screen, ahead of what stands under it.
    fn tell(&mut self, told: Told<'_>) {
        if self.screen.shown().alternate_screen() {
            self.screen.scrolled().done.push_str(&format!("[{told}]\n"));
        } else {
            self.say(&told.to_string());
        }
    }

    fn note(&mut self, text: String) {
        if !self.screen.shown().alternate_screen() {
            self.say(&text);
        } else if self.notes.len() < MOST_NOTES {
            self.notes.push(text);
        }
    }

    fn tell_notes(&mut self) {
        for note in std::mem::take(&mut self.notes) {
            self.say(&note);
        }
    }

    /// Puts words of ours on a line of their own.
    fn say(&mut self, text: &str) {
        let is_line_begun = self.screen.shown().cursor_position().1 > 0;
        let start = if is_line_begun { "\r\n" } else { "" };
        let mut words = String::new();
        Sieve::new().pass(text.as_bytes(), &mut words);
        let words = words.replace(['\x1b', '\r', '\n'], " ");
        self.draw(&format!("{start}\x1b[m[{words}]\r\n"));
    }

    /// Keeps what stands on the screen, which is about to be gone.
    fn keep_screen(&mut self) {
        let mut rows = self.screen.rows();
        while rows.last().is_some_and(|(text, _)| text.trim_end().is_empty()) {
            rows.pop();
        }
        let last = rows.len().saturating_sub(1);
        for (number, (text, wraps)) in rows.into_iter().enumerate() {
            self.screen.scrolled().row(&text, wraps && number < last);
        }
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

/// Finds the first turn: where it stands, what it is, and how long it is.
fn next_turn(text: &str) -> Option<(usize, Turn, usize)> {
    for (place, _) in text.match_indices('\x1b') {
        let found = TURNS
            .iter()
            .find(|(sequence, _)| text[place..].starts_with(sequence));
        if let Some((sequence, turn)) = found {
            return Some((place, *turn, sequence.len()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;

    fn output(bytes: &[u8]) -> Event {
        Event {
            at_ms: 0,
            what: Happening::Output(bytes.to_vec()),
        }
    }

    fn transcript(pieces: &[&[u8]]) -> String {
        let mut transcript = Transcript::new();
        let mut text = String::new();
        for piece in pieces {
            transcript.play(&output(piece));
            text += &transcript.take();
        }
        text + &transcript.finish()
    }

    #[test]
    fn lines_come_as_they_were_seen() {
        assert_eq!(
            transcript(&[b"$ ls\r\na  b\r\n$ ", b"exit\r\n"]),
            "$ ls\na  b\n$ exit\n"
        );
        assert_eq!(transcript(&[b"10%\r20%\r100%\r\ndone"]), "100%\ndone\n");
        assert_eq!(transcript(&[b"typo\x08 \x08\x1b[Ko\r\n"]), "typo\n");
        assert_eq!(
            transcript(&[b"\x1b[1;31mred\x1b[m \x1b]0;title\x07text\r\n"]),
            "red text\n"
        );
        assert_eq!(transcript(&[]), "");
    }

    #[test]
    fn a_thousand_lines_scroll_by_and_none_is_missing() {
        let all: String = (0..1000).map(|number| format!("line {number}\n")).collect();
        let written = all.replace('\n', "\r\n");
        assert_eq!(transcript(&[written.as_bytes()]), all);
    }

    #[test]
    fn nothing_that_was_seen_is_lost_when_the_window_changes() {
        let mut text = String::new();
        let mut transcript = Transcript::new();
        let size = |columns, rows| Event {
            at_ms: 0,
            what: Happening::Resize { columns, rows },
        };
        let lines = |numbers: std::ops::Range<u32>| -> String {
            numbers
                .map(|number| format!("line {number} {}\n", "x".repeat(100)))
                .collect()
        };
        let mut all = String::new();
        let mut first = 0;
        for (columns, rows) in [
            (140, 30),
            (140, 10),
            (60, 10),
            (60, 40),
            (200, 40),
            (20, 5),
            (140, 30),
        ] {
            transcript.play(&size(columns, rows));
            let written = lines(first..first + 35);
            first += 35;
            transcript.play(&output(written.replace('\n', "\r\n").as_bytes()));
            text += &transcript.take();
            all += &written;
        }
        assert_eq!(text + &transcript.finish(), all);
    }

    #[test]
    fn frames_have_lines() {
        assert_eq!(
            transcript(&[b"\x1b(0lqk\x1b(B\r\n\x1b(", b"0x\x1b(B a\r\n"]),
            "┌─┐\n│ a\n"
        );
    }

    #[test]
    fn a_tab_at_the_edge_of_the_screen_loses_nothing() {
        let line = format!("{}\tnext\tlast", "x".repeat(80));
        let text = transcript(&[line.as_bytes(), b"\r\n"]);
        assert_eq!(text, format!("{}next    last\n", "x".repeat(80)));
        let line = format!("{}\t9\t10", "x".repeat(73));
        let text = transcript(&[line.as_bytes(), b"\r\n"]);
        assert_eq!(text, format!("{}      910\n", "x".repeat(73)));
    }

    #[test]
    fn a_long_line_is_one_line() {
        let long = "x".repeat(1000);
        assert_eq!(
            transcript(&[format!("{long}\r\nnext\r\n").as_bytes()]),
            format!("{long}\nnext\n")
        );
    }

    #[test]
    fn what_was_cleared_was_seen() {
        assert_eq!(
            transcript(&[b"one\r\ntwo\r\n\x1b[H\x1b[2J\x1b[3Jthree\r\n"]),
            "one\ntwo\nthree\n"
        );
        assert_eq!(transcript(&[b"one\r\n\x1b[H\x1b[Jtwo\r\n"]), "one\ntwo\n");
    }

    #[test]
    fn a_full_screen_program_is_noted() {
        let text = transcript(&[
            b"$ vi\r\n\x1b[?1049h\x1b[2J\x1b[Hsecret plans\x1b[10;10Hmore",
            b"\x1b[?1049l$ exit\r\n",
        ]);
        assert_eq!(text, "$ vi\n[a program took the whole screen]\n$ exit\n");
        let open = transcript(&[b"$ vi\r\n\x1b[?1049hplans"]);
        assert_eq!(open, "$ vi\n[a program took the whole screen]\n");
    }

    #[test]
    fn what_happened_besides_is_told() {
        let mut transcript = Transcript::new();
        transcript.play(&output(b"$ "));
        for what in [
            Happening::Note("a \x1b[31mnote\r\nand more".into()),
            Happening::Exit(3),
            Happening::End {
                exit_code: None,
                why: "done".into(),
            },
        ] {
            transcript.play(&Event { at_ms: 0, what });
        }
        let text = transcript.finish();
        assert_eq!(
            text,
            "$\n[a  [31mnote  and more]\n[ended with code 3]\n[session ended: done]\n"
        );
    }

    #[test]
    fn commands_beside_the_shell_are_told_in_lines_of_their_own() {
        let beside = |message: &[u8]| Event {
            at_ms: 0,
            what: Happening::Beside(message.to_vec()),
        };
        let ran = b"\x01\0\0\0\0\0\0\x01{\"Command\":[\"ls\",\"-l\"]}";
        let mut transcript = Transcript::new();
        for event in [
            output(b"$ "),
            beside(ran),
            beside(b"\x03\0\0\0\0\0\0\x01total \x1b[31m0\n"),
            output(b"vi\r\n\x1b[?1049hplans"),
            beside(b"\x07\0\0\0\0\0\0\x01no\n"),
            output(b"\x1b[?1049l$ exit\r\n"),
            beside(b"\x08\0\0\0\0\0\0\x01{\"Code\":2}"),
        ] {
            transcript.play(&event);
        }
        let text = transcript.finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "[command 1, errors: no]",
                "$",
                "[command 1 was started beside the shell: ls -l]",
                "[command 1: total 0]",
                "vi",
                "[a program took the whole screen]",
                "$ exit",
                "[command 1 ended with code 2]",
            ]
        );
    }

    #[test]
    fn memory_is_bounded_whatever_is_played() {
        let mut transcript = Transcript::new();
        for start in [&b"\x1b]0;"[..], b"\x1b[1", b"\x1bP", b"\xcc\x81", b"a\xcc\x81"] {
            transcript.play(&output(start));
            for _ in 0..2000 {
                transcript.play(&output(&start.repeat(500)));
                transcript.take();
            }
            transcript.play(&output(b"\x18"));
        }
        assert!(transcript.finish().len() < 1_000_000);
    }

    proptest! {
        #[test]
        fn no_control_character_is_left(bytes in vec(any::<u8>(), 0..400), columns in any::<u16>(), rows in any::<u16>()) {
            let mut transcript = Transcript::new();
            transcript.play(&output(&bytes));
            transcript.play(&Event { at_ms: 0, what: Happening::Resize { columns, rows } });
            transcript.play(&output(&bytes));
            let text = transcript.finish();
            assert!(!text.chars().any(|one| one.is_control() && one != '\n'), "{text:?}");
        }
    }

    #[test]
    fn a_line_of_a_command_without_a_terminal_begins_where_lines_do() {
        for (session_type, wanted) in [
            (SessionType::NonInteractiveCommands, "one\ntwo\nthree\n"),
            (SessionType::InteractiveCommands, "one\n   two\nthree\n"),
        ] {
            let mut transcript = Transcript::of(session_type);
            transcript.play(&Event {
                at_ms: 0,
                what: Happening::Output(b"one\ntwo\r\nthree\r\n".to_vec()),
            });
            assert_eq!(transcript.finish(), wanted);
        }
    }
}
