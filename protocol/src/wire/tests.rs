use bytes::Bytes;
use uuid::Uuid;

use super::{DecodeError, Frame, MAX_FRAME_BYTES, MessageType, PayloadType, sequence_of, with_sequence};

fn frame() -> Frame {
    Frame {
        message_type: MessageType::OutputStreamData,
        schema_version: 1,
        created_ms: 5,
        sequence: 3,
        flags: 1,
        message_id: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        payload_type: PayloadType::Output,
        payload: Bytes::from_static(b"hello"),
    }
}

fn damaged(change: impl FnOnce(&mut Vec<u8>)) -> Result<Frame, DecodeError> {
    let mut bytes = frame().encode().to_vec();
    change(&mut bytes);
    Frame::decode(bytes.into())
}

#[test]
fn reads_what_it_writes() {
    assert_eq!(Frame::decode(frame().encode()), Ok(frame()));
}

#[test]
fn payload_is_a_slice_of_the_message() {
    let message = frame().encode();
    let payload = Frame::decode(message.clone()).unwrap().payload;
    assert_eq!(payload.as_ptr(), message[120..].as_ptr());
}

#[test]
fn halves_of_the_id_are_swapped() {
    assert_eq!(
        frame().encode()[64..80],
        hex::decode("8899aabbccddeeff0011223344556677").unwrap()
    );
}

#[test]
fn refuses_every_other_header_length() {
    for announced in [0, 115, 117, 0x100, 0xffff_fffb, 0xffff_fffc, u32::MAX] {
        let result = damaged(|bytes| bytes[..4].copy_from_slice(&announced.to_be_bytes()));
        assert_eq!(result, Err(DecodeError::HeaderLength { announced }));
    }
}

#[test]
fn refuses_every_other_payload_length() {
    for announced in [0, 4, 6, 16 << 20, u32::MAX] {
        let result = damaged(|bytes| bytes[116..120].copy_from_slice(&announced.to_be_bytes()));
        assert_eq!(result, Err(DecodeError::PayloadLength { announced, actual: 5 }));
    }
}

#[test]
fn refuses_a_digest_wrong_by_one_bit() {
    for bit in 0..8 * 32 {
        assert_eq!(
            damaged(|bytes| bytes[80 + bit / 8] ^= 1 << (bit % 8)),
            Err(DecodeError::Digest)
        );
    }
    assert_eq!(damaged(|bytes| bytes[124] ^= 1), Err(DecodeError::Digest));
}

#[test]
fn digest_of_an_empty_payload_is_not_checked() {
    let empty = Frame {
        payload: Bytes::new(),
        ..frame()
    };
    let mut bytes = empty.encode().to_vec();
    bytes[80..112].fill(0);
    assert_eq!(Frame::decode(bytes.into()), Ok(empty));
}

#[test]
fn refuses_zero_date_and_blank_type() {
    assert_eq!(
        damaged(|bytes| bytes[40..48].fill(0)),
        Err(DecodeError::NoCreatedDate)
    );
    assert_eq!(
        damaged(|bytes| bytes[4..36].fill(b' ')),
        Err(DecodeError::NoMessageType)
    );
    assert_eq!(
        damaged(|bytes| bytes[4..36].fill(0)),
        Err(DecodeError::NoMessageType)
    );
}

#[test]
fn publication_switches_may_have_no_date() {
    for message_type in [MessageType::PausePublication, MessageType::StartPublication] {
        let frame = Frame {
            message_type,
            created_ms: 0,
            ..frame()
        };
        assert_eq!(Frame::decode(frame.encode()), Ok(frame));
    }
}

#[test]
fn refuses_messages_of_the_wrong_length() {
    for length in 0..120 {
        let message = frame().encode().slice(..length);
        assert_eq!(Frame::decode(message), Err(DecodeError::TooShort { length }));
    }
    let length = MAX_FRAME_BYTES + 1;
    assert_eq!(
        Frame::decode(vec![0; length].into()),
        Err(DecodeError::TooLong { length })
    );
}

#[test]
fn renumbers_in_place_when_alone_and_copies_when_shared() {
    let alone = frame().encode();
    let address = alone.as_ptr();
    let renumbered = with_sequence(alone, 77);
    assert_eq!(renumbered.as_ptr(), address);
    let shared = renumbered.clone();
    let again = with_sequence(shared, 78);
    assert_eq!(
        (sequence_of(&renumbered), sequence_of(&again)),
        (Some(77), Some(78))
    );
    assert_eq!(
        Frame::decode(again),
        Ok(Frame {
            sequence: 78,
            ..frame()
        })
    );
    assert_eq!(
        with_sequence(Bytes::from_static(b"short"), 1),
        Bytes::from_static(b"short")
    );
}
