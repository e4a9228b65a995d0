//! What was typed and has not been taken by the data channel.

use std::collections::VecDeque;

use bytes::Bytes;
use drawbridge_protocol::data_channel::client::ClientEnd;

use crate::terminal::{EscapeFilter, Typed};

/// Keeps input in order until the far end can take it.
///
/// When a person types, some of it is read ahead of what the far end takes, because `~.` has to be found behind a paste
/// that a lost connection holds up. What a pipe brings is read only as fast as it is taken.
#[derive(Debug)]
pub(crate) struct Typing {
    escapes: Option<EscapeFilter>,
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    line_is_open: bool,
    /// Said to the far end when it has taken everything before.
    last_flag: Option<u32>,
}

impl Typing {
    /// Input of a person, whose escapes are found.
    pub(crate) fn of_person(may_detach: bool) -> Self {
        Self {
            escapes: Some(EscapeFilter::new(may_detach)),
            ..Self::of_pipe()
        }
    }

    /// Input of a pipe or file, every byte of which is meant for the far end.
    pub(crate) fn of_pipe() -> Self {
        Self {
            escapes: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            line_is_open: false,
            last_flag: None,
        }
    }

    /// Separates what is for the far end from what is for this client.
    pub(crate) fn read(&mut self, bytes: Bytes) -> Vec<Typed> {
        match &mut self.escapes {
            Some(filter) => filter.feed(&bytes),
            None => vec![Typed::Bytes(bytes)],
        }
    }

    /// Queues bytes for the far end.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if let Some(last) = bytes.last() {
            self.line_is_open = !matches!(last, b'\r' | b'\n');
            self.waiting_bytes += bytes.len();
            self.waiting.push_back(bytes);
        }
    }

    /// Queues what a terminal does when there is nothing more to come: Ctrl-D, on a line of its own.
    ///
    /// AWS's plugin says nothing, and `echo uptime | aws ssm start-session` never returns. A line that was left open is
    /// entered first, as a shell does with the last line of a script: in the middle of a line Ctrl-D ends nothing.
    pub(crate) fn push_end(&mut self) {
        let line_is_open = self.line_is_open;
        self.push(Bytes::from_static(if line_is_open { b"\r\x04" } else { b"\x04" }));
    }

    /// Queues one of the flags, behind which nothing comes.
    pub(crate) fn push_flag(&mut self, number: u32) {
        self.last_flag = Some(number);
    }

    /// Whether the far end has been handed everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.last_flag.is_none()
    }

    /// Whether more should be read, given what the far end takes now.
    pub(crate) fn wants_more(&self, capacity: usize) -> bool {
        if self.escapes.is_some() {
            self.waiting_bytes < READ_AHEAD_BYTES
        } else {
            self.waiting.is_empty() && capacity > 0
        }
    }

    /// Hands over as much as the far end takes.
    pub(crate) fn send(&mut self, core: &mut ClientEnd) {
        while let Some(first) = self.waiting.front_mut() {
            let take = core.input_capacity().min(first.len());
            if take == 0 {
                return;
            }
            core.send_input(first.split_to(take));
            self.waiting_bytes -= take;
            if first.is_empty() {
                self.waiting.pop_front();
            }
        }
        if let Some(number) = self.last_flag.take() {
            core.send_flag(number);
        }
    }
}

/// More than anybody pastes.
const READ_AHEAD_BYTES: usize = 2 * 1024 * 1024;
