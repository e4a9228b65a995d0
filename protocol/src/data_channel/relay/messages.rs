//! What clients and watchers say.

use bytes::Bytes;

use super::frames::Acknowledged;
use super::input::{Arrival, is_ordinary};
use super::owner::Presence;
use super::recorder::Promise;
use super::{ConnectionId, Effect, EndCause, JournalRecord, RelayCore};
use crate::Time;
use crate::payload::{Acknowledge, HandshakeResponse, Size};
use crate::wire::{DecodeError, Frame, MessageType, PayloadType, with_sequence};

impl RelayCore {
    pub(super) fn owner_message(&mut self, message: Bytes, now: Time) {
        let Some(frame) = self.read_frame(&message) else {
            return;
        };
        match frame.message_type {
            MessageType::InputStreamData => self.owner_input(&frame, message, now),
            MessageType::Acknowledge => {
                let Ok(acknowledge) = Acknowledge::parse(&frame.payload) else {
                    self.faults.bad_payload += 1;
                    return;
                };
                let (sequence, cumulative) = (acknowledge.sequence, acknowledge.cumulative);
                if !self
                    .owner
                    .reader
                    .acknowledged(sequence, cumulative, now.monotonic)
                {
                    self.faults.unknown_acknowledgement += 1;
                }
            }
            MessageType::ChannelClosed if self.owner.link().is_some_and(|link| !link.is_plain()) => {
                self.owner.said_goodbye = true;
                self.begin_end(EndCause::ClientLeft, String::new(), None, now);
            }
            other => self.count_unexpected(other),
        }
    }

    fn owner_input(&mut self, frame: &Frame, message: Bytes, now: Time) {
        let base = self.owner.input_base();
        let Some(sequence) = frame
            .sequence
            .checked_add(base)
            .filter(|sequence| *sequence >= base)
        else {
            self.faults.out_of_range += 1;
            return;
        };
        if is_ordinary(&message) && self.input.is_in_range(sequence) {
            self.owner.reader.handler_is_ready();
            if let Presence::Here(link) = &mut self.owner.presence {
                link.end_quiet();
            }
        }
        if !self.stage.is_live() {
            return;
        }
        if self.is_unclear_answer(frame, sequence) {
            self.faults.unclear_answer += 1;
            return self.begin_end(EndCause::Terminated, UNCLEAR_ANSWER.to_owned(), None, now);
        }
        let bytes = self.input_for_node(frame, sequence, message, now);
        let place = Acknowledged {
            sequence,
            message_id: frame.message_id,
        };
        // Beyond the soft bound the shell stops reading, so only what was already on its way needs this room.
        let most_bytes = self.config.limits.input_bytes * 2;
        let first = self.input.next();
        match self.input.receive(place, bytes.clone(), most_bytes) {
            Arrival::Taken => {
                self.note_input(frame, now);
                self.watch_input(first, now);
                self.record_input(frame, sequence, bytes, now);
            }
            Arrival::Released => {
                if let Presence::Here(link) = &mut self.owner.presence {
                    let place = Acknowledged {
                        sequence: frame.sequence,
                        message_id: frame.message_id,
                    };
                    link.acknowledge(place, now);
                }
            }
            Arrival::Pending => {}
            Arrival::OutOfRange => self.faults.out_of_range += 1,
            Arrival::NoRoom => self.faults.no_room += 1,
        }
    }

    /// Returns what the node is sent for a frame of the owner: the same bytes, unless they would do harm.
    fn input_for_node(&mut self, frame: &Frame, sequence: i64, message: Bytes, now: Time) -> Bytes {
        if frame.payload_type == PayloadType::HandshakeResponse {
            if !self.is_wanted_answer(sequence) {
                self.faults.unasked_answer += 1;
                return self.frames.filler(sequence, self.last_size, now);
            }
            self.answer = Some(sequence);
            if self.config.encrypted && self.wrapped_key.is_none() {
                self.wrapped_key = super::wrapped_key(&message);
            }
        }
        with_sequence(message, sequence)
    }

