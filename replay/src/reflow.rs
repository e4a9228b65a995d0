//! Another size for a screen whose text is kept: what stands on it is laid out anew instead of cut off.

use crate::screen::{Screen, Scrolled, screen_size};

/// Gives a screen another size, as [`Screen::resize`] does. Text that it has no room for leaves it at the top; colors are lost.
pub(crate) fn resize<S: Scrolled>(screen: &mut Screen<S>, columns: u16, rows: u16) {
    let (columns, rows) = screen_size(columns, rows);
    // What stands under a full-screen program will be seen again.
    let is_alternate = screen.shown().alternate_screen();
    if is_alternate {
        screen.draw("\x1b[?47l");
    }
    // Else rows that have left would come back as empty ones.
    screen.draw("\x1b[3J");
    if cuts(screen, columns, rows) {
        lay_out(screen, columns, rows);
    } else {
        screen.resize(columns, rows);
    }
    if is_alternate {
        screen.draw("\x1b7\x1b[?47h");
    }
}

/// Whether the new size would cut text off, or lines in pieces.
fn cuts<S: Scrolled>(screen: &Screen<S>, columns: u16, rows: u16) -> bool {
    let shown = screen.shown();
    let (old_rows, old_columns) = (shown.size().0.get(), shown.size().1.get());
    let is_text = |row: String| !row.trim_end().is_empty();
    let cut = old_columns.saturating_sub(columns);
    let below = usize::from(shown.cursor_position().0) + 1;
    (cut > 0 && shown.rows(columns, cut).any(is_text))
        || (columns != old_columns && (0..old_rows).any(|row| shown.row_wrapped(row)))
        || (rows < old_rows && shown.rows(0, old_columns).skip(below).any(is_text))
}

fn lay_out<S: Scrolled>(screen: &mut Screen<S>, columns: u16, rows: u16) {
    let (before, behind) = split_at_cursor(screen);
    screen.draw("\x1b[r\x1b[2J\x1b[H");
    screen.resize(columns, rows);
    screen.draw_again(&before);
    if behind.is_empty() {
        return;
    }
    let (mut row, mut column) = screen.shown().cursor_position();
    if column >= columns {
        (row, column) = (row.saturating_add(1), 0);
    }
    let gone = screen.gone();
    screen.draw_again(&behind);
    match u64::from(row).checked_sub(screen.gone() - gone) {
        Some(row) => screen.draw(&format!("\x1b[{};{}H", row + 1, u32::from(column) + 1)),
        // Its row has left: what comes next is not to be drawn over another.
        None => screen.draw("\r\n"),
    }
}

/// The text of a screen up to its cursor, and behind it.
fn split_at_cursor<S: Scrolled>(screen: &Screen<S>) -> (String, String) {
    let shown = screen.shown();
    let (cursor_row, cursor_column) = shown.cursor_position();
    let mut rows = screen.rows();
    let is_needless = |last: usize, text: &str| last > usize::from(cursor_row) && text.trim_end().is_empty();
    while rows
        .last()
        .is_some_and(|(text, _)| is_needless(rows.len() - 1, text))
    {
        rows.pop();
    }
    let last = rows.len().saturating_sub(1);
    let (mut before, mut behind) = (String::new(), String::new());
    for (number, (text, wraps)) in rows.into_iter().enumerate() {
        let is_cursors = number == usize::from(cursor_row);
        if is_cursors {
            let columns = shown.size().1.get();
            before += &cells(shown, cursor_row, cursor_column);
            let rest = columns.saturating_sub(cursor_column);
            behind += &shown.rows(cursor_column, rest).nth(number).unwrap_or_default();
        }
        let part = if number < usize::from(cursor_row) {
            &mut before
        } else {
            &mut behind
        };
        if !is_cursors {
            part.push_str(&text);
        }
        if !wraps && number < last {
            part.push_str("\r\n");
        }
    }
    (before, behind)
}

