//! The idle timeout and the longest duration: when they end a session, and when its people are warned.

use std::time::Duration;

use super::owner::Presence;
use super::stage::Stage;
use super::{Effect, EndCause, RelayCore, SessionKind};
use crate::Time;
use crate::wire::{Frame, PayloadType};

/// How long before an end people are warned; of a shorter limit, half of it.
const WARN_BEFORE: Duration = Duration::from_secs(60);

/// Keeps what has been moving, and of what people were warned.
#[derive(Debug)]
pub(super) struct TimeLimits {
    last_activity: Duration,
    warned_of_idling: bool,
    warned_of_age: bool,
}

/// An end that time brings.
struct Limit {
    cause: EndCause,
    at: Duration,
    warn_at: Duration,
}

impl TimeLimits {
    pub(super) fn new(now: Time) -> TimeLimits {
        TimeLimits {
            last_activity: now.monotonic,
            warned_of_idling: false,
            warned_of_age: false,
        }
    }

    /// Notes that somebody is there.
    pub(super) fn moved(&mut self, now: Time) {
        self.last_activity = now.monotonic;
        self.warned_of_idling = false;
    }

    fn was_warned(&mut self, of: EndCause) -> &mut bool {
        if of == EndCause::Idle {
            &mut self.warned_of_idling
        } else {
            &mut self.warned_of_age
        }
    }
}

impl Limit {
    fn new(cause: EndCause, since: Duration, length: Duration) -> Limit {
        let at = since + length;
        Limit {
            cause,
            at,
            warn_at: at.saturating_sub(WARN_BEFORE.min(length / 2)),
        }
    }
}

impl RelayCore {
    /// Notes a frame of the client, if it shows that somebody is there.
    pub(super) fn note_input(&mut self, frame: &Frame, now: Time) {
        let counts = match frame.payload_type {
            PayloadType::Output => !(self.config.kind.is_port() && is_smux_nop(&frame.payload)),
            PayloadType::Size | PayloadType::Flag | PayloadType::Multiplexed => true,
            _ => false,
        };
        if counts {
            self.limits.moved(now);
        }
    }

    /// Notes a frame of the node: of a terminal only what is typed counts, of everything else, and beside a terminal, all traffic.
    pub(super) fn note_output(&mut self, payload_type: PayloadType, now: Time) {
        let is_data = matches!(
            payload_type,
            PayloadType::Output | PayloadType::StdErr | PayloadType::Multiplexed
        );
        let is_of_terminal =
            self.config.kind == SessionKind::Shell && payload_type != PayloadType::Multiplexed;
        if is_data && !is_of_terminal {
            self.limits.moved(now);
        }
    }

    /// Ends the session, or warns of the end, when it is time.
    pub(super) fn check_time_limits(&mut self, now: Time) {
        for limit in self.time_limits() {
            if now.monotonic >= limit.at {
                let output = match limit.cause {
                    EndCause::Idle => "The session was idle for too long.",
                    _ => "The session has reached its maximum duration.",
                };
                return self.begin_end(limit.cause, output.to_owned(), None, now);
            }
            if now.monotonic >= limit.warn_at && !*self.limits.was_warned(limit.cause) {
                *self.limits.was_warned(limit.cause) = true;
                let seconds = (limit.at - now.monotonic).as_secs_f64().round();
                let text = match limit.cause {
                    EndCause::Idle => format!("This session ends in {seconds} s unless something is typed."),
                    _ => format!("This session ends in {seconds} s: it reaches its maximum duration."),
                };
                self.notify(&text, now);
            }
        }
    }

    /// Returns when [`RelayCore::check_time_limits`] has something to do.
    pub(super) fn next_time_limit(&self) -> Option<Duration> {
        let due = |limit: Limit| {
            let warned = match limit.cause {
                EndCause::Idle => self.limits.warned_of_idling,
                _ => self.limits.warned_of_age,
            };
            if warned { limit.at } else { limit.warn_at }
        };
        self.time_limits().into_iter().map(due).min()
    }

    fn time_limits(&self) -> Vec<Limit> {
        let Stage::Running { since } = self.stage else {
            return Vec::new();
        };
        let timers = &self.config.timers;
        let idle = timers
            .idle
            .map(|length| Limit::new(EndCause::Idle, self.limits.last_activity, length));
        let age = timers
            .max_duration
            .map(|length| Limit::new(EndCause::MaxDuration, since, length));
        idle.into_iter().chain(age).collect()
    }

    /// Tells whoever owns the session something. AWS's plugin can only be told through a terminal's output, which our node
    /// writes; with both of AWS's programs nobody can be told.
    fn notify(&mut self, text: &str, now: Time) {
        let Presence::Here(link) = &self.owner.presence else {
            return;
        };
        if link.shows_notices() {
            let conn = link.conn;
            let bytes = self.frames.notice(text, now);
            self.effects.push_back(Effect::ToClient { conn, bytes });
        } else if self.config.kind == SessionKind::Shell
            && self.config.node.is_some_and(|node| node.notices)
            && let Some(conn) = self.node.conn()
        {
            let bytes = self.frames.notice(text, now);
            self.effects.push_back(Effect::ToNode { conn, bytes });
        }
    }
}

/// Says whether a piece of a multiplexed tunnel is nothing but a sign of life.
fn is_smux_nop(payload: &[u8]) -> bool {
    matches!(payload, [1, 3, 0, 0, _, _, _, _])
}
