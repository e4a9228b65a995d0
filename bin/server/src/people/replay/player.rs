//! The player: a recording on a terminal, and the keys that steer it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use drawbridge_plugin::terminal::{Channel, Occurrence, Signal, SystemTerminal, Terminal};
use drawbridge_replay::painting::{BEGIN, END};
use drawbridge_replay::{Painter, Playback};
use drawbridge_session::{Clock, SystemClock};
use tokio::time::sleep;

use super::moment::clock;
use super::{POLL_PERIOD, Pages};
use crate::cli::Replay;
use crate::exit::{Failure, SESSION_FAILED};

/// Time between two pictures.
const FRAME: Duration = Duration::from_millis(40);

/// What one key goes forwards or back.
const STRIDE_MS: u64 = 5000;

/// Speeds that `+` and `-` step through.
const SPEEDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0];

/// Bytes of a search.
const MOST_SOUGHT: usize = 200;

/// Plays a recording until it is left.
pub(super) async fn play(mut pages: Pages, arguments: &Replay) -> Result<ExitCode> {
    let idle_limit = arguments.idle_limit.map(millis);
    let mut steering = Steering::new(
        Playback::of(pages.header.session_type, idle_limit),
        arguments.speed,
    );
    load(&mut pages, &mut steering).await?;
    steering.playback.seek(arguments.from.map_or(0, millis));
    if arguments.follow {
        steering.playback.seek(u64::MAX);
    }
    let mut terminal = SystemTerminal::open().context("cannot use the terminal")?;
    terminal.enter_raw().context("cannot use the terminal")?;
    terminal.write(Channel::Output, Bytes::from_static(BEGIN.as_bytes()));
    let outcome = show(&mut pages, &mut steering, arguments.follow, &mut terminal).await;
    terminal.write(Channel::Output, Bytes::from_static(END.as_bytes()));
    terminal.drained().await;
    terminal.leave_raw();
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn show(
    pages: &mut Pages,
    steering: &mut Steering,
    follow: bool,
    terminal: &mut SystemTerminal,
) -> Result<()> {
    let time = SystemClock::new();
    let mut painter = Painter::default();
    let mut last = time.monotonic();
    let mut asked = last;
    let mut has_keys = true;
    loop {
        if terminal.backlog() == 0 {
            let size = terminal.size();
            let cells = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
            let picture = painter.paint(
                steering.playback.screen(),
                &steering.status(),
                cells(size.cols),
                cells(size.rows),
            );
            if !picture.is_empty() {
                terminal.write(Channel::Output, picture.into());
            }
        }
        if !has_keys && steering.playback.is_over() {
            return Ok(());
        }
        tokio::select! {
            occurrence = terminal.next(has_keys) => match occurrence {
                Occurrence::Input(keys) => {
                    if steering.press(&keys) == Wish::Leave {
                        return Ok(());
                    }
                }
                Occurrence::EndOfInput => has_keys = false,
                Occurrence::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup | Signal::Quit) => return Ok(()),
                Occurrence::Signal(Signal::WindowChanged) => painter.forget(),
                Occurrence::Signal(Signal::Continued) => {
                    terminal.enter_raw()?;
                    terminal.write(Channel::Output, Bytes::from_static(BEGIN.as_bytes()));
                    painter.forget();
                }
                Occurrence::Signal(Signal::Stop) | Occurrence::Written => {}
                Occurrence::OutputFailed(error) => return Err(error.into()),
            },
            () = sleep(FRAME) => {}
        }
        let now = time.monotonic();
        steering.pass(now.saturating_sub(last));
        last = now;
        if follow && !pages.is_complete() && now.saturating_sub(asked) >= POLL_PERIOD {
            asked = now;
            let waited = steering.is_waiting();
            load(pages, steering).await?;
            if waited {
                steering.go_on();
            }
        }
    }
}

/// Takes over what the server has.
async fn load(pages: &mut Pages, steering: &mut Steering) -> Result<()> {
    loop {
        let events = pages.more().await?;
        let is_all = events.is_empty();
        let extended = steering.playback.extend(events, pages.is_complete());
        extended.map_err(|error| {
            Failure::new(SESSION_FAILED, error.to_string())
                .hint("`--text` and `--asciicast` take recordings of any length")
        })?;
        if is_all {
            return Ok(());
        }
    }
}

