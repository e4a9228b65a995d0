//! The relay between the two ends of one session: a receiver towards the node, an independent sender towards each client.
//!
//! ```text
//!            frames                      durable                     window, resends
//!   node ─────────────▶ intake ──▶ Append ─ ─ ─ ─▶ acknowledge   ┌──▶ owner    (may type)
//!        ◀─────────────          └───────▶ output store ─────────┼──▶ watcher  (looks)
//!          acks, input                     (tail, journal reads) └──▶ watcher
//! ```
//!
//! Calling order: hand in whatever happened with one `handle_*` method, then carry out [`RelayCore::poll_effect`] until it is
//! `None`, then sleep until the next event or [`RelayCore::poll_timeout`]. After [`Effect::Ended`] every method does nothing.
//!
//! An acknowledgement is a promise, so each leaves only when what it promises survives a crash of this server: towards the
//! node when a recorded frame is durable (or, of a tunnel, when the client has it and that fact is durable), towards a client
//! when the node has its input and that fact is durable. Data itself never waits for the disk.
//!
//! What arrives from a peer is checked before anything else; whatever breaks a rule is counted in [`Faults`], changes nothing
//! and is not acknowledged.

mod clients;
mod config;
mod effect;
mod ending;
mod farewell;
mod faults;
mod flow_log;
mod frames;
mod input;
mod intake;
mod journal;
mod link;
mod messages;
mod node_link;
mod nodes;
mod owner;
mod reader;
mod record_format;
mod recorder;
mod sequence_set;
mod settle;
mod stage;
mod store;
mod time_limits;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::payload::{HandshakeResponse, Size, TaskComplete};
use crate::wire::Frame;
use crate::{MessageIds, Time};

pub use config::{Limits, RelayConfig, SessionKind, Timers};
pub use effect::{
    AttachKind, ClientAttachment, ConnectionId, Effect, EndCause, Outcome, Position, RelayState,
    WatcherAttachment,
};
pub use faults::Faults;
pub use flow_log::{FlowReport, MOST_FLOWS};
pub use journal::{AppendId, Facts, JournalFrame, JournalRecord, Owner, Positions, Recovered};

use clients::Watcher;
use flow_log::FlowLog;
use frames::FrameWriter;
use input::Input;
use intake::Intake;
use node_link::NodeLink;
use reader::Reader;
use recorder::Recorder;
use sequence_set::SequenceSet;
use settle::Ledger;
use stage::Stage;
use store::OutputStore;
use time_limits::TimeLimits;

/// Relays one session.
#[derive(Debug)]
pub struct RelayCore {
    config: RelayConfig,
    frames: FrameWriter,
    faults: Faults,
    effects: VecDeque<Effect>,
    stage: Stage,
    node: NodeLink,
    intake: Intake,
    store: OutputStore,
    owner: owner::Owner,
    watchers: BTreeMap<ConnectionId, Watcher>,
    input: Input,
    recorder: Recorder,
    ledger: Ledger,
    /// Number of the handshake answer that was passed on.
    answer: Option<i64>,
    /// The data key that it carried, wrapped.
    wrapped_key: Option<Vec<u8>>,
    /// That answer as it was recorded, if another relay passed it on: it may not have reached the node.
    recorded_answer: Option<(i64, Bytes)>,
    /// First output frame behind the handshake; 0 without one.
    handshake_end: i64,
    /// Furthest output frame for which there was no room: the node will send it again.
    refused: i64,
    last_size: Size,
    limits: TimeLimits,
    flow_log: FlowLog,
    state: RelayState,
    now: Time,
}

impl RelayCore {
    /// Starts the relay of a session that has just been authorized.
    pub fn new(config: RelayConfig, ids: MessageIds, now: Time) -> RelayCore {
        let deadline = now.monotonic + config.timers.first_client_within;
        let mut core = RelayCore {
            frames: FrameWriter::new(ids),
            faults: Faults::default(),
            effects: VecDeque::new(),
            stage: Stage::AwaitingClient { deadline },
            node: NodeLink::default(),
            intake: Intake::default(),
            store: OutputStore::default(),
            owner: owner::Owner::nobody(),
            watchers: BTreeMap::new(),
            input: Input::new(!config.kind.is_port()),
            recorder: Recorder::default(),
            ledger: Ledger::default(),
            answer: None,
            wrapped_key: None,
            recorded_answer: None,
            handshake_end: 0,
            refused: -1,
            last_size: Size::WITHOUT_TERMINAL,
            limits: TimeLimits::new(now),
            flow_log: FlowLog::new(config.kind, now),
            state: RelayState::Connecting,
            now,
            config,
        };
        core.settle(now);
        core
    }

