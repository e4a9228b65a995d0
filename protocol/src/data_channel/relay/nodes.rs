//! What the node does.

use bytes::Bytes;

use super::frames::Acknowledged;
use super::intake::Placement;
use super::recorder::Promise;
use super::stage::Stage;
use super::{ConnectionId, Effect, EndCause, JournalRecord, RelayCore};
use crate::Time;
use crate::encryption;
use crate::payload::{self, Acknowledge, AgentSessionState, SessionState, TaskComplete, TaskStatus};
use crate::wire::{Frame, MessageType, PayloadType};

impl RelayCore {
    pub(super) fn node_connected(&mut self, conn: ConnectionId, now: Time) {
        if let Some(old) = self.node.connected(conn) {
            self.effects.push_back(Effect::CloseNode { conn: old });
        }
        self.intake.connected(self.node_takes_cumulative());
        self.input.node_connected();
        self.ledger.facts.node_seen = true;
        self.ledger.facts.start_requested = true;
        if let Stage::AwaitingClient { .. } | Stage::Starting { .. } = self.stage {
            self.limits.moved(now);
            self.stage = Stage::Running { since: now.monotonic };
        }
    }

    pub(super) fn node_message(&mut self, conn: ConnectionId, message: Bytes, now: Time) {
        if self.node.conn() != Some(conn) {
            self.faults.stale_connection += 1;
            return;
        }
        let Some(frame) = self.read_frame(&message) else {
            return;
        };
        match frame.message_type {
            MessageType::OutputStreamData => self.node_output(&frame, message, now),
            MessageType::Acknowledge => {
                let Ok(acknowledge) = Acknowledge::parse(&frame.payload) else {
                    self.faults.bad_payload += 1;
                    return;
                };
                let (sequence, cumulative) = (acknowledge.sequence, acknowledge.cumulative);
                if !self.input.node_acknowledged(sequence, cumulative, now.monotonic) {
                    self.faults.unknown_acknowledgement += 1;
                }
            }
            MessageType::AgentSessionState => match payload::parse::<AgentSessionState>(&frame.payload) {
                Ok(report) if report.session_state == SessionState::Terminating => {
                    self.begin_end_in_order(report.exit_code, now);
                }
                Ok(_) => {}
                Err(_) => self.faults.bad_payload += 1,
            },
            other => self.count_unexpected(other),
        }
    }

    pub(super) fn task_completed(&mut self, complete: &TaskComplete, now: Time) {
        let output = complete.output.clone();
        match (&self.stage, &complete.final_task_status) {
            (Stage::Lingering(_), _) => self.node_is_done(now),
            (_, TaskStatus::Success | TaskStatus::Cancelled) => {
                self.begin_end(EndCause::Finished, output, None, now);
            }
            (_, TaskStatus::Failed | TaskStatus::TimedOut | TaskStatus::Unknown(_)) => {
                self.begin_end(EndCause::Failed, output, None, now);
            }
        }
    }

    pub(super) fn node_takes_cumulative(&self) -> bool {
        self.config.node.is_some_and(|node| node.cumulative_ack)
    }

    fn node_output(&mut self, frame: &Frame, message: Bytes, now: Time) {
        let place = Acknowledged {
            sequence: frame.sequence,
            message_id: frame.message_id,
        };
        match self.intake.place(frame.sequence, self.config.limits.frames_ahead) {
            Placement::OutOfRange => self.faults.out_of_range += 1,
            Placement::Promised => {
                let cumulative = self.node_takes_cumulative();
                self.intake.duplicate(place, cumulative);
            }
            Placement::Pending => {}
            Placement::Fresh if self.is_in_the_clear(frame.payload_type) => {
                self.refuse_in_the_clear(place.sequence, now);
            }
            Placement::Fresh if !self.has_room_for(place.sequence, message.len()) => {
                self.faults.no_room += 1;
                self.refused = self.refused.max(place.sequence);
            }
            Placement::Fresh => self.keep_output(place, frame.payload_type, message, now),
        }
    }

    /// Says whether what a node says is a user's, and not encrypted although its session must be.
    fn is_in_the_clear(&self, payload_type: PayloadType) -> bool {
        let has_key = self.ledger.facts.handshake_complete && self.wrapped_key.is_some();
        self.config.encrypted && !has_key && encryption::is_of_users(payload_type)
    }

    /// Ends the session, once it is certain that the end of the handshake is not on its way: it may have been lost with a
    /// connection, and is sent again then, as this will be, which is not acknowledged.
    fn refuse_in_the_clear(&mut self, sequence: i64, now: Time) {
        self.faults.in_the_clear += 1;
        if sequence == self.intake.next() {
            self.begin_end(EndCause::Failed, NOT_ENCRYPTED.to_owned(), None, now);
        }
    }

    fn keep_output(&mut self, place: Acknowledged, payload_type: PayloadType, bytes: Bytes, now: Time) {
        let first = self.intake.next();
        let grown = self.intake.arrived(place.sequence, &bytes);
        self.owner.reader.grown(grown);
        self.note_output(payload_type, now);
        self.ledger.facts.note_output(payload_type);
        if payload_type == PayloadType::HandshakeComplete {
            self.handshake_end = place.sequence + 1;
            self.handshake_completed(now);
        }
        self.store.insert(place, bytes.clone());
        self.watch_output(first, now);
        if self.config.kind.is_recorded() && !self.recorder.has_failed() {
            let record = JournalRecord::Output {
                sequence: place.sequence,
                frame: bytes,
            };
            self.append(record, Promise::Output(place), now);
            self.ledger.output_appended = true;
        }
    }

    fn handshake_completed(&mut self, now: Time) {
        // The node has accepted the client's answer, whatever becomes of its acknowledgement: AWS's plugin must have that
        // before `HandshakeComplete`, and nothing afterwards.
        if let Some(answer) = self.answer {
            self.input.node_processed(answer);
        }
        if self.config.node.is_none() {
            self.node
                .gate_input(now.monotonic + self.config.timers.input_grace);
        }
    }

    /// Says whether a frame may be kept. Without room it is not acknowledged, so the node sends it again.
    fn has_room_for(&self, sequence: i64, length: usize) -> bool {
        let limits = &self.config.limits;
        let bytes = self.store.bytes() + length;
        if !self.acknowledges_on_delivery() {
            // A node that was told to pause stops long before this; one that does not must not fill the journal.
            let lags = self.owner.reader.unconfirmed() > limits.detached_bytes * 2;
            // The shell stops reading at half of this.
            return !lags && self.recorder.unsynced_bytes() + length <= limits.unsynced_bytes * 2;
        }
        // Half of the room is for the frame that everything ahead of it waits for.
        let is_next = sequence == self.intake.next();
        bytes
            <= if is_next {
                limits.undelivered_bytes
            } else {
                limits.undelivered_bytes / 2
            }
    }
}

/// Tells the client, and the session's record, why there is no session.
const NOT_ENCRYPTED: &str =
    "The agent of the managed node does not encrypt the session, as its document demands, so it was ended.";