/// What a key asks of the player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Stay,
    Leave,
}

/// A recording, and how it is played.
struct Steering {
    playback: Playback,
    speed: f64,
    is_paused: bool,
    /// What is being typed behind `/`, byte by byte.
    sought: Option<Vec<u8>>,
    last_sought: String,
    message: Option<String>,
}

impl Steering {
    fn new(playback: Playback, speed: f64) -> Self {
        Self {
            playback,
            speed,
            is_paused: false,
            sought: None,
            last_sought: String::new(),
            message: None,
        }
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        if !self.is_paused && self.sought.is_none() {
            let played = millis(time.mul_f64(self.speed));
            self.playback
                .seek(self.playback.position_ms().saturating_add(played));
        }
    }

    /// Whether everything was played, and what comes next is to be.
    fn is_waiting(&self) -> bool {
        self.playback.is_at_end() && !self.is_paused && self.sought.is_none()
    }

    /// Plays what came meanwhile: however long nothing happened, that time has passed already.
    fn go_on(&mut self) {
        if let Some(next) = self.playback.next_ms() {
            self.playback.seek(next);
        }
    }

    fn press(&mut self, keys: &[u8]) -> Wish {
        let mut rest = keys;
        while let Some((&key, behind)) = rest.split_first() {
            rest = behind;
            if self.sought.is_some() {
                self.type_search(key);
                continue;
            }
            self.message = None;
            match (key, behind) {
                (0x1b, [b'[' | b'O', arrow @ (b'C' | b'D'), further @ ..]) => {
                    self.stride(*arrow == b'C');
                    rest = further;
                }
                // Another sequence of a key that means nothing here.
                (0x1b, _) => return Wish::Stay,
                (b'q' | 0x03 | 0x04, _) => return Wish::Leave,
                (b' ', _) => self.is_paused = !self.is_paused,
                (b'l', _) => self.stride(true),
                (b'h', _) => self.stride(false),
                (b'0', _) => self.playback.seek(0),
                (b'G', _) => self.playback.seek(u64::MAX),
                (b'+' | b'=', _) => self.change_speed(true),
                (b'-', _) => self.change_speed(false),
                (b'/', _) => self.sought = Some(Vec::new()),
                (b'n', _) => self.search(),
                _ => {}
            }
        }
        Wish::Stay
    }

    fn stride(&mut self, forwards: bool) {
        let position = self.playback.position_ms();
        self.playback.seek(match forwards {
            true => position.saturating_add(STRIDE_MS),
            false => position.saturating_sub(STRIDE_MS),
        });
    }

    fn change_speed(&mut self, faster: bool) {
        let next = match faster {
            true => SPEEDS.iter().find(|speed| **speed > self.speed),
            false => SPEEDS.iter().rev().find(|speed| **speed < self.speed),
        };
        self.speed = next.copied().unwrap_or(self.speed);
    }

    fn type_search(&mut self, key: u8) {
        let Some(sought) = &mut self.sought else { return };
        match key {
            b'\r' | b'\n' => {
                self.last_sought = String::from_utf8_lossy(sought).into_owned();
                self.sought = None;
                self.search();
            }
            0x1b | 0x03 => self.sought = None,
            // All bytes of a character.
            0x08 | 0x7f => while sought.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            0x20.. if sought.len() < MOST_SOUGHT => sought.push(key),
            _ => {}
        }
    }

    fn search(&mut self) {
        if self.last_sought.is_empty() {
            return;
        }
        self.is_paused = true;
        if !self.playback.search(&self.last_sought) {
            self.message = Some(format!(
                "`{}` does not appear again; 0 goes to the start, n searches on",
                self.last_sought
            ));
        }
    }

