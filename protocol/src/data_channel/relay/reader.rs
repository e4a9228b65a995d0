//! The sending side towards one client: a window over the session's output.
//!
//! ```text
//!   ──────────────┬──────────────────────────┬───────────────▶ sequence number
//!    confirmed    │ window: sent here, in    │ to be sent
//!                 │ order, not all confirmed │
//!               cursor                      next
//! ```
//!
//! A client of ours acknowledges every copy of every frame, so nothing needs to be guessed. AWS's plugin ignores copies of
//! frames it has processed (`protocol.md` 4.5), so after a reconnect silence can mean two things: that a frame was processed
//! and its acknowledgement lost with the old connection, or that it was refused because the session's handler was not
//! set up. Once the handler is known to be ready, a frame counts as delivered when something sent after it on the
//! same connection, a later frame or a ping, has been answered: one loop reads frames and pings in order.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::JournalFrame;
use super::frames::payload_type_of;
use super::store::OutputStore;
use crate::stream::RetransmissionTimer;
use crate::wire::{PayloadType, with_sequence};

/// Sends the session's output to one client, in order, until it is confirmed.
#[derive(Debug)]
pub(super) struct Reader {
    /// The node's number of this client's frame 0.
    base: i64,
    cursor: i64,
    next: i64,
    window: VecDeque<Outstanding>,
    window_bytes: usize,
    /// Frames that were read back, from `next` on.
    staged: VecDeque<JournalFrame>,
    reading: bool,
    /// Frames below this number may have been sent on an earlier connection.
    sent_before: i64,
    /// Bytes of output that have arrived and are not confirmed.
    unconfirmed: u64,
    /// Counts sendings of frames and pings, so that it is known which came first.
    sendings: u64,
    /// Places of the last ping among them, and of the last one that was answered; 0 for none on this connection.
    last_ping: u64,
    last_answered: u64,
    handler_ready: bool,
    /// Whether frames whose silence can be judged from now on must be sent again for it.
    rejudge: bool,
    /// Whether the client acknowledges copies too.
    re_acknowledges: bool,
    timer: RetransmissionTimer,
}

/// Is a frame that was sent on this connection.
#[derive(Debug)]
struct Outstanding {
    bytes: Bytes,
    kind: Kind,
    first_sent: Duration,
    last_sent: Duration,
    /// Places of the first and last sending among all sendings.
    first_sending: u64,
    sending: u64,
    /// Whether the client was known, at the last sending, to take a frame of this kind.
    sent_ready: bool,
    acknowledged: bool,
}

/// Tells apart frames by what AWS's plugin needs to take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The session's handler.
    Plain,
    /// Nothing: handshake frames, and the first frame of a session without handshake.
    Unconditional,
}

/// Is the next thing a reader needs in order to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This frame can be sent.
    Frame(Bytes),
    /// Frames from this number on must be read back.
    Read(i64),
    /// Nothing, for now.
    Wait,
    /// Frames that were durable cannot be read back.
    Lost,
}

/// Bounds a reader's window.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowBounds {
    pub(super) bytes: usize,
    pub(super) frames: usize,
}

impl Reader {
    /// Starts at `base`, with `unconfirmed` bytes of output already there.
    pub(super) fn new(base: i64, unconfirmed: u64) -> Reader {
        Reader {
            base,
            cursor: base,
            next: base,
            window: VecDeque::new(),
            window_bytes: 0,
            staged: VecDeque::new(),
            reading: false,
            sent_before: base,
            unconfirmed,
            sendings: 0,
            last_ping: 0,
            last_answered: 0,
            handler_ready: false,
            rejudge: false,
            re_acknowledges: false,
            timer: RetransmissionTimer::new(),
        }
    }

    /// Goes on where a reader stood before a crash, of which it is not known what it had sent.
    pub(super) fn recovered(base: i64, cursor: i64, unconfirmed: u64, handler_ready: bool) -> Reader {
        let cursor = cursor.max(base);
        Reader {
            cursor,
            next: cursor,
            sent_before: i64::MAX,
            handler_ready,
            ..Reader::new(base, unconfirmed)
        }
    }

    /// Starts over on a fresh connection: everything unconfirmed is to be sent, in order.
    pub(super) fn connected(&mut self, re_acknowledges: bool) {
        self.disconnected();
        self.re_acknowledges = re_acknowledges;
        self.timer = RetransmissionTimer::new();
    }

    /// Gives back what only a connection needs.
    pub(super) fn disconnected(&mut self) {
        self.sent_before = self.sent_before.max(self.next);
        self.next = self.cursor;
        self.window.clear();
        self.window_bytes = 0;
        self.staged.clear();
        self.reading = false;
        self.rejudge = false;
        self.last_ping = 0;
        self.last_answered = 0;
    }

    /// Notes that output in order has grown.
    pub(super) fn grown(&mut self, bytes: u64) {
        self.unconfirmed += bytes;
    }

