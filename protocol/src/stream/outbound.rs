//! The sending side.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::RetransmissionTimer;
use crate::wire::{FLAG_SYN, Frame, MessageType, PayloadType};
use crate::{MessageIds, Time};

/// Bounds what is held for the peer.
///
/// It is advice to the producer, given by [`Outbound::capacity`]; a frame is never refused or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Bytes of payload held at most.
    pub bytes: usize,
    /// Frames held at most.
    pub frames: usize,
}

impl Window {
    /// 1 MiB in at most 4096 frames: AWS's programs keep 10 000 frames that arrive out of order.
    pub const DEFAULT: Window = Window {
        bytes: 1024 * 1024,
        frames: 4096,
    };

    /// Enough to fill a path of 300 MB/s and 200 ms, of a tunnel between our own ends. It is used only as far as the path is
    /// long: what can be delivered at once is acknowledged at once.
    pub const TUNNEL: Window = Window {
        bytes: 64 * 1024 * 1024,
        frames: 16 * 1024,
    };
}

/// Numbers frames, and holds each until the peer acknowledges it.
///
/// Give it payloads with [`push`](Outbound::push); ask [`poll`](Outbound::poll) for frames to send until there is none.
/// A frame is encoded once, when first sent, and sent again as the same bytes.
#[derive(Debug)]
pub struct Outbound {
    message_type: MessageType,
    window: Window,
    timer: RetransmissionTimer,
    /// Everything from the oldest unacknowledged frame on; the frame with sequence number `first + i` is at index `i`.
    slots: VecDeque<Slot>,
    first: i64,
    /// Frames before this one were sent on the present connection.
    cursor: i64,
    /// Frames to send again before any other.
    resend: VecDeque<i64>,
    /// The furthest frame acknowledged; gaps before it were lost or refused.
    furthest_acknowledged: i64,
    held_bytes: usize,
    held_frames: usize,
    /// Of those bytes, the ones that were never sent.
    unsent_bytes: usize,
    online: bool,
}

#[derive(Debug)]
enum Slot {
    /// Never sent.
    Queued {
        payload_type: PayloadType,
        payload: Bytes,
    },
    /// Sent at least once; the times are of the present connection or, before it sent this frame, of the last one.
    InFlight {
        encoded: Bytes,
        payload_bytes: usize,
        first_sent: Duration,
        last_sent: Duration,
    },
    /// Acknowledged, but something before it is not.
    Acknowledged,
}

impl Outbound {
    /// Starts a stream at sequence number 0, offline.
    pub fn new(message_type: MessageType, window: Window) -> Outbound {
        Outbound {
            message_type,
            window,
            timer: RetransmissionTimer::new(),
            slots: VecDeque::new(),
            first: 0,
            cursor: 0,
            resend: VecDeque::new(),
            furthest_acknowledged: -1,
            held_bytes: 0,
            held_frames: 0,
            unsent_bytes: 0,
            online: false,
        }
    }

    /// Changes how much is held for the peer from now on.
    pub fn set_window(&mut self, window: Window) {
        self.window = window;
    }

    /// Moves the first sequence number, if nothing was pushed yet; says whether it did.
    pub fn start_at(&mut self, sequence: i64) -> bool {
        let untouched = self.next_sequence() == 0 && (0..=MAX_START).contains(&sequence);
        if untouched {
            (self.first, self.cursor, self.furthest_acknowledged) = (sequence, sequence, sequence - 1);
        }
        untouched
    }

    /// Takes one payload as the next frame and returns its sequence number; an empty one makes no frame.
    ///
    /// Bulk producers ask [`capacity`](Outbound::capacity) first.
    pub fn push(&mut self, payload_type: PayloadType, payload: Bytes) -> Option<i64> {
        if payload.is_empty() {
            return None;
        }
        let sequence = self.next_sequence();
        self.held_bytes += payload.len();
        self.held_frames += 1;
        self.unsent_bytes += payload.len();
        self.slots.push_back(Slot::Queued {
            payload_type,
            payload,
        });
        Some(sequence)
    }

