//! Painting a screen on somebody's terminal: characters, colours and cursor movements of ours, and nothing else.

use std::fmt::Write as _;

/// Takes a terminal over: its other screen, no cursor, no wrapping.
pub const BEGIN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[m\x1b[2J";

/// Gives a terminal back.
pub const END: &str = "\x1b[m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Paints rows that differ from what was painted before.
#[derive(Debug, Default)]
pub struct Painter {
    painted: Vec<String>,
}

impl Painter {
    /// Paints everything the next time: the terminal has another size.
    pub fn forget(&mut self) {
        self.painted.clear();
    }

    /// Returns what shows `screen` in a terminal of `columns` by `rows`, with `status` in its last row.
    pub fn paint(&mut self, screen: &vt100::Screen, status: &str, columns: u16, rows: u16) -> String {
        let room = usize::from(rows.saturating_sub(1));
        let width = columns.min(screen.size().1.get());
        let mut wanted: Vec<String> = screen.rows_formatted(0, width).take(room).collect();
        wanted.resize(room, String::new());
        let plain = status.chars().filter(|one| !one.is_control());
        let status: String = plain.take(columns.into()).collect();
        wanted.push(format!("\x1b[7m{status:<width$}", width = usize::from(columns)));
        let mut out = String::new();
        if self.painted.len() != wanted.len() {
            out.push_str("\x1b[m\x1b[2J");
            self.painted = vec![String::new(); wanted.len()];
        }
        for (number, (row, painted)) in wanted.iter().zip(&mut self.painted).enumerate() {
            if row != painted {
                // Writing into memory cannot fail.
                let _ = write!(out, "\x1b[{};1H\x1b[m\x1b[2K{row}\x1b[m", number + 1);
                painted.clone_from(row);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;
    use crate::{Screen, Sieve};

    #[test]
    fn paints_what_changed() {
        let mut screen = Screen::new();
        let mut painter = Painter::default();
        screen.write(b"\x1b[1mbold\x1b[m\r\nplain");
        let first = painter.paint(screen.shown(), "status", 20, 4);
        assert!(first.contains("bold") && first.contains("plain") && first.contains("status"));
        screen.write(b"er");
        let second = painter.paint(screen.shown(), "status", 20, 4);
        assert!(second.contains("plainer") && !second.contains("bold") && !second.contains("status"));
        assert_eq!(painter.paint(screen.shown(), "status", 20, 4), "");
        painter.forget();
        assert!(painter.paint(screen.shown(), "status", 20, 4).contains("bold"));
    }

    #[test]
    fn a_larger_screen_is_cut_to_the_terminal() {
        let mut screen = Screen::new();
        screen.write("x".repeat(80).as_bytes());
        let painted = Painter::default().paint(screen.shown(), &"s".repeat(500), 10, 3);
        assert_eq!(painted.matches('x').count(), 10);
        assert_eq!(painted.matches('s').count(), 10);
    }

    proptest! {
        #[test]
        fn what_is_painted_only_draws(bytes in vec(any::<u8>(), 0..300), status in ".{0,40}") {
            let mut screen = Screen::new();
            screen.write(&bytes);
            let painted = Painter::default().paint(screen.shown(), &status, 90, 30);
            let mut sieved = String::new();
            Sieve::new().pass(painted.as_bytes(), &mut sieved);
            let ascii = |text: &str| text.replace(|one: char| !one.is_ascii(), "");
            assert_eq!(ascii(&sieved), ascii(&painted));
        }
    }
}
