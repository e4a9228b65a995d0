//! A screen that a recording is played on.

use std::num::NonZeroU16;

use drawbridge_session::recording::{Event, Happening};
use vt100::capture::{BasicFormattedCaptureState, RowContents, basic_formatted_to_plain};
use vt100::{Callbacks, Parser};

use crate::Sieve;
use crate::lettering::Lettering;

/// The size of a terminal that never told its own.
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// The largest screen that is kept: a recording may claim any size, and every change of it costs all its cells.
const MOST_COLUMNS: u16 = 500;
const MOST_ROWS: u16 = 200;

/// A screen; with what became of rows that left it at the top.
pub struct Screen<S: Scrolled = ()> {
    parser: Parser<Scroll<S>>,
    sieve: Sieve,
    lettering: Lettering,
    drawn: String,
}

/// Takes the rows that leave a screen at the top, as plain text.
pub trait Scrolled {
    /// A row is gone; `wraps` if the line goes on in the next.
    fn row(&mut self, text: &str, wraps: bool);
}

impl Scrolled for () {
    fn row(&mut self, _: &str, _: bool) {}
}

struct Scroll<S> {
    to: S,
    gone: u64,
}

impl<S: Scrolled> Callbacks for Scroll<S> {
    fn on_scroll(&mut self, contents: RowContents<'_>, alternate_screen: bool) {
        if alternate_screen {
            return;
        }
        let (text, wraps) = plain(&contents);
        self.to.row(&text, wraps);
        self.gone += 1;
    }
}

/// Brings a size to one that a screen can have here.
pub fn screen_size(columns: u16, rows: u16) -> (u16, u16) {
    (columns.clamp(1, MOST_COLUMNS), rows.clamp(1, MOST_ROWS))
}

impl Screen {
    /// Makes an empty screen of the usual size.
    pub fn new() -> Self {
        Self::scrolling_to(())
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Scrolled> Screen<S> {
    /// Makes an empty screen of the usual size, and something that gets the rows which leave it.
    pub fn scrolling_to(to: S) -> Self {
        let (rows, columns) = (at_least_one(ROWS), at_least_one(COLUMNS));
        Self {
            parser: Parser::new_with_callbacks(rows, columns, 0, Scroll { to, gone: 0 }),
            sieve: Sieve::new(),
            lettering: Lettering::default(),
            drawn: String::new(),
        }
    }

    /// Lets something happen on the screen.
    pub fn play(&mut self, event: &Event) {
        match &event.what {
            Happening::Output(bytes) | Happening::Errors(bytes) => self.write(bytes),
            Happening::Resize { columns, rows } => self.resize(*columns, *rows),
            Happening::Key(_)
            | Happening::Exit(_)
            | Happening::End { .. }
            | Happening::Note(_)
            | Happening::Beside(_) => {}
        }
    }

    /// Draws what a session wrote.
    pub fn write(&mut self, bytes: &[u8]) {
        self.drawn.clear();
        self.sieve.pass(bytes, &mut self.drawn);
        draw(&mut self.parser, &self.lettering.of(&self.drawn));
    }

    /// Gives it another size, or the nearest that it can have.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let (columns, rows) = screen_size(columns, rows);
        self.parser.set_size(at_least_one(rows), at_least_one(columns));
    }

    /// Draws what has passed a sieve.
    pub(crate) fn draw(&mut self, sieved: &str) {
        draw(&mut self.parser, &self.lettering.of(sieved));
    }

    /// Draws what stood on a screen: its letters stand for themselves.
    pub(crate) fn draw_again(&mut self, text: &str) {
        draw(&mut self.parser, text);
    }

    /// What stands on the screen.
    pub fn shown(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Whoever takes the rows that leave the screen.
    pub fn scrolled(&mut self) -> &mut S {
        &mut self.parser.callbacks_mut().to
    }

    /// How many rows have left the screen at the top.
    pub(crate) fn gone(&self) -> u64 {
        self.parser.callbacks().gone
    }

    /// The rows of the screen as they stand, each with whether its line goes on in the next.
    pub fn rows(&self) -> Vec<(String, bool)> {
        let screen = self.shown();
        let columns = screen.size().1.get();
        let rows = (0_u16..).zip(screen.rows(0, columns));
        rows.map(|(number, text)| (text, screen.row_wrapped(number)))
            .collect()
    }
}

/// Draws, with tabs as terminals have them: behind the last column of a row they change nothing, and what follows wraps.
fn draw<S: Scrolled>(parser: &mut Parser<Scroll<S>>, text: &str) {
    for piece in text.split_inclusive('\t') {
        let before = piece.strip_suffix('\t').unwrap_or(piece);
        parser.process(before.as_bytes());
        let screen = parser.screen();
        let is_behind_the_row = screen.cursor_position().1 >= screen.size().1.get();
        if before.len() < piece.len() && !is_behind_the_row {
            parser.process(b"\t");
        }
    }
}

/// The text of a row, and whether its line goes on in the next.
fn plain(contents: &RowContents<'_>) -> (String, bool) {
    let mut formatted = String::new();
    let mut state = BasicFormattedCaptureState::new();
    // Writing into memory cannot fail.
    let _ = contents.write_formatted_basic(&mut formatted, &mut state);
    let before = formatted.len();
    let _ = contents.write_formatted_basic(&mut formatted, &mut state);
    // The second time, a line that ended is told by a line end before it.
    let wraps = formatted.as_bytes().get(before) != Some(&b'\n');
    formatted.truncate(before);
    let text = basic_formatted_to_plain(&formatted).collect();
    (text, wraps)
}

fn at_least_one(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN)
}
