//! What the relay records, and what it needs to know after a crash.

use bytes::Bytes;

use super::Outcome;
use super::frames::payload_type_of;
use crate::payload::Size;
use crate::wire::{Frame, PayloadType};

/// Numbers the appends of one core from 0, without gaps.
///
/// A core made by recovery starts again at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendId(pub u64);

/// Is one entry of a session's journal.
///
/// Input is never among them: of a client's frames only terminal sizes and handshake answers are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalRecord {
    /// An output frame as the node sent it. Records come in order of arrival; readers order them by `sequence`.
    Output {
        /// Its sequence number.
        sequence: i64,
        /// The whole frame.
        frame: Bytes,
    },
    /// A terminal size or handshake answer as the client sent it, in the node's numbering.
    Client {
        /// Its sequence number.
        sequence: i64,
        /// The whole frame.
        frame: Bytes,
    },
    /// Who owns the session's input, and how its numbering relates to the node's.
    Owner(Owner),
    /// How far both directions have come.
    Positions(Positions),
    /// How the session ended: what is left is to deliver its last output.
    Ending(Outcome),
}

/// Relates the owning client's numbering to the node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `ClientId` of the process.
    pub client_id: String,
    /// The node's sequence number for this client's input 0.
    pub input_base: i64,
    /// The node's sequence number for this client's output 0.
    pub output_base: i64,
}

/// Says how far both directions have come. A later record replaces an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// First output frame that the owner has not confirmed.
    pub cursor: i64,
    /// First input frame that the node has not acknowledged.
    pub input: i64,
    /// No input frame from this number on was ever sent to the node.
    pub input_reserved: i64,
    /// Number of the `HandshakeResponse` that was passed on; a second one would block AWS's agent for good.
    pub answer: Option<i64>,
    /// Facts that survive a crash.
    pub facts: Facts,
}

/// Remembers what has happened once and does not happen again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The node was asked to start.
    pub start_requested: bool,
    /// The node has opened its data channel.
    pub node_seen: bool,
    /// The owner's session handler takes output.
    pub handler_ready: bool,
    /// The node has sent `HandshakeRequest`.
    pub handshake_requested: bool,

    /// The node has sent `HandshakeComplete`.
    pub handshake_complete: bool,
    /// The node was asked to start for a client that sends keys, as AWS's plugin does, and takes the session's input for keys
    /// whoever sends it.
    pub input_is_keys: bool,
}

impl Facts {
    /// Learns from an output frame that arrived.
    pub(super) fn note_output(&mut self, payload_type: PayloadType) {
        self.node_seen = true;
        self.handshake_requested |= payload_type == PayloadType::HandshakeRequest;
        self.handshake_complete |= payload_type == PayloadType::HandshakeComplete;
    }
}

/// Is an output frame that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalFrame {
    /// Its sequence number.
    pub sequence: i64,
    /// The whole frame as the node sent it.
    pub bytes: Bytes,
}

/// Gathers what the journal of an interrupted session says.
///
/// Start from the default and [`absorb`](Recovered::absorb) every durable record in the order it was appended.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    pub(super) output: super::SequenceSet,
    /// Sum of frame lengths per span of sequence numbers: where the cursor stands is only known at the last record.
    span_bytes: Vec<u64>,
    pub(super) owner: Option<Owner>,
    pub(super) positions: Positions,
    pub(super) last_size: Option<Size>,
    pub(super) handshake_end: i64,
    pub(super) ending: Option<Outcome>,
    /// The handshake answer, in the node's numbering.
    pub(super) answer: Option<(i64, Bytes)>,
}

impl Recovered {
    /// Takes the next durable record into account.
    pub fn absorb(&mut self, record: &JournalRecord) {
        match record {
            JournalRecord::Output { sequence, frame } => self.absorb_output(*sequence, frame),
            JournalRecord::Client { sequence, frame } => self.absorb_client(*sequence, frame),
            JournalRecord::Owner(owner) => self.absorb_owner(owner),
            JournalRecord::Positions(positions) => self.positions = *positions,
            JournalRecord::Ending(outcome) => self.ending = Some(outcome.clone()),
        }
    }

    /// Returns the first output frame that is not on record.
    pub fn next_output(&self) -> i64 {
        self.output.next()
    }

    /// Returns how far both directions had come.
    pub fn positions(&self) -> Positions {
        self.positions
    }

    /// Says whether the session had begun to end, and that is on record.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// A change of owner moves the cursor at once; the positions that say so are recorded after it.
    fn absorb_owner(&mut self, owner: &Owner) {
        self.positions.cursor = owner.output_base;
        self.positions.input_reserved = self.positions.input_reserved.max(owner.input_base);
        self.positions.facts.handler_ready = false;
        self.owner = Some(owner.clone());
    }

    /// Sums the lengths of recorded frames from the cursor on, rounded up to whole spans.
    pub(super) fn unconfirmed_bytes(&self) -> u64 {
        let first = usize::try_from(self.positions.cursor / SPAN_FRAMES).unwrap_or(usize::MAX);
        self.span_bytes.iter().skip(first).sum()
    }

    /// Sums the lengths of all recorded frames.
    pub(super) fn total_bytes(&self) -> u64 {
        self.span_bytes.iter().sum()
    }

    fn absorb_output(&mut self, sequence: i64, frame: &Bytes) {
        if sequence < 0 || !self.output.insert(sequence) {
            return;
        }
        let span = usize::try_from(sequence / SPAN_FRAMES).unwrap_or(usize::MAX);
        if span >= self.span_bytes.len() && span < MOST_SPANS {
            self.span_bytes.resize(span + 1, 0);
        }
        if let Some(sum) = self.span_bytes.get_mut(span) {
            *sum += frame.len() as u64;
        }
        let payload_type = payload_type_of(frame);
        self.positions.facts.note_output(payload_type);
        if payload_type == PayloadType::HandshakeComplete {
            self.handshake_end = sequence + 1;
        }
    }

    fn absorb_client(&mut self, sequence: i64, bytes: &Bytes) {
        let Ok(frame) = Frame::decode(bytes.clone()) else {
            return;
        };
        match frame.payload_type {
            PayloadType::Size => self.last_size = Size::parse(&frame.payload).ok().or(self.last_size),
            PayloadType::HandshakeResponse => self.answer = Some((sequence, bytes.clone())),
            _ => {}
        }
    }
}

/// Sequence numbers whose frame lengths are summed together during recovery.
const SPAN_FRAMES: i64 = 256;

/// Spans that are kept, for 16 million frames; frames beyond do not count towards the lag.
const MOST_SPANS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::{Facts, JournalRecord, Owner, Positions, Recovered};

    #[test]
    fn a_change_of_owner_moves_the_cursor() {
        let mut recovered = Recovered::default();
        let facts = Facts {
            handler_ready: true,
            ..Facts::default()
        };
        recovered.absorb(&JournalRecord::Positions(Positions {
            cursor: 3,
            facts,
            ..Positions::default()
        }));
        let owner = Owner {
            client_id: "next".into(),
            input_base: 300,
            output_base: 0,
        };
        recovered.absorb(&JournalRecord::Owner(owner));
        assert_eq!(recovered.positions().cursor, 0);
        assert_eq!(recovered.positions().input_reserved, 300);
        assert!(!recovered.positions().facts.handler_ready);
    }
}
