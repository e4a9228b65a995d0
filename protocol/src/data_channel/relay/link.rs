//! One connection of one client, and what is sent on it when.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::frames::{Acknowledged, FrameWriter, payload_type_of};
use super::reader::{Next, Reader, WindowBounds};
use super::store::OutputStore;
use super::{ConnectionId, Effect, Limits, Timers};
use crate::wire::{MessageType, PayloadType};
use crate::{Capabilities, Time};

/// Is the present connection of a client or watcher.
#[derive(Debug)]
pub(super) struct ClientLink {
    pub(super) conn: ConnectionId,
    pub(super) capabilities: Option<Capabilities>,
    /// When a handler that was set up silently counts as ready.
    assume_handler_at: Option<Duration>,
    last_heard: Duration,
    next_ping_at: Duration,
    /// The ping without an answer.
    ping: Option<Ping>,
    /// Whether the client has ever answered: some proxies swallow pongs, and must not be cut off for it.
    answers_pings: bool,
    /// Until when nothing at all may be sent: AWS's plugin dies of anything that arrives while it sets up multiplexing.
    quiet_until: Option<Duration>,
    /// Input frames to acknowledge, in the client's numbering.
    acknowledgements: VecDeque<Acknowledged>,
    owed: BTreeSet<i64>,
    /// The frame that was acknowledged again last, and when.
    last_acknowledged: Option<(i64, Duration)>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    sending: u64,
    sent_at: Duration,
}

/// Is what delivery needs to know of the rest of the session.
pub(super) struct Surroundings<'a> {
    pub(super) store: &'a OutputStore,
    /// First output frame that has not arrived.
    pub(super) end: i64,
    pub(super) limits: &'a Limits,
    pub(super) timers: &'a Timers,
    /// Whether AWS's plugin must be left in peace after its handshake.
    pub(super) multiplexed: bool,
    /// Whether the client's handshake answer must be acknowledged before `HandshakeComplete` goes out.
    pub(super) answer_is_unacknowledged: bool,
}

/// Says that recorded output could not be read back.
#[derive(Debug)]
pub(super) struct OutputLost;

impl ClientLink {
    pub(super) fn new(
        conn: ConnectionId,
        capabilities: Option<Capabilities>,
        assume_handler_at: Option<Duration>,
        now: Time,
    ) -> ClientLink {
        ClientLink {
            conn,
            capabilities,
            assume_handler_at,
            last_heard: now.monotonic,
            // The first answer proves that the path carries pongs.
            next_ping_at: now.monotonic,
            ping: None,
            answers_pings: false,
            quiet_until: None,
            acknowledgements: VecDeque::new(),
            owed: BTreeSet::new(),
            last_acknowledged: None,
        }
    }

    /// Says whether this client shows what the server tells its person.
    pub(super) fn shows_notices(&self) -> bool {
        self.capabilities.is_some_and(|capabilities| capabilities.notices)
    }

    /// Says whether the client passes its standard input on byte for byte.
    pub(super) fn streams_input(&self) -> bool {
        self.capabilities
            .is_some_and(|capabilities| capabilities.end_of_input)
    }

    /// Says whether this is AWS's plugin, or another client that named no capabilities.
    pub(super) fn is_plain(&self) -> bool {
        self.capabilities.is_none()
    }

    pub(super) fn heard(&mut self, now: Time) {
        self.last_heard = now.monotonic;
    }

    /// Leaves the client in peace for a while.
    pub(super) fn keep_quiet(&mut self, until: Duration) {
        self.quiet_until = Some(until);
    }

    /// Learns that the client has finished setting up.
    pub(super) fn end_quiet(&mut self) {
        self.quiet_until = None;
    }

    pub(super) fn is_quiet(&self, now: Time) -> bool {
        self.quiet_until.is_some_and(|until| now.monotonic < until)
    }

    /// Owes the client an acknowledgement of its input.
    pub(super) fn acknowledge(&mut self, frame: Acknowledged, now: Time) {
        // AWS's plugin sends its oldest frame every 100 ms until the acknowledgement arrives, and answering each copy would
        // fill a slow path with the same answer.
        let just_said = self
            .last_acknowledged
            .is_some_and(|(sequence, at)| sequence == frame.sequence && now.monotonic < at + REPEAT_AFTER);
        if !just_said && self.acknowledgements.len() < MOST_OWED && self.owed.insert(frame.sequence) {
            self.acknowledgements.push_back(frame);
        }
    }

    /// Takes a pong.
    pub(super) fn ponged(&mut self, reader: &mut Reader, payload: &[u8], now: Time) {
        self.heard(now);
        self.answers_pings = true;
        let Some(ping) = self.ping.filter(|ping| ping.sending.to_be_bytes() == payload) else {
            return;
        };
        self.ping = None;
        reader.ping_answered(ping.sending);
    }

    /// Says whether the client, which used to answer pings, does not any more.
    pub(super) fn is_dead(&self, timers: &Timers, now: Time) -> bool {
        self.dead_at(timers).is_some_and(|at| now.monotonic >= at)
    }