    /// Takes bytes of any length as as many frames as they need.
    pub fn push_cut(&mut self, payload_type: PayloadType, mut bytes: Bytes, max_payload: usize) {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(max_payload.max(1)));
            self.push(payload_type, chunk);
        }
    }

    /// Starts over on a fresh connection: everything unacknowledged is due at once, in order.
    pub fn handle_connected(&mut self) {
        self.online = true;
        self.cursor = self.first;
        self.resend.clear();
    }

    /// Stops sending until the next connection.
    pub fn handle_disconnected(&mut self) {
        self.online = false;
    }

    /// Releases the frame with this number; says whether that was news.
    ///
    /// Numbers never sent or already acknowledged change nothing.
    pub fn handle_acknowledge(&mut self, sequence: i64, now: Time) -> bool {
        let Some(slot) = self.slot_mut(sequence) else {
            return false;
        };
        let Slot::InFlight {
            payload_bytes,
            first_sent,
            ..
        } = *slot
        else {
            return false;
        };
        *slot = Slot::Acknowledged;
        self.held_bytes -= payload_bytes;
        self.held_frames -= 1;
        self.furthest_acknowledged = self.furthest_acknowledged.max(sequence);
        // Measured from the first sending: of a frame sent twice nobody knows which copy was answered, and guessing the
        // second would make a slow path look fast and every frame go out twice.
        self.timer.sample(now.monotonic.saturating_sub(first_sent));
        self.release_acknowledged();
        true
    }

    /// Releases every frame up to and including this number; says whether that was news.
    ///
    /// A number that was never sent changes nothing at all.
    pub fn handle_cumulative_acknowledge(&mut self, sequence: i64, now: Time) -> bool {
        if !matches!(
            self.slot_mut(sequence),
            Some(Slot::InFlight { .. } | Slot::Acknowledged)
        ) {
            return false;
        }
        while self.first < sequence {
            match self.slots.pop_front() {
                Some(Slot::InFlight { payload_bytes, .. }) => {
                    self.held_bytes -= payload_bytes;
                    self.held_frames -= 1;
                }
                Some(Slot::Queued { payload, .. }) => {
                    // Frames are first sent in order, so nothing before a sent one is queued; counted all the same.
                    self.held_bytes -= payload.len();
                    self.unsent_bytes -= payload.len();
                    self.held_frames -= 1;
                }
                Some(Slot::Acknowledged) | None => {}
            }
            self.first += 1;
        }
        // The last one is released by the ordinary way, which takes the sample.
        self.handle_acknowledge(sequence, now);
        self.release_acknowledged();
        true
    }

    /// Marks what has waited too long as due again.
    ///
    /// The oldest frame is sent again, and with it every gap before the furthest acknowledgement: those are known losses,
    /// and waiting for each in turn would cost a round trip per frame.
    pub fn handle_timeout(&mut self, now: Time) {
        if self
            .poll_timeout()
            .is_none_or(|deadline| now.monotonic < deadline)
        {
            return;
        }
        self.timer.back_off();
        let gaps_end = self.furthest_acknowledged.min(self.first + MAX_GAPS);
        self.resend.push_back(self.first);
        for sequence in self.first + 1..gaps_end {
            if matches!(self.slot_mut(sequence), Some(Slot::InFlight { .. })) {
                self.resend.push_back(sequence);
            }
        }
    }

    /// Returns the next frame to send at `now`, until nothing is due.
    pub fn poll(&mut self, now: Time, ids: &mut MessageIds) -> Option<Bytes> {
        if !self.online {
            return None;
        }
        while let Some(sequence) = self.resend.pop_front() {
            if let Some(encoded) = self.send(sequence, false, now, ids) {
                return Some(encoded);
            }
        }
        while self.cursor < self.next_sequence() {
            let sequence = self.cursor;
            self.cursor += 1;
            if let Some(encoded) = self.send(sequence, true, now, ids) {
                return Some(encoded);
            }
        }
        None
    }

    /// Returns when [`handle_timeout`](Outbound::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.online || self.cursor == self.first || !self.resend.is_empty() {
            return None;
        }
        match self.slots.front()? {
            Slot::InFlight { last_sent, .. } => Some(*last_sent + self.timer.timeout()),
            Slot::Queued { .. } | Slot::Acknowledged => None,
        }
    }

    /// Returns how many more bytes the producer may push; 0 when the window is full.
    pub fn capacity(&self) -> usize {
        if self.held_frames >= self.window.frames {
            return 0;
        }
        self.window.bytes.saturating_sub(self.held_bytes)
    }

    /// Returns how many bytes were pushed and never sent.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Says whether everything pushed was acknowledged.
    pub fn is_drained(&self) -> bool {
        self.held_frames == 0
    }

    /// Says whether everything pushed was sent on the present connection.
    pub fn is_sent(&self) -> bool {
        self.online && self.resend.is_empty() && self.cursor == self.next_sequence()
    }

    /// Returns the number that the next frame will get.
    pub fn next_sequence(&self) -> i64 {
        // A deque holds fewer than 2^63 entries, and no stream lives long enough to number that many frames.
        self.first + self.slots.len() as i64
    }

    /// Returns how many frames wait for acknowledgement.
    pub fn held_frames(&self) -> usize {
        self.held_frames
    }

    fn slot_mut(&mut self, sequence: i64) -> Option<&mut Slot> {
        let index = sequence.checked_sub(self.first)?;
        self.slots.get_mut(usize::try_from(index).ok()?)
    }

    fn release_acknowledged(&mut self) {
        while let Some(Slot::Acknowledged) = self.slots.front() {
            self.slots.pop_front();
            self.first += 1;
        }
        self.cursor = self.cursor.max(self.first);
    }

    /// Notes the sending of one frame; `None` when it was acknowledged meanwhile.
    fn send(
        &mut self,
        sequence: i64,
        first_on_connection: bool,
        now: Time,
        ids: &mut MessageIds,
    ) -> Option<Bytes> {
        let message_type = self.message_type;
        let slot = self.slot_mut(sequence)?;
        match slot {
            Slot::Acknowledged => None,
            Slot::InFlight {
                encoded,
                first_sent,
                last_sent,
                ..
            } => {
                if first_on_connection {
                    *first_sent = now.monotonic;
                }
                *last_sent = now.monotonic;
                Some(encoded.clone())
            }
            Slot::Queued {
                payload_type,
                payload,
            } => {
                let syn = message_type == MessageType::OutputStreamData && sequence == 0;
                let frame = Frame {
                    sequence,
                    flags: if syn { FLAG_SYN } else { 0 },
                    payload_type: *payload_type,
                    ..Frame::control(message_type, ids.next(), std::mem::take(payload), now)
                };
                let encoded = frame.encode();
                let payload_bytes = frame.payload.len();
                *slot = Slot::InFlight {
                    encoded: encoded.clone(),
                    payload_bytes,
                    first_sent: now.monotonic,
                    last_sent: now.monotonic,
                };
                self.unsent_bytes -= payload_bytes;
                Some(encoded)
            }
        }
    }
}

/// Furthest first number, which leaves more than any stream can use.
const MAX_START: i64 = 1 << 62;

/// Frames sent again by one timeout at most.
const MAX_GAPS: i64 = 256;