/// The first cells of a row, empty ones as blanks.
fn cells(shown: &vt100::Screen, row: u16, columns: u16) -> String {
    (0..columns)
        .filter_map(|column| shown.cell(row, column))
        .filter(|cell| !cell.is_wide_continuation())
        .map(|cell| if cell.has_contents() { cell.contents() } else { " " })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::proptest;

    use super::*;

    /// Keeps every row that leaves the screen.
    #[derive(Default)]
    struct Kept(String);

    impl Scrolled for Kept {
        fn row(&mut self, text: &str, wraps: bool) {
            self.0.push_str(text);
            if !wraps {
                self.0.push('\n');
            }
        }
    }

    fn screen(columns: u16, rows: u16, written: &str) -> Screen<Kept> {
        let mut screen = Screen::scrolling_to(Kept::default());
        screen.resize(columns, rows);
        screen.draw(written);
        screen
    }

    fn text(screen: &mut Screen<Kept>) -> String {
        let rows = screen.rows();
        let kept = screen.scrolled();
        for (text, wraps) in rows {
            kept.row(&text, wraps);
        }
        kept.0.trim_end().to_owned()
    }

    #[test]
    fn what_has_no_room_wraps_or_leaves_at_the_top() {
        let mut screen = screen(20, 4, "0123456789abcdef\r\n$ ls! 漢字漢字漢字");
        resize(&mut screen, 8, 3);
        assert_eq!(screen.scrolled().0, "0123456789abcdef\n");
        screen.draw(".");
        assert_eq!(text(&mut screen), "0123456789abcdef\n$ ls! 漢字漢字漢字.");
    }

    #[test]
    fn the_cursor_stays_where_it_was_in_the_text() {
        let changed = |columns, rows| {
            let mut screen = screen(30, 4, "above\r\n$ one two three\r\nbelow it\x1b[2;7H");
            resize(&mut screen, columns, rows);
            screen.draw("T");
            text(&mut screen)
        };
        for (columns, rows) in [(10, 5), (7, 6), (5, 9), (6, 9), (3, 20), (30, 2), (60, 2)] {
            assert_eq!(
                changed(columns, rows),
                "above\n$ one Two three\nbelow it",
                "{columns}x{rows}"
            );
        }
        assert_eq!(changed(7, 4), "above\n$ one two three\nbelow it\nT");
    }

    #[test]
    fn letters_that_stand_on_the_screen_are_no_lines() {
        let mut screen = screen(20, 4, "lock quick jump\r\n$ qu\x1b[2;3H\x1b(0");
        resize(&mut screen, 8, 4);
        screen.draw("q");
        assert_eq!(text(&mut screen), "lock quick jump\n$ ─u");
    }

    #[test]
    fn what_stands_under_a_full_screen_program_is_laid_out_too() {
        let mut screen = screen(20, 4, "0123456789abcdef\r\n$ vi\x1b[?1049h\x1b[2J\x1b[Hplans");
        resize(&mut screen, 8, 4);
        screen.draw("\x1b[?1049lm\r\n");
        assert_eq!(text(&mut screen), "0123456789abcdef\n$ vim");
    }

    proptest! {
        #[test]
        fn any_sizes_keep_lines_as_they_were(
            lines in proptest::collection::vec("[a-z]([a-z ]|e\u{301}){0,40}[a-z]", 1..12),
            sizes in proptest::collection::vec((1_u16..60, 2_u16..12), 1..6),
            is_open in any::<bool>(),
        ) {
            let mut screen = screen(80, 24, &lines.join("\r\n"));
            if is_open {
                screen.draw("\x1b[?1049h");
            }
            for (columns, rows) in sizes {
                resize(&mut screen, columns, rows);
            }
            screen.draw("\x1b[?1049l");
            let kept = text(&mut screen);
            assert_eq!(kept.lines().map(str::trim_end).collect::<Vec<_>>(), lines);
        }
    }
}
