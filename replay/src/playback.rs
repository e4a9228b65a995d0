//! Playing a recording: where it stands, and what stands on its screen.

use drawbridge_session::document::SessionType;
use drawbridge_session::recording::{Event, Happening};

use crate::beside::Beside;
use crate::screen::Screen;
use crate::sieve::Sieve;

/// Memory for what is played, about; what a recording claims to be does not count, what of it draws does.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// What a block of memory costs beside its bytes.
const BLOCK_BYTES: usize = 16;

/// A recording that is played, forwards and back, at any speed.
///
/// Times are milliseconds of playing: where nothing happens for longer than the idle limit, it is the limit that passes.
pub struct Playback {
    scenes: Vec<Scene>,
    sieve: Sieve,
    room: usize,
    idle_limit_ms: u64,
    /// When the last event happened, in the recording's time and in that of playing.
    last: Option<(u64, u64)>,
    screen: Screen,
    /// How many scenes were played.
    played: usize,
    position_ms: u64,
    is_complete: bool,
    note: Option<String>,
    beside: Beside,
}

/// Says that a recording is too long to be played forwards and back; text and asciicasts are made of any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recording is too long to be played")]
pub struct TooLong;

/// Something to be seen.
struct Scene {
    at_ms: u64,
    what: Seen,
}

enum Seen {
    /// What has passed the sieve.
    Drawn(Box<str>),
    Resized {
        columns: u16,
        rows: u16,
    },
    Noted(Box<str>),
}

impl Playback {
    /// Begins an empty one of a terminal; `idle_limit_ms` is the longest time in which nothing happens.
    pub fn new(idle_limit_ms: Option<u64>) -> Self {
        Self::of(SessionType::StandardStream, idle_limit_ms)
    }

    /// Begins an empty one of a session.
    pub fn of(session_type: SessionType, idle_limit_ms: Option<u64>) -> Self {
        Self {
            scenes: Vec::new(),
            sieve: Sieve::of(session_type),
            room: MOST_BYTES,
            idle_limit_ms: idle_limit_ms.unwrap_or(u64::MAX),
            last: None,
            screen: Screen::new(),
            played: 0,
            position_ms: 0,
            is_complete: false,
            note: None,
            beside: Beside::telling(0),
        }
    }

    /// Adds what happened next; `is_complete` if nothing will follow.
    ///
    /// # Errors
    ///
    /// When all of it together draws more than is kept; what came before is played all the same.
    pub fn extend(
        &mut self,
        events: impl IntoIterator<Item = Event>,
        is_complete: bool,
    ) -> Result<(), TooLong> {
        for event in events {
            let (last_event_ms, last_ms) = self.last.unwrap_or_default();
            let gap = event.at_ms.saturating_sub(last_event_ms);
            let at_ms = last_ms.saturating_add(gap.min(self.idle_limit_ms));
            self.last = Some((event.at_ms, at_ms));
            if let Some(what) = self.seen(event.what) {
                let cost = what.cost();
                self.room = self.room.checked_sub(cost).ok_or(TooLong)?;
                self.scenes.push(Scene { at_ms, what });
            }
        }
        self.is_complete = is_complete;
        Ok(())
    }

    fn seen(&mut self, what: Happening) -> Option<Seen> {
        Some(match what {
            Happening::Output(bytes) | Happening::Errors(bytes) => {
                let mut drawn = String::new();
                self.sieve.pass(&bytes, &mut drawn);
                if drawn.is_empty() {
                    return None;
                }
                Seen::Drawn(drawn.into())
            }
            Happening::Resize { columns, rows } => Seen::Resized { columns, rows },
            Happening::Note(text) => Seen::Noted(text.into()),
            Happening::Exit(code) => Seen::Noted(format!("ended with code {code}").into()),
            Happening::End { why, .. } => Seen::Noted(format!("session ended: {why}").into()),
            Happening::Beside(message) => return self.told(&message),
            Happening::Key(_) => return None,
        })
    }

    /// Commands beside the shell are noted when they begin and end; what they wrote is on no screen.
    fn told(&mut self, message: &[u8]) -> Option<Seen> {
        let mut note = None;
        self.beside.play(message, &mut |told| {
            note = Some(Seen::Noted(told.to_string().into()));
        });
        note
    }

    /// What stands on the screen.
    pub fn screen(&self) -> &vt100::Screen {
        self.screen.shown()
    }

    /// What was said last beside the output, in words of ours.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Where it stands.
    pub fn position_ms(&self) -> u64 {
        self.position_ms
    }

    /// How long it is, as far as it is known.
    pub fn length_ms(&self) -> u64 {
        self.last.map_or(0, |(_, at_ms)| at_ms)
    }

    /// Whether everything that there will be was played.
    pub fn is_over(&self) -> bool {
        self.is_complete && self.is_at_end()
    }

    /// Whether everything that there is was played.
    pub fn is_at_end(&self) -> bool {
        self.played == self.scenes.len() && self.position_ms >= self.length_ms()
    }

