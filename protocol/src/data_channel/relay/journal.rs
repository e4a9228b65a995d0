//! What the relay records, and what it needs to know after a crash.

use bytes::{BufMut, Bytes, BytesMut};

use super::frames::payload_type_of;
use super::{EndCause, Outcome};
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

impl JournalRecord {
    /// Writes the record: one byte that names its kind, then its fields, integers big-endian.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            JournalRecord::Output { sequence, frame } => put_frame(&mut out, KIND_OUTPUT, *sequence, frame),
            JournalRecord::Client { sequence, frame } => put_frame(&mut out, KIND_CLIENT, *sequence, frame),
            JournalRecord::Owner(owner) => {
                out.put_u8(KIND_OWNER);
                out.put_i64(owner.input_base);
                out.put_i64(owner.output_base);
                out.put_slice(owner.client_id.as_bytes());
            }
            JournalRecord::Positions(positions) => {
                out.put_u8(KIND_POSITIONS);
                out.put_i64(positions.cursor);
                out.put_i64(positions.input);
                out.put_i64(positions.input_reserved);
                out.put_i64(positions.answer.unwrap_or(NO_ANSWER));
                out.put_u8(positions.facts.to_bits());
            }
            JournalRecord::Ending(outcome) => {
                out.put_u8(KIND_ENDING);
                out.put_i64(outcome.exit_code.map_or(NO_EXIT_CODE, i64::from));
                out.put_u8(cause_number(outcome.cause));
                out.put_slice(outcome.output.as_bytes());
            }
        }
        out.freeze()
    }

    /// Reads a record; `None` for anything that [`encode`](JournalRecord::encode) does not write.
    pub fn decode(mut bytes: Bytes) -> Option<JournalRecord> {
        let kind = *bytes.first()?;
        let first = i64_at(&bytes, 1)?;
        match kind {
            KIND_OUTPUT => Some(JournalRecord::Output {
                sequence: first,
                frame: bytes.split_off(9),
            }),
            KIND_CLIENT => Some(JournalRecord::Client {
                sequence: first,
                frame: bytes.split_off(9),
            }),
            KIND_OWNER => {
                let output_base = i64_at(&bytes, 9)?;
                let client_id = str::from_utf8(&bytes[17..]).ok()?.to_owned();
                Some(JournalRecord::Owner(Owner {
                    client_id,
                    input_base: first,
                    output_base,
                }))
            }
            KIND_POSITIONS => {
                let [bits] = *bytes.get(33..)? else { return None };
                Some(JournalRecord::Positions(Positions {
                    cursor: first,
                    input: i64_at(&bytes, 9)?,
                    input_reserved: i64_at(&bytes, 17)?,
                    answer: i64_at(&bytes, 25).filter(|answer| *answer != NO_ANSWER),
                    facts: Facts::from_bits(bits),
                }))
            }
            KIND_ENDING => Some(JournalRecord::Ending(Outcome {
                exit_code: i32::try_from(first).ok(),
                cause: cause_of(*bytes.get(9)?)?,
                output: str::from_utf8(&bytes[10..]).ok()?.to_owned(),
            })),
            _ => None,
        }
    }
}

impl Facts {
    /// Learns from an output frame that arrived.
    pub(super) fn note_output(&mut self, payload_type: PayloadType) {
        self.node_seen = true;
        self.handshake_requested |= payload_type == PayloadType::HandshakeRequest;
        self.handshake_complete |= payload_type == PayloadType::HandshakeComplete;
    }

    fn to_bits(self) -> u8 {
        u8::from(self.start_requested)
            | u8::from(self.node_seen) << 1
            | u8::from(self.handler_ready) << 2
            | u8::from(self.handshake_requested) << 3
            | u8::from(self.handshake_complete) << 4
    }

    fn from_bits(bits: u8) -> Facts {
        let bit = |place: u8| bits >> place & 1 == 1;
        Facts {
            start_requested: bit(0),
            node_seen: bit(1),
            handler_ready: bit(2),
            handshake_requested: bit(3),
            handshake_complete: bit(4),
        }
    }
}