    /// Notes that frames below `end` are all there is: nothing is unconfirmed beyond the window, whatever was estimated.
    pub(super) fn compare_with_end(&mut self, end: i64) {
        if self.cursor >= end {
            self.unconfirmed = 0;
        }
    }

    /// Says what comes next, given that frames below `end` have arrived.
    pub(super) fn next(&mut self, store: &OutputStore, end: i64, bounds: WindowBounds) -> Next {
        let full = self.window.len() >= bounds.frames || self.window_bytes >= bounds.bytes;
        if self.next >= end || full {
            return Next::Wait;
        }
        while self
            .staged
            .pop_front_if(|frame| frame.sequence < self.next)
            .is_some()
        {}
        if let Some(frame) = self.staged.front()
            && frame.sequence == self.next
        {
            return Next::Frame(frame.bytes.clone());
        }
        if let Some(bytes) = store.frame(self.next) {
            return Next::Frame(bytes.clone());
        }
        if self.reading {
            return Next::Wait;
        }
        if !self.staged.is_empty() {
            return Next::Lost;
        }
        self.reading = true;
        Next::Read(self.next)
    }

    /// Takes frames that were read back; `false` if they are not those that were wanted.
    pub(super) fn read_back(&mut self, frames: Vec<JournalFrame>) -> bool {
        if !std::mem::take(&mut self.reading) {
            return true;
        }
        let useful = frames.iter().any(|frame| frame.sequence == self.next);
        self.staged.extend(frames);
        useful
    }

    /// Sends the frame that [`Reader::next`] gave, in the client's numbering.
    pub(super) fn send(&mut self, bytes: Bytes, now: Duration) -> Bytes {
        let kind = self.kind_of(&bytes);
        self.sendings += 1;
        self.window_bytes += bytes.len();
        self.window.push_back(Outstanding {
            bytes: bytes.clone(),
            kind,
            first_sent: now,
            last_sent: now,
            first_sending: self.sendings,
            sending: self.sendings,
            sent_ready: self.takes(kind),
            acknowledged: false,
        });
        let sequence = self.next - self.base;
        self.next += 1;
        with_sequence(bytes, sequence)
    }

    /// Sends the oldest frame again if it has waited too long and its last copy was refused.
    ///
    /// A connection loses nothing, so a copy is only lost on a client that refused it; that is known once a ping sent
    /// behind it was answered. Until then it is under way, however slow the path is, and one more would only be in its way.
    /// Of a client that does not answer pings (`pongs` is false) nothing is known, so time decides.
    pub(super) fn resend_oldest(&mut self, now: Duration, pongs: bool) -> Option<Bytes> {
        let oldest = self.window.front()?;
        if (pongs && !self.is_refused()) || now < oldest.last_sent + self.timer.timeout() {
            return None;
        }
        self.timer.back_off();
        self.resend(0, now)
    }

    /// Returns when the oldest frame is to be sent again, or asked after.
    pub(super) fn resend_at(&self, pongs: bool) -> Option<Duration> {
        let oldest = self.window.front()?;
        let waits_for_pong = pongs && self.last_answered < oldest.sending && oldest.sending < self.last_ping;
        (!waits_for_pong).then(|| oldest.last_sent + self.timer.timeout())
    }