    /// When the next thing is to be seen; `None` behind the last.
    pub fn next_ms(&self) -> Option<u64> {
        self.scenes.get(self.played).map(|next| next.at_ms)
    }

    /// Plays up to a time, from the start again if that lies behind.
    pub fn seek(&mut self, to_ms: u64) {
        let to_ms = to_ms.min(self.length_ms());
        if to_ms < self.position_ms {
            (self.screen, self.played, self.note) = (Screen::new(), 0, None);
        }
        while self.next_ms().is_some_and(|next| next <= to_ms) {
            self.step();
        }
        self.position_ms = to_ms;
    }

    /// Plays to where a text stands on the screen that is not there now; `false`, and everything as it was, if it never is.
    pub fn search(&mut self, text: &str) -> bool {
        let (from, mut was_there) = (self.position_ms, self.shows(text));
        while let Some(next) = self.next_ms() {
            self.step();
            self.position_ms = next;
            let is_there = self.shows(text);
            if is_there && !was_there {
                return true;
            }
            was_there = is_there;
        }
        self.position_ms = u64::MAX;
        self.seek(from);
        false
    }

    fn shows(&self, text: &str) -> bool {
        self.screen().contents().contains(text)
    }

    fn step(&mut self) {
        let Some(Scene { what, .. }) = self.scenes.get(self.played) else {
            return;
        };
        match what {
            Seen::Drawn(text) => self.screen.draw(text),
            Seen::Resized { columns, rows } => self.screen.resize(*columns, *rows),
            Seen::Noted(text) => self.note = Some(text.to_string()),
        }
        self.played += 1;
    }
}

impl Seen {
    /// What keeping it costs; the list of scenes may have as much room again as it needs.
    fn cost(&self) -> usize {
        let text = match self {
            Self::Drawn(text) | Self::Noted(text) => BLOCK_BYTES + text.len(),
            Self::Resized { .. } => 0,
        };
        2 * size_of::<Scene>() + text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(at_ms: u64, text: &str) -> Event {
        Event {
            at_ms,
            what: Happening::Output(text.as_bytes().to_vec()),
        }
    }

    fn playback(idle_limit_ms: Option<u64>) -> Playback {
        let mut playback = Playback::new(idle_limit_ms);
        let events = [
            output(100, "one\r\n"),
            output(200, "two\r\n"),
            output(10_200, "three\r\n"),
        ];
        playback.extend(events, true).expect("room");
        playback
    }

    fn shown(playback: &Playback) -> String {
        playback.screen().contents().trim_end().to_owned()
    }

    #[test]
    fn shows_what_stood_there_at_a_time() {
        let mut playback = playback(None);
        let times = [
            (0, ""),
            (100, "one"),
            (9999, "one\ntwo"),
            (150, "one"),
            (99_999, "one\ntwo\nthree"),
        ];
        for (at, expected) in times {
            playback.seek(at);
            assert_eq!(shown(&playback), expected, "at {at}");
        }
        assert!(playback.is_over());
        assert_eq!(playback.position_ms(), 10_200);
    }

    #[test]
    fn commands_beside_the_shell_are_noted_and_not_drawn() {
        let beside = |at_ms, message: &[u8]| Event {
            at_ms,
            what: Happening::Beside(message.to_vec()),
        };
        let mut playback = Playback::new(None);
        let events = [
            output(100, "$ "),
            beside(200, b"\x01\0\0\0\0\0\0\x01{\"Command\":[\"id\"]}"),
            beside(300, b"\x03\0\0\0\0\0\0\x01root\n"),
            beside(400, b"\x08\0\0\0\0\0\0\x01{\"Code\":2}"),
        ];
        playback.extend(events, true).unwrap();
        for (at, note) in [
            (300, "command 1 was started beside the shell: id"),
            (400, "command 1 ended with code 2"),
            (250, "command 1 was started beside the shell: id"),
        ] {
            playback.seek(at);
            assert_eq!(
                (playback.note(), shown(&playback).as_str()),
                (Some(note), "$"),
                "at {at}"
            );
        }
    }

    #[test]
    fn idle_time_is_cut() {
        let playback = playback(Some(1000));
        assert_eq!(playback.length_ms(), 1200);
    }

    #[test]
    fn finds_where_a_text_appears() {
        let mut playback = playback(None);
        assert!(playback.search("two"));
        assert_eq!(playback.position_ms(), 200);
        assert!(!playback.search("two"), "it never appears again");
        assert_eq!(
            (playback.position_ms(), shown(&playback).as_str()),
            (200, "one\ntwo")
        );
        assert!(playback.search("three"));
    }

    #[test]
    fn a_live_one_goes_on() {
        let mut playback = Playback::new(None);
        playback.extend([output(5, "a")], false).expect("room");
        playback.seek(100);
        assert!(playback.is_at_end() && !playback.is_over());
        playback.extend([output(10, "b")], true).expect("room");
        playback.seek(100);
        assert!(playback.is_over());
        assert_eq!(shown(&playback), "ab");
    }
}
