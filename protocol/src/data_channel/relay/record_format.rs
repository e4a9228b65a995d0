//! How journal records are written down.

use bytes::{BufMut, Bytes, BytesMut};

use super::{EndCause, Facts, JournalRecord, Outcome, Owner, Positions};

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
    fn to_bits(self) -> u8 {
        u8::from(self.start_requested)
            | u8::from(self.node_seen) << 1
            | u8::from(self.handler_ready) << 2
            | u8::from(self.handshake_requested) << 3
            | u8::from(self.handshake_complete) << 4
            | u8::from(self.input_is_keys) << 5
    }

    fn from_bits(bits: u8) -> Facts {
        let bit = |place: u8| bits >> place & 1 == 1;
        Facts {
            start_requested: bit(0),
            node_seen: bit(1),
            handler_ready: bit(2),
            handshake_requested: bit(3),
            handshake_complete: bit(4),
            input_is_keys: bit(5),
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

    use super::{CAUSES, Facts, JournalRecord, Outcome, Owner, Positions};

    fn samples() -> Vec<JournalRecord> {
        let facts = Facts {
            start_requested: true,
            handshake_complete: true,
            input_is_keys: true,
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
}