    /// Sends whatever may be sent now.
    pub(super) fn deliver(
        &mut self,
        reader: &mut Reader,
        around: &Surroundings<'_>,
        frames: &mut FrameWriter,
        now: Time,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), OutputLost> {
        if self.is_quiet(now) {
            return Ok(());
        }
        self.send_acknowledgements(frames, now, effects);
        if self.assume_handler_at.is_some_and(|at| now.monotonic >= at) && reader.waits_for_handler() {
            reader.handler_is_ready();
        }
        for bytes in reader.resend_unjudged(now.monotonic) {
            effects.push_back(Effect::ToClient {
                conn: self.conn,
                bytes,
            });
        }
        if let Some(bytes) = reader.resend_oldest(now.monotonic, self.answers_pings) {
            let completes = self.completes_handshake(&bytes, around);
            effects.push_back(Effect::ToClient {
                conn: self.conn,
                bytes,
            });
            if completes {
                self.keep_quiet(now.monotonic + around.timers.quiet_after_handshake);
                return Ok(());
            }
        }
        self.send_output(reader, around, now, effects)?;
        self.ping_if_useful(reader, around.timers, now, effects);
        Ok(())
    }

    /// Returns when [`deliver`](ClientLink::deliver) or [`is_dead`](ClientLink::is_dead) will have something new to say.
    pub(super) fn poll_timeout(&self, reader: &Reader, timers: &Timers, now: Time) -> Option<Duration> {
        if self.is_quiet(now) {
            return self.quiet_until;
        }
        [
            Some(self.next_ping_at).filter(|_| self.ping.is_none()),
            self.dead_at(timers),
            self.resend_at(reader),
            self.assume_handler_at
                .filter(|at| *at > now.monotonic && reader.waits_for_handler()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn send_acknowledgements(&mut self, frames: &mut FrameWriter, now: Time, effects: &mut VecDeque<Effect>) {
        self.owed.clear();
        let cumulative = self
            .capabilities
            .is_some_and(|capabilities| capabilities.cumulative_ack);
        if cumulative {
            // Acknowledgements are owed in order from the first frame on, so the furthest one stands for all.
            let furthest = self.acknowledgements.drain(..).max_by_key(|frame| frame.sequence);
            self.acknowledgements.extend(furthest);
        }
        for frame in self.acknowledgements.drain(..) {
            self.last_acknowledged = Some((frame.sequence, now.monotonic));
            let bytes = frames.acknowledge(MessageType::InputStreamData, frame, cumulative, now);
            effects.push_back(Effect::ToClient {
                conn: self.conn,
                bytes,
            });
        }
    }

    fn send_output(
        &mut self,
        reader: &mut Reader,
        around: &Surroundings<'_>,
        now: Time,
        effects: &mut VecDeque<Effect>,
    ) -> Result<(), OutputLost> {
        let bounds = WindowBounds {
            bytes: around.limits.client_window_bytes,
            frames: match self.capabilities {
                Some(_) => around.limits.client_window_frames,
                None => around.limits.plain_window_frames,
            },
        };
        loop {
            match reader.next(around.store, around.end, bounds) {
                Next::Frame(bytes) => {
                    let completes = self.completes_handshake(&bytes, around);
                    if completes && around.answer_is_unacknowledged {
                        return Ok(());
                    }
                    let bytes = reader.send(bytes, now.monotonic);
                    effects.push_back(Effect::ToClient {
                        conn: self.conn,
                        bytes,
                    });
                    if completes {
                        self.keep_quiet(now.monotonic + around.timers.quiet_after_handshake);
                        return Ok(());
                    }
                }
                Next::Read(from_sequence) => {
                    let max_bytes = around.limits.journal_read_bytes;
                    effects.push_back(Effect::ReadJournal {
                        reader: self.conn,
                        from_sequence,
                        max_bytes,
                    });
                    return Ok(());
                }
                Next::Wait => return Ok(()),
                Next::Lost => return Err(OutputLost),
            }
        }
    }

    /// Says whether the client must be left in peace once it has this frame.
    fn completes_handshake(&self, bytes: &Bytes, around: &Surroundings<'_>) -> bool {
        around.multiplexed && self.is_plain() && payload_type_of(bytes) == PayloadType::HandshakeComplete
    }

    fn ping_if_useful(
        &mut self,
        reader: &mut Reader,
        timers: &Timers,
        now: Time,
        effects: &mut VecDeque<Effect>,
    ) {
        if self.ping.is_some() || (now.monotonic < self.next_ping_at && !reader.wants_ping(now.monotonic)) {
            return;
        }
        let sending = reader.ping_sent();
        self.ping = Some(Ping {
            sending,
            sent_at: now.monotonic,
        });
        self.next_ping_at = now.monotonic + timers.client_ping_every;
        let payload = Bytes::copy_from_slice(&sending.to_be_bytes());
        effects.push_back(Effect::PingClient {
            conn: self.conn,
            payload,
        });
    }

    /// Returns when the oldest frame is due, unless its resend waits for the answer to a ping that is under way.
    fn resend_at(&self, reader: &Reader) -> Option<Duration> {
        let asks = self.answers_pings && self.ping.is_some();
        reader
            .resend_at(self.answers_pings)
            .filter(|_| !asks || reader.is_refused())
    }

    fn dead_at(&self, timers: &Timers) -> Option<Duration> {
        let ping = self.ping.filter(|_| self.answers_pings)?;
        Some(ping.sent_at.max(self.last_heard) + timers.client_pong_within)
    }
}

/// How long the same acknowledgement is not repeated: the slowest resend of either program.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// Acknowledgements owed at most while a client is left in peace; what is forgotten is asked for again.
const MOST_OWED: usize = 16_384;
