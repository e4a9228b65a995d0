//! Playing a recording: where it stands, and what stands on its screen.

use drawbridge_session::recording::{Event, Happening};

use crate::screen::Screen;

/// A recording that is played, forwards and back, at any speed.
///
/// Times are milliseconds of playing: where nothing happens for longer than the idle limit, it is the limit that passes.
pub struct Playback {
    events: Vec<Timed>,
    idle_limit_ms: u64,
    screen: Screen,
    /// How many events were played.
    played: usize,
    position_ms: u64,
    is_complete: bool,
    note: Option<String>,
}

struct Timed {
    at_ms: u64,
    event: Event,
}

impl Playback {
    /// Begins an empty one; `idle_limit_ms` is the longest time in which nothing happens.
    pub fn new(idle_limit_ms: Option<u64>) -> Self {
        Self {
            events: Vec::new(),
            idle_limit_ms: idle_limit_ms.unwrap_or(u64::MAX),
            screen: Screen::new(),
            played: 0,
            position_ms: 0,
            is_complete: false,
            note: None,
        }
    }

    /// Adds what happened next; `is_complete` if nothing will follow.
    pub fn extend(&mut self, events: impl IntoIterator<Item = Event>, is_complete: bool) {
        for event in events {
            let at_ms = match self.events.last() {
                None => event.at_ms.min(self.idle_limit_ms),
                Some(last) => {
                    let gap = event.at_ms.saturating_sub(last.event.at_ms);
                    last.at_ms.saturating_add(gap.min(self.idle_limit_ms))
                }
            };
            self.events.push(Timed { at_ms, event });
        }
        self.is_complete = is_complete;
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
        self.events.last().map_or(0, |last| last.at_ms)
    }

    /// Whether everything that there will be was played.
    pub fn is_over(&self) -> bool {
        self.is_complete && self.is_at_end()
    }

    /// Whether everything that there is was played.
    pub fn is_at_end(&self) -> bool {
        self.played == self.events.len()
    }

    /// When the next thing happens; `None` at the end.
    pub fn next_ms(&self) -> Option<u64> {
        self.events.get(self.played).map(|next| next.at_ms)
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
        let Some(Timed { event, .. }) = self.events.get(self.played) else {
            return;
        };
        self.screen.play(event);
        match &event.what {
            Happening::Note(text) => self.note = Some(text.clone()),
            Happening::Exit(code) => self.note = Some(format!("ended with code {code}")),
            Happening::End { why, .. } => self.note = Some(format!("session ended: {why}")),
            Happening::Output(_) | Happening::Errors(_) | Happening::Resize { .. } | Happening::Key(_) => {}
        }
        self.played += 1;
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
        playback.extend(events, true);
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
        playback.extend([output(5, "a")], false);
        playback.seek(100);
        assert!(playback.is_at_end() && !playback.is_over());
        playback.extend([output(10, "b")], true);
        playback.seek(100);
        assert!(playback.is_over());
        assert_eq!(shown(&playback), "ab");
    }
}
