//! Lists as a person or a script reads them.

use std::fmt::Write as _;

use anyhow::Result;
use drawbridge_plugin::api::SessionSummary;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

const HEADINGS: [&str; 6] = ["SESSION", "NODE", "STATUS", "STARTED", "OWNER", "REASON"];

/// Aligned columns with a heading; a sentence when there is nothing.
pub(super) fn text(sessions: &[SessionSummary]) -> String {
    if sessions.is_empty() {
        return "no sessions\n".to_owned();
    }
    let rows: Vec<[String; 6]> = sessions
        .iter()
        .map(|session| {
            [
                session.session_id.clone(),
                session.target.clone(),
                session.status.clone(),
                local_time(session.start_date),
                session.owner.clone(),
                printable(&session.reason),
            ]
        })
        .collect();
    columns(HEADINGS, &rows)
}

/// Cells under headings, aligned.
pub(crate) fn columns<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([headings[column].len()]).max().unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(text, "{}", padded.join("  ").trim_end()).expect("writing to a String cannot fail");
    };
    line(headings);
    for row in rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

/// JSON with the field names of the API. What steers a terminal or turns text around is escaped also where JSON lets it stand.
pub(crate) fn json(answer: &(impl Serialize + ?Sized)) -> Result<String> {
    let mut text = String::new();
    for letter in serde_json::to_string_pretty(answer)?.chars() {
        // Outside of its strings JSON has only the letters of ASCII, and line ends between them.
        if letter != '\n' && (letter.is_control() || turns_text(letter)) {
            write!(text, "\\u{:04x}", u32::from(letter))?;
        } else {
            text.push(letter);
        }
    }
    text.push('\n');
    Ok(text)
}

/// A moment in the time zone of whoever reads; `-` for none.
pub(crate) fn local_time(seconds: Option<f64>) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "dates of sessions and accounts are far inside an i64"
    )]
    let stamp = seconds.and_then(|seconds| Timestamp::from_second(seconds as i64).ok());
    stamp.map_or_else(
        || "-".to_owned(),
        |stamp| {
            stamp
                .to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

/// `text` without what a terminal would obey: a reason is somebody else's words.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() || turns_text(letter) {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

/// Whether a character changes the direction of those around it, so that a line reads as what it is not.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_do_not_reach_the_terminal() {
        let session = SessionSummary {
            session_id: "alice-0123456789abcdef0".to_owned(),
            target: "mi-0123456789abcdef0".to_owned(),
            status: "Connected".to_owned(),
            owner: "arn:aws:iam::123456789012:user/alice".to_owned(),
            reason: "evil\u{1b}]0;title\u{7}\nnext\u{202e}live".to_owned(),
            ..SessionSummary::default()
        };
        let text = text(&[session]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].find("NODE"), lines[1].find("mi-0123"));
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }

    #[test]
    fn json_says_everything_and_steers_no_terminal() {
        let said = serde_json::json!({"reason": ["\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\r\n\t\\é😀\u{85}"]});
        let text = json(&said).expect("written");
        assert!(!text.contains(|letter: char| letter != '\n' && letter.is_control() || turns_text(letter)));
        assert!(text.contains("é😀"));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON"),
            said
        );
    }

    #[test]
    fn nothing_is_a_sentence() {
        assert_eq!(text(&[]), "no sessions\n");
    }
}