    /// Says whether the last copy of the oldest frame was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.window
            .front()
            .is_some_and(|oldest| oldest.sending < self.last_answered)
    }

    /// Learns that the session's handler takes output from now on.
    pub(super) fn handler_is_ready(&mut self) {
        self.rejudge |= !std::mem::replace(&mut self.handler_ready, true);
    }

    /// Sends again what could not be judged by its silence before the handler was known to be ready.
    pub(super) fn resend_unjudged(&mut self, now: Duration) -> Vec<Bytes> {
        if !std::mem::take(&mut self.rejudge) || self.re_acknowledges {
            return Vec::new();
        }
        let unjudged = |(index, frame): &(usize, &Outstanding)| {
            !frame.acknowledged && !frame.sent_ready && self.was_sent_before(*index)
        };
        let again: Vec<usize> = self
            .window
            .iter()
            .enumerate()
            .filter(unjudged)
            .map(|(index, _)| index)
            .collect();
        again
            .into_iter()
            .filter_map(|index| self.resend(index, now))
            .collect()
    }

    /// Takes an acknowledgement in the client's numbering; `false` if no such frame was sent.
    pub(super) fn acknowledged(&mut self, sequence: i64, cumulative: bool, now: Duration) -> bool {
        let Some(sequence) = sequence
            .checked_add(self.base)
            .filter(|sequence| *sequence >= self.base)
        else {
            return false;
        };
        if sequence >= self.next && sequence >= self.sent_before {
            return false;
        }
        // A client of ours may have more than was sent here, from an earlier connection. What was sent here is confirmed by
        // that; the rest will be when its copy has arrived.
        let sequence = if cumulative {
            sequence.min(self.next - 1)
        } else {
            sequence
        };
        if sequence >= self.next || sequence < self.cursor {
            return true;
        }
        let Some(index) = usize::try_from(sequence - self.cursor).ok() else {
            return true;
        };
        let frame = &self.window[index];
        if !frame.acknowledged {
            self.timer.sample(now.saturating_sub(frame.first_sent));
        }
        let (first_sending, kind) = (frame.first_sending, frame.kind);
        if cumulative {
            self.window
                .iter_mut()
                .take(index)
                .for_each(|earlier| earlier.acknowledged = true);
        } else if !self.re_acknowledges {
            // Which copy is acknowledged is not known, so the first one must do as the witness.
            self.confirm_sent_before(first_sending);
        }
        // The client acknowledges the frame it expects only once it has processed it.
        let expected = self.window.iter().take(index).all(|earlier| earlier.acknowledged);
        if expected && kind == Kind::Plain {
            self.handler_is_ready();
        }
        self.window[index].acknowledged = true;
        self.advance();
        true
    }

    /// Takes the answer to a ping that was the `sending`th of all sendings.
    pub(super) fn ping_answered(&mut self, sending: u64) {
        self.last_answered = self.last_answered.max(sending);
        if !self.re_acknowledges {
            self.confirm_sent_before(sending);
            self.advance();
        }
    }

    /// Says whether the answer to a ping would tell something that no ping sent so far can.
    pub(super) fn wants_ping(&self, now: Duration) -> bool {
        let asked = |frame: &Outstanding| frame.sending < self.last_ping;
        let tellable =
            |(index, frame): (usize, &Outstanding)| !asked(frame) && self.is_tellable(index, frame);
        let judging = !self.re_acknowledges && self.window.iter().enumerate().any(tellable);
        judging
            || self.window.front().is_some_and(|oldest| {
                // Refusal is to be expected while the handler is being set up, so it is asked after at once.
                let expect_refusal = !self.re_acknowledges && !oldest.sent_ready;
                let overdue = now >= oldest.last_sent + self.timer.timeout();
                !asked(oldest) && (expect_refusal || overdue)
            })
    }

    /// Counts a ping among the sendings and returns its place.
    pub(super) fn ping_sent(&mut self) -> u64 {
        self.sendings += 1;
        self.last_ping = self.sendings;
        self.sendings
    }

    /// Returns the first frame that the client has not confirmed, in the node's numbering.
    pub(super) fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Returns the first frame that the client will need from the store or journal.
    pub(super) fn wanted(&self) -> i64 {
        self.next
    }

    /// Returns the bytes of output that have arrived and are not confirmed.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.unconfirmed
    }

    pub(super) fn is_handler_ready(&self) -> bool {
        self.handler_ready
    }

    /// Says whether everything the client needs before its handler exists is confirmed, and something is not.
    pub(super) fn waits_for_handler(&self) -> bool {
        let oldest = self.window.front();
        !self.handler_ready && !self.re_acknowledges && oldest.is_some_and(|frame| frame.kind == Kind::Plain)
    }

    fn kind_of(&self, bytes: &[u8]) -> Kind {
        match payload_type_of(bytes) {
            PayloadType::HandshakeRequest
            | PayloadType::HandshakeComplete
            | PayloadType::EncChallengeRequest => Kind::Unconditional,
            _ if self.next == self.base => Kind::Unconditional,
            _ => Kind::Plain,
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        self.handler_ready || kind == Kind::Unconditional
    }

    fn resend(&mut self, index: usize, now: Duration) -> Option<Bytes> {
        self.sendings += 1;
        let sent_ready = self.takes(self.window.get(index)?.kind);
        let sequence = self.cursor - self.base + index as i64;
        let frame = self.window.get_mut(index)?;
        frame.last_sent = now;
        frame.sending = self.sendings;
        frame.sent_ready = sent_ready;
        Some(with_sequence(frame.bytes.clone(), sequence))
    }

    /// Confirms every frame whose silence means that it was processed on an earlier connection, judged by something that
    /// was sent as the `sending`th and has been answered.
    fn confirm_sent_before(&mut self, sending: u64) {
        for index in 0..self.window.len() {
            let frame = &self.window[index];
            if frame.sending < sending && self.is_tellable(index, frame) {
                self.window[index].acknowledged = true;
            }
        }
    }

    fn is_tellable(&self, index: usize, frame: &Outstanding) -> bool {
        !frame.acknowledged && frame.sent_ready && self.was_sent_before(index)
    }

    fn was_sent_before(&self, index: usize) -> bool {
        self.cursor + (index as i64) < self.sent_before
    }

    fn advance(&mut self) {
        while let Some(frame) = self.window.pop_front_if(|frame| frame.acknowledged) {
            self.cursor += 1;
            self.window_bytes -= frame.bytes.len();
            self.unconfirmed = self.unconfirmed.saturating_sub(frame.bytes.len() as u64);
        }
    }
}