    /// Goes on with a session that another relay left behind, once all its durable records were absorbed.
    pub fn recover(config: RelayConfig, recovered: Recovered, ids: MessageIds, now: Time) -> RelayCore {
        let mut core = RelayCore::new(config, ids, now);
        core.effects.clear();
        core.recorder = Recorder::default();
        core.resume_from(recovered, now);
        core.settle(now);
        core
    }

    /// Takes a client whose token was accepted as the session's owner; an older connection is closed.
    pub fn handle_client_connected(&mut self, client: ClientAttachment, now: Time) {
        if !self.stage.is_over() {
            self.client_connected(client, now);
            self.settle(now);
        }
    }

    /// Takes a watcher whose token was accepted.
    pub fn handle_watcher_connected(&mut self, watcher: WatcherAttachment, now: Time) {
        if !self.stage.is_over() {
            self.watcher_connected(watcher, now);
            self.settle(now);
        }
    }

    /// Takes a binary message from a client or watcher.
    pub fn handle_client_message(&mut self, conn: ConnectionId, message: Bytes, now: Time) {
        if !self.stage.is_over() {
            self.client_message(conn, message, now);
            self.settle(now);
        }
    }

    /// Takes a pong from a client or watcher.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what arrived is handed over like every other message"
    )]
    pub fn handle_client_pong(&mut self, conn: ConnectionId, payload: Bytes, now: Time) {
        if !self.stage.is_over() {
            self.client_pong(conn, &payload, now);
            self.settle(now);
        }
    }

    /// Notes that the connection of a client or watcher is gone.
    pub fn handle_client_disconnected(&mut self, conn: ConnectionId, now: Time) {
        if !self.stage.is_over() {
            self.client_disconnected(conn, now);
            self.settle(now);
        }
    }

    /// Takes a data channel that the node has opened; an older one is closed.
    pub fn handle_node_connected(&mut self, conn: ConnectionId, now: Time) {
        if !self.stage.is_over() {
            self.node_connected(conn, now);
            self.settle(now);
        }
    }

    /// Takes a binary message from the node's data channel.
    pub fn handle_node_message(&mut self, conn: ConnectionId, message: Bytes, now: Time) {
        if !self.stage.is_over() {
            self.node_message(conn, message, now);
            self.settle(now);
        }
    }

    /// Notes that the node's data channel is gone.
    pub fn handle_node_disconnected(&mut self, conn: ConnectionId, now: Time) {
        if self.node.conn() == Some(conn) && !self.stage.is_over() {
            self.node.disconnected(now.monotonic);
            self.settle(now);
        }
    }

    /// Takes the node's report, over its control channel, that the session is over there.
    pub fn handle_task_complete(&mut self, complete: &TaskComplete, now: Time) {
        if !self.stage.is_over() {
            self.task_completed(complete, now);
            self.settle(now);
        }
    }

    /// Notes that every append up to and including `through` survives a crash.
    pub fn handle_durable(&mut self, through: AppendId, now: Time) {
        if self.stage.is_over() {
            return;
        }
        while let Some(promise) = self.recorder.durable(through) {
            self.keep_promise(promise, now);
        }
        self.settle(now);
    }

    /// Takes the answer to [`Effect::ReadJournal`]: frames in order of sequence number from the one asked for on.
    ///
    /// Frames that were appended but are not durable may be left out. An answer without the frame asked for means that the
    /// journal has lost it, and ends the session for that reader.
    pub fn handle_journal_read(&mut self, reader: ConnectionId, frames: Vec<JournalFrame>, now: Time) {
        if !self.stage.is_over() {
            self.journal_read(reader, frames, now);
            self.settle(now);
        }
    }

    /// Notes that the journal cannot be written any more, because of `reason`.
    ///
    /// Ends the session, or goes on without recording where its configuration says so.
    pub fn handle_journal_failed(&mut self, reason: &str, now: Time) {
        if !self.stage.is_over() {
            self.journal_failed(reason, now);
            self.settle(now);
        }
    }

    /// Ends the session from this side; clients are shown `output`.
    pub fn terminate(&mut self, cause: EndCause, output: &str, now: Time) {
        if !self.stage.is_over() {
            self.begin_end(cause, output.to_owned(), None, now);
            self.settle(now);
        }
    }

    /// Notes that this server stops while the session goes on: the next one takes it up from the journal.
    ///
    /// What it knows of a tunnel's connections is told. The core must not be used any more.
    pub fn handle_server_stopping(&mut self, now: Time) {
        if !self.stage.is_over() {
            self.report_interrupted_flows(now);
        }
    }

    /// Does whatever is due.
    pub fn handle_timeout(&mut self, now: Time) {
        if !self.stage.is_over() {
            self.settle(now);
        }
    }

    /// Returns the next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns when [`RelayCore::handle_timeout`] wants to be called, on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.next_deadline()
    }

    /// Says whether the owner's socket should not be read for now: the node is behind with its input.
    ///
    /// Never while the node is held back or the session is ending: what frees the one and lets the other end are
    /// acknowledgements, and they stand behind that input.
    pub fn client_input_paused(&self) -> bool {
        let behind = self.input.bytes() > self.config.limits.input_bytes;
        behind && !self.node.is_paused() && self.stage.is_live()
    }

    /// Says whether the node's socket should not be read for now: the journal is behind.
    pub fn node_output_paused(&self) -> bool {
        self.recorder.unsynced_bytes() > self.config.limits.unsynced_bytes
    }

    /// Returns the bytes of frames held in memory; sent and unconfirmed ones not counted.
    pub fn held_bytes(&self) -> usize {
        self.store.bytes() + self.input.bytes()
    }

    /// Returns the data key of an encrypted session as its client wrapped it; `None` while no client has.
    pub fn wrapped_data_key(&self) -> Option<Vec<u8>> {
        self.wrapped_key.clone()
    }

    /// Returns what peers did wrong so far.
    pub fn faults(&self) -> Faults {
        self.faults
    }

    /// Takes over what the journal says of a session.
    fn resume_from(&mut self, recovered: Recovered, now: Time) {
        let positions = recovered.positions;
        let recorded = self.config.kind.is_recorded();
        let arrived = if recorded {
            recovered.output.clone()
        } else {
            SequenceSet::below(positions.cursor)
        };
        let cursor = positions.cursor.min(arrived.next());
        let unconfirmed = if recorded {
            recovered.unconfirmed_bytes()
        } else {
            0
        };
        self.intake = Intake::recovered(arrived, recovered.total_bytes());
        let output_base = recovered.owner.as_ref().map_or(0, |owner| owner.output_base);
        let input_base = recovered.owner.as_ref().map_or(0, |owner| owner.input_base);
        self.owner.reader =
            Reader::recovered(output_base, cursor, unconfirmed, positions.facts.handler_ready);
        self.owner.identity = recovered.owner;
        self.owner.presence = owner::Presence::Gone { since: Some(now) };
        self.last_size = recovered.last_size.unwrap_or(self.last_size);
        let recorded_answer = recovered.answer.as_ref().map(|(sequence, _)| *sequence);
        self.answer = positions.answer.or(recorded_answer);
        self.wrapped_key = recovered
            .answer
            .as_ref()
            .and_then(|(_, bytes)| wrapped_key(bytes));
        self.recorded_answer = recovered.answer;
        self.handshake_end = recovered.handshake_end;
        let reserved = if self.config.kind.is_port() {
            i64::MAX
        } else {
            positions.input_reserved
        };
        self.input = Input::recovered(positions.input, reserved, false);
        // Input of an earlier owner that nobody will send again.
        self.fill_input(positions.input..input_base, now);
        self.ledger = Ledger::recovered(positions);
        if positions.facts.handshake_complete {
            self.flow_log = FlowLog::resumed(self.config.kind, now);
        }
        if positions.facts.node_seen {
            self.stage = Stage::Running { since: now.monotonic };
            self.node.gone_since = Some(now.monotonic);
            self.state = RelayState::Disconnected;
            if recovered.ending.is_none() {
                self.effects.push_back(Effect::StateChanged(self.state));
            }
        } else if positions.facts.start_requested {
            self.stage = self.starting(now);
        }
        if let Some(outcome) = recovered.ending {
            self.resume_end(outcome, now);
        }
    }

    /// Puts harmless frames in the place of input that is lost, except for the handshake answer, which is on record.
    fn fill_input(&mut self, numbers: std::ops::Range<i64>, now: Time) {
        for sequence in numbers {
            let bytes = match &self.recorded_answer {
                Some((answer, bytes)) if *answer == sequence => bytes.clone(),
                _ => self.frames.filler(sequence, self.last_size, now),
            };
            self.input.fill(sequence, bytes);
        }
    }

    fn starting(&self, now: Time) -> Stage {
        Stage::Starting {
            deadline: now.monotonic + self.config.timers.start_within,
            ask_again_at: now.monotonic + self.config.timers.start_again_every,
        }
    }

    /// Says whether the node may forget a frame once a client has it, and not before.
    fn acknowledges_on_delivery(&self) -> bool {
        !self.config.kind.is_recorded() || self.recorder.has_failed()
    }
}

/// Returns the wrapped data key in a frame with a handshake answer.
fn wrapped_key(answer: &Bytes) -> Option<Vec<u8>> {
    let frame = Frame::decode(answer.clone()).ok()?;
    HandshakeResponse::parse(&frame.payload).ok()?.wrapped_key()
}