    /// Says whether a handshake answer with this number is the one that the node waits for.
    fn is_wanted_answer(&self, sequence: i64) -> bool {
        // A relay that crashed may have passed the request on and forgotten it; the client would not answer without one.
        let asked = self.ledger.facts.handshake_requested || !self.input.is_certain();
        // It may also have forgotten which answer the node has accepted; it has accepted one.
        let is_the_one = match self.answer {
            Some(answer) => answer == sequence,
            None => !self.ledger.facts.handshake_complete,
        };
        asked && is_the_one
    }

    /// Says whether a frame would leave open which data key the session has.
    fn is_unclear_answer(&self, frame: &Frame, sequence: i64) -> bool {
        let is_answer =
            frame.payload_type == PayloadType::HandshakeResponse && self.is_wanted_answer(sequence);
        is_answer && self.config.encrypted && !HandshakeResponse::is_clear(&frame.payload)
    }

    /// Records what is kept of input: sizes and handshake answers, which carry the wrapped data key.
    fn record_input(&mut self, frame: &Frame, sequence: i64, bytes: Bytes, now: Time) {
        if frame.payload_type == PayloadType::Size {
            self.last_size = Size::parse(&frame.payload).unwrap_or(self.last_size);
        }
        let kept = matches!(
            frame.payload_type,
            PayloadType::Size | PayloadType::HandshakeResponse | PayloadType::EncChallengeResponse
        );
        if kept && self.config.kind.is_recorded() {
            self.append(
                JournalRecord::Client {
                    sequence,
                    frame: bytes,
                },
                Promise::Nothing,
                now,
            );
        }
    }

    pub(super) fn watcher_message(&mut self, conn: ConnectionId, message: &Bytes, now: Time) {
        let Some(frame) = self.read_frame(message) else {
            return;
        };
        let Some(watcher) = self.watchers.get_mut(&conn) else {
            return;
        };
        watcher.link.heard(now);
        match frame.message_type {
            MessageType::Acknowledge => {
                let known = Acknowledge::parse(&frame.payload).is_ok_and(|acknowledge| {
                    watcher
                        .reader
                        .acknowledged(acknowledge.sequence, acknowledge.cumulative, now.monotonic)
                });
                if !known {
                    self.faults.unknown_acknowledgement += 1;
                }
            }
            MessageType::ChannelClosed => {
                self.watchers.remove(&conn);
                self.effects.push_back(Effect::CloseClient { conn });
            }
            MessageType::InputStreamData if watcher.link.is_plain() => {
                // Left unacknowledged, AWS's plugin would send it again for five minutes and then terminate the session.
                let place = Acknowledged {
                    sequence: frame.sequence,
                    message_id: frame.message_id,
                };
                watcher.link.acknowledge(place, now);
                watcher.reader.handler_is_ready();
                self.faults.watcher_input += 1;
            }
            _ => self.faults.watcher_input += 1,
        }
    }

    /// Reads a message, or counts what is wrong with it.
    pub(super) fn read_frame(&mut self, message: &Bytes) -> Option<Frame> {
        match Frame::decode(message.clone()) {
            Ok(frame) => return Some(frame),
            Err(DecodeError::TooLong { .. }) => self.faults.oversized += 1,
            Err(DecodeError::Digest) => self.faults.bad_digest += 1,
            Err(_) => self.faults.undecodable += 1,
        }
        None
    }

    pub(super) fn count_unexpected(&mut self, message_type: MessageType) {
        match message_type {
            MessageType::Unknown(_) => self.faults.unknown_type += 1,
            _ => self.faults.wrong_direction += 1,
        }
    }

    pub(super) fn append(&mut self, record: JournalRecord, promise: Promise, now: Time) {
        if let Some(promise) = self.recorder.append(record, promise, now, &mut self.effects) {
            self.keep_promise(promise, now);
        }
    }
}

/// Tells the client, and the session's record, why there is no session.
const UNCLEAR_ANSWER: &str =
    "The client's answer to the handshake leaves open which data key encrypts the session, so it was ended.";