fn put_frame(out: &mut BytesMut, kind: u8, sequence: i64, frame: &Bytes) {
    out.reserve(9 + frame.len());
    out.put_u8(kind);
    out.put_i64(sequence);
    out.put_slice(frame);
}

fn i64_at(bytes: &[u8], offset: usize) -> Option<i64> {
    bytes
        .get(offset..)?
        .first_chunk()
        .copied()
        .map(i64::from_be_bytes)
}

/// Stands for the absence of an answer; sequence numbers are not negative.
const NO_ANSWER: i64 = -1;

const KIND_OUTPUT: u8 = 1;
const KIND_CLIENT: u8 = 2;
const KIND_OWNER: u8 = 3;
const KIND_POSITIONS: u8 = 4;
const KIND_ENDING: u8 = 5;

/// Stands for the absence of an exit code, which has 32 bits.
const NO_EXIT_CODE: i64 = i64::MIN;

/// Numbers never change their meaning: recordings outlive versions.
const CAUSES: [(u8, EndCause); 11] = [
    (1, EndCause::Finished),
    (2, EndCause::Failed),
    (3, EndCause::Terminated),
    (4, EndCause::NoClient),
    (5, EndCause::StartTimeout),
    (6, EndCause::NodeLost),
    (7, EndCause::ClientLost),
    (8, EndCause::ClientLeft),
    (9, EndCause::Idle),
    (10, EndCause::MaxDuration),
    (11, EndCause::JournalFailed),
];

fn cause_number(cause: EndCause) -> u8 {
    CAUSES
        .iter()
        .find(|(_, other)| *other == cause)
        .map_or(0, |(number, _)| *number)
}

fn cause_of(number: u8) -> Option<EndCause> {
    CAUSES
        .iter()
        .find(|(other, _)| *other == number)
        .map(|(_, cause)| *cause)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{CAUSES, Facts, JournalRecord, Outcome, Owner, Positions, Recovered};

    fn samples() -> Vec<JournalRecord> {
        let facts = Facts {
            start_requested: true,
            handshake_complete: true,
            ..Facts::default()
        };
        let positions = Positions {
            cursor: 3,
            input: 5,
            input_reserved: 256,
            answer: Some(0),
            facts,
        };
        vec![
            JournalRecord::Output {
                sequence: 7,
                frame: Bytes::from_static(b"frame"),
            },
            JournalRecord::Client {
                sequence: 8,
                frame: Bytes::from_static(b""),
            },
            JournalRecord::Owner(Owner {
                client_id: "c-\u{e9}".into(),
                input_base: 4,
                output_base: 2,
            }),
            JournalRecord::Positions(positions),
            JournalRecord::Positions(Positions {
                answer: None,
                ..positions
            }),
        ]
    }

    fn endings() -> impl Iterator<Item = JournalRecord> {
        let ending = |exit_code, cause| {
            JournalRecord::Ending(Outcome {
                cause,
                output: "why".into(),
                exit_code,
            })
        };
        CAUSES
            .iter()
            .flat_map(move |(_, cause)| [ending(None, *cause), ending(Some(-1), *cause)])
    }

    #[test]
    fn every_record_reads_back() {
        for record in samples().into_iter().chain(endings()) {
            assert_eq!(JournalRecord::decode(record.encode()), Some(record));
        }
    }

    #[test]
    fn cut_records_never_panic() {
        for record in samples().into_iter().chain(endings()) {
            let whole = record.encode();
            for length in 0..whole.len() {
                let cut = JournalRecord::decode(whole.slice(..length));
                assert_ne!(cut, Some(record.clone()));
            }
        }
        assert_eq!(JournalRecord::decode(Bytes::from_static(&[9; 40])), None);
    }

    #[test]
    fn layout_is_frozen() {
        let positions = JournalRecord::Positions(Positions {
            cursor: 1,
            input: 2,
            ..Positions::default()
        });
        let expected = "0400000000000000010000000000000002\
                        0000000000000000ffffffffffffffff00";
        assert_eq!(hex::encode(positions.encode()), expected);
    }

    #[test]
    fn a_change_of_owner_moves_the_cursor() {
        let mut recovered = Recovered::default();
        for record in samples() {
            recovered.absorb(&record);
        }
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
