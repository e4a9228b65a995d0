//! A recording as asciicast v2, which other programs play.
//!
//! Source: <https://docs.asciinema.org/manual/asciicast/v2/>.

use std::fmt::Write as _;

use drawbridge_session::document::SessionType;
use drawbridge_session::recording::{Event, Happening, Header};
use serde_json::{Value, json};

use crate::beside::Beside;
use crate::screen::screen_size;
use crate::sieve::Sieve;

/// How long, and for how many bytes of lines, the head waits for a size: a terminal tells it a moment after the first prompt.
const PATIENCE_MS: u64 = 5000;
const PATIENCE_BYTES: usize = 1024 * 1024;

/// Writes the lines of an asciicast, each an array of a time, a code and a text.
#[derive(Debug)]
pub struct Asciicast {
    sieve: Sieve,
    /// What is to be written first, as soon as the size is known.
    head: Option<Header>,
    held: String,
    size: (u16, u16),
    /// Commands beside the shell are markers: when they began and ended. What they wrote is on no screen.
    beside: Beside,
}

impl Asciicast {
    /// Makes one for the start of a recording.
    pub fn new(header: Header) -> Self {
        Self {
            sieve: Sieve::of(header.session_type),
            head: Some(header),
            held: String::new(),
            size: (80, 24),
            beside: Beside::telling(0),
        }
    }

    /// Appends what happened next.
    pub fn play(&mut self, event: &Event, out: &mut String) {
        match &event.what {
            Happening::Output(bytes) | Happening::Errors(bytes) => {
                let mut text = String::new();
                self.sieve.pass(bytes, &mut text);
                if !text.is_empty() {
                    self.line(event.at_ms, "o", &text, out);
                }
            }
            Happening::Resize { columns, rows } => {
                self.size = screen_size(*columns, *rows);
                if self.head.is_some() {
                    self.begin(out);
                } else {
                    let (columns, rows) = self.size;
                    self.line(event.at_ms, "r", &format!("{columns}x{rows}"), out);
                }
            }
            Happening::Note(text) => self.line(event.at_ms, "m", text, out),
            Happening::Exit(code) => self.line(event.at_ms, "m", &format!("ended with code {code}"), out),
            Happening::End { why, .. } => {
                self.line(event.at_ms, "m", &format!("session ended: {why}"), out);
                self.begin(out);
            }
            Happening::Beside(message) => {
                let mut markers = Vec::new();
                self.beside
                    .play(message, &mut |told| markers.push(told.to_string()));
                for marker in markers {
                    self.line(event.at_ms, "m", &marker, out);
                }
            }
            Happening::Key(_) => {}
        }
        let waits = self.head.as_ref().is_some_and(|header| {
            header.session_type != SessionType::NonInteractiveCommands && event.at_ms < PATIENCE_MS
        });
        if !waits || self.held.len() > PATIENCE_BYTES {
            self.begin(out);
        }
    }

    /// Appends what is still held back of a recording that has no end yet.
    pub fn finish(&mut self, out: &mut String) {
        self.begin(out);
    }

    fn begin(&mut self, out: &mut String) {
        if let Some(header) = self.head.take() {
            // Writing into memory cannot fail.
            let _ = writeln!(out, "{}", self.head_of(&header));
            out.push_str(&std::mem::take(&mut self.held));
        }
    }

    fn line(&mut self, at_ms: u64, code: &str, text: &str, out: &mut String) {
        let seconds = format!("{}.{:03}", at_ms / 1000, at_ms % 1000);
        let (code, text) = (json!(code), json!(text));
        let out = if self.head.is_some() { &mut self.held } else { out };
        let _ = writeln!(out, "[{seconds}, {code}, {text}]");
    }

    fn head_of(&self, header: &Header) -> Value {
        let title = format!("{} on {}", header.session_id, header.target);
        json!({
            "version": 2,
            "width": self.size.0,
            "height": self.size.1,
            "timestamp": header.start_date.as_second(),
            "title": title,
        })
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::{AccountId, NodeId, Region, SessionId};

    use super::*;

    fn header() -> Header {
        Header {
            session_id: SessionId::parse("alice-1").expect("a session id"),
            account_id: AccountId::parse("123456789012").expect("an account"),
            region: Region::parse("us-east-1").expect("a region"),
            target: NodeId::parse("mi-0a1b2c3d4e5f67890").expect("a node"),
            owner: "arn:aws:iam::123456789012:user/alice".into(),
            reason: None,
            document_name: "D".into(),
            session_type: SessionType::StandardStream,
            start_date: "2026-01-01T00:00:00Z".parse().expect("a time"),
            kms_key_id: None,
        }
    }

    #[test]
    fn every_line_is_json_and_draws_only() {
        let mut cast = Asciicast::new(header());
        let mut out = String::new();
        let events = [
            (1, Happening::Output(b"early ".to_vec())),
            (
                2,
                Happening::Resize {
                    columns: 100,
                    rows: 30,
                },
            ),
            (1500, Happening::Output(b"\x1b]52;c;eA==\x07$ \xe6\xbc".to_vec())),
            (2000, Happening::Output(b"\xa2\"\r\n\x1b[6n".to_vec())),
            (
                2500,
                Happening::Resize {
                    columns: 90,
                    rows: 20,
                },
            ),
            (
                2600,
                Happening::Beside(b"\x01\0\0\0\0\0\0\x01{\"Command\":[\"id\"]}".to_vec()),
            ),
            (2700, Happening::Beside(b"\x03\0\0\0\0\0\0\x01root\n".to_vec())),
            (61_007, Happening::Exit(3)),
        ];
        for (at_ms, what) in events {
            cast.play(&Event { at_ms, what }, &mut out);
        }
        let lines: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[0]["width"], 100);
        assert_eq!(lines[0]["height"], 30);
        assert_eq!(lines[0]["timestamp"], 1_767_225_600);
        assert_eq!(
            lines[1..],
            [
                json!([0.001, "o", "early "]),
                json!([1.5, "o", "$ "]),
                json!([2.0, "o", "漢\"\r\n"]),
                json!([2.5, "r", "90x20"]),
                json!([2.6, "m", "command 1 was started beside the shell: id"]),
                json!([61.007, "m", "ended with code 3"]),
            ]
        );
    }
}