    fn status(&self) -> String {
        if let Some(sought) = &self.sought {
            return format!("/{}", String::from_utf8_lossy(sought));
        }
        let sign = match (self.playback.is_over(), self.is_paused) {
            (true, _) => "end",
            (false, true) => "paused",
            (false, false) => "playing",
        };
        let playback = &self.playback;
        let times = format!(
            "{}/{}",
            clock(playback.position_ms()),
            clock(playback.length_ms())
        );
        let help = "space pauses, h l seek, + - speed, / searches, q quits";
        let said = self.message.as_deref().or(playback.note()).unwrap_or(help);
        format!("{sign} {times} x{}  {said}", self.speed)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use drawbridge_session::recording::{Event, Happening};

    use super::*;

    fn steering() -> Steering {
        let mut playback = Playback::new(None);
        let events = (0..60).map(|second| Event {
            at_ms: second * 1000,
            what: Happening::Output(format!("second {second}\r\n").into_bytes()),
        });
        playback.extend(events, true).expect("room");
        playback.seek(0);
        Steering::new(playback, 1.0)
    }

    fn position(steering: &Steering) -> u64 {
        steering.playback.position_ms()
    }

    #[test]
    fn time_passes_at_the_speed_and_not_while_paused() {
        let mut steering = steering();
        steering.pass(Duration::from_secs(1));
        assert_eq!(position(&steering), 1000);
        assert_eq!(steering.press(b"+"), Wish::Stay);
        steering.pass(Duration::from_secs(1));
        assert_eq!(position(&steering), 3000);
        steering.press(b"--");
        steering.pass(Duration::from_secs(2));
        assert_eq!(position(&steering), 4000);
        steering.press(b" ");
        steering.pass(Duration::from_secs(9));
        assert_eq!(position(&steering), 4000);
        assert!(steering.status().starts_with("paused 0:04/0:59 x0.5"));
    }

    #[test]
    fn what_comes_after_a_silence_is_not_waited_for_once_more() {
        let mut steering = steering();
        assert!(!steering.is_waiting());
        steering.playback.seek(u64::MAX);
        assert!(steering.is_waiting());
        let event = Event {
            at_ms: 3_600_000,
            what: Happening::Output(b"an hour later\r\n".to_vec()),
        };
        steering.playback.extend([event], false).expect("room");
        steering.go_on();
        assert_eq!(position(&steering), 3_600_000);
        steering.press(b" ");
        assert!(!steering.is_waiting(), "paused");
    }

    #[test]
    fn keys_seek() {
        let mut steering = steering();
        steering.press(b"ll\x1b[C\x1bOC");
        assert_eq!(position(&steering), 20_000);
        steering.press(b"h\x1b[D");
        assert_eq!(position(&steering), 10_000);
        steering.press(b"hhhh");
        assert_eq!(position(&steering), 0);
        steering.press(b"G");
        assert!(steering.playback.is_over());
        assert!(steering.status().starts_with("end 0:59/0:59"));
        steering.press(b"0");
        assert_eq!(position(&steering), 0);
        steering.press(b"\x1b[15~");
        assert_eq!(position(&steering), 0, "a key that means nothing");
    }

    #[test]
    fn a_search_stops_where_the_text_appears() {
        let mut steering = steering();
        steering.press(b"/second x\x7f42");
        assert_eq!(steering.status(), "/second 42");
        steering.press(b"\r");
        assert_eq!(position(&steering), 42_000);
        assert!(steering.is_paused);
        steering.press(b"n");
        assert_eq!(position(&steering), 42_000);
        assert!(steering.status().contains("does not appear again"));
        steering.press(b"/q\x1b");
        assert_eq!(steering.sought, None);
    }

    #[test]
    fn a_search_takes_any_letters() {
        let mut steering = steering();
        steering.press("/é漢".as_bytes());
        assert_eq!(steering.status(), "/é漢");
        steering.press(b"\x7f");
        assert_eq!(steering.status(), "/é");
        steering.press(b"\x7f\x7f\x7f");
        assert_eq!(steering.status(), "/");
        let what = Happening::Output("漢字\r\n".into());
        let event = Event { at_ms: 70_000, what };
        steering.playback.extend([event], true).expect("room");
        steering.press("漢字\r".as_bytes());
        assert_eq!(position(&steering), 70_000);
    }

    #[test]
    fn it_can_be_left() {
        for key in [b"q", b"\x03", b"\x04"] {
            assert_eq!(steering().press(key), Wish::Leave);
        }
    }
}
