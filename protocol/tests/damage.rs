//! Whatever bytes arrive, nothing panics, nothing is delivered that was not sent, and memory stays in proportion.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ends;

use bytes::Bytes;
use drawbridge_protocol::payload::{
    Acknowledge, HandshakeRequest, HandshakeResponse, OpenControlChannel, OpenDataChannel, Size,
    TaskComplete, flag, parse,
};
use drawbridge_protocol::wire::{
    Frame, MAX_FRAME_BYTES, MessageType, PayloadType, sequence_of, with_sequence,
};
use proptest::prelude::*;
use uuid::Uuid;

use ends::*;

proptest! {
    #[test]
    fn frames_round_trip(frame in any_frame()) {
        let encoded = frame.encode();
        prop_assert_eq!(encoded.len(), 120 + frame.payload.len());
        prop_assert_eq!(Frame::decode(encoded), Ok(frame));
    }

    #[test]
    fn acknowledgements_round_trip(sequence: i64, id: u128, cumulative: bool, output: bool) {
        let message_type = if output { MessageType::OutputStreamData } else { MessageType::InputStreamData };
        let acknowledge = Acknowledge { cumulative, ..Acknowledge::new(message_type, Uuid::from_u128(id), sequence) };
        prop_assert_eq!(Acknowledge::parse(&acknowledge.to_bytes()), Ok(acknowledge));
    }

    #[test]
    fn sizes_and_flags_round_trip(cols in 1_u32..=65535, rows in 1_u32..=65535, number: u32) {
        let size = Size { cols, rows };
        prop_assert_eq!(Size::parse(&size.to_bytes()), Ok(size));
        prop_assert_eq!(flag::parse(&flag::to_bytes(number)), Ok(number));
    }

    #[test]
    fn renumbering_changes_the_number_alone(frame in any_frame(), sequence: i64) {
        let renumbered = with_sequence(frame.encode(), sequence);
        prop_assert_eq!(sequence_of(&renumbered), Some(sequence));
        prop_assert_eq!(Frame::decode(renumbered), Ok(Frame { sequence, ..frame }));
    }

    #[test]
    fn truncated_frames_are_refused(frame in any_frame(), keep: prop::sample::Index) {
        let encoded = frame.encode();
        let truncated = encoded.slice(..keep.index(encoded.len()));
        prop_assert!(Frame::decode(truncated).is_err());
    }

    #[test]
    fn extended_frames_are_refused(frame in any_frame(), tail in prop::collection::vec(any::<u8>(), 1..50)) {
        let extended = [&frame.encode()[..], &tail].concat();
        prop_assert!(Frame::decode(extended.into()).is_err());
    }

    /// A damaged header may still be a header, but a payload that decodes is the payload that was sent.
    #[test]
    fn damaged_frames_never_decode_to_another_payload(
        frame in any_frame(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let mut bytes = frame.encode().to_vec();
        for (index, xor) in damage {
            let index = index.index(bytes.len());
            bytes[index] ^= xor;
        }
        if let Ok(decoded) = Frame::decode(bytes.into()) {
            prop_assert_eq!(decoded.payload, frame.payload);
        }
    }

    #[test]
    fn random_messages_never_panic_an_end(messages in prop::collection::vec(hostile_message(), 1..20)) {
        let (mut client, mut node, mut control) = (our_client(), our_node(), node_control());
        let mut server = server_control(AWS_NODE_OPENS);
        for (ms, message) in (0_u64..).step_by(700).zip(messages) {
            let now = at(ms);
            // Every verdict is fine; the caller goes on either way.
            let _ = client.handle_message(message.clone(), now);
            let _ = node.handle_message(message.clone(), now);
            let _ = control.handle_message(message.clone(), now);
            let _ = server.handle_message(message, now);
            client.handle_timeout(now);
            node.handle_timeout(now);
            control.handle_timeout(now);
            server.handle_timeout(now);
            while client.poll_transmit(now).is_some() {}
            while node.poll_transmit(now).is_some() {}
            while control.poll_transmit(now).is_some() {}
            while server.poll_transmit(now).is_some() {}
        }
    }

    #[test]
    fn random_documents_never_panic_a_parser(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for bytes in [text.as_bytes(), &bytes] {
            let _ = Acknowledge::parse(bytes);
            let _ = Size::parse(bytes);
            let _ = flag::parse(bytes);
            let _ = HandshakeRequest::parse(bytes);
            let _ = HandshakeResponse::parse(bytes);
            let _ = parse::<TaskComplete>(bytes);
        }
        let _ = OpenDataChannel::parse(&text);
        let _ = OpenControlChannel::parse(&text);
    }
}

/// Announced lengths are numbers like any other: none of them makes the decoder reach for memory or past the end.
#[test]
fn announced_gigabytes_are_refused_by_the_bytes_that_came() {
    let encoded = output(0, "x");
    for announced in [1 << 30, u32::MAX - 3, u32::MAX] {
        for offset in [0, 116] {
            let mut bytes = encoded.to_vec();
            bytes[offset..offset + 4].copy_from_slice(&announced.to_be_bytes());
            assert!(Frame::decode(bytes.into()).is_err());
        }
    }
    assert!(Frame::decode(vec![b' '; MAX_FRAME_BYTES].into()).is_err());
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let payload = prop::collection::vec(any::<u8>(), 0..300);
    (
        any_message_type(),
        0_u32..3,
        1_u64..,
        any::<i64>(),
        any::<u64>(),
        any::<u128>(),
        0_u32..20,
        payload,
    )
        .prop_map(
            |(message_type, schema_version, created_ms, sequence, flags, id, payload_type, payload)| Frame {
                message_type,
                schema_version,
                created_ms,
                sequence,
                flags,
                message_id: Uuid::from_u128(id),
                payload_type: PayloadType::from(payload_type),
                payload: payload.into(),
            },
        )
}

fn any_message_type() -> impl Strategy<Value = MessageType> {
    prop_oneof![
        8 => prop::sample::select(NAMES).prop_map(|name| MessageType::parse(name).unwrap()),
        1 => "[a-z_]{1,32}".prop_map(|name| MessageType::parse(&name).unwrap()),
    ]
}

/// Frames of every kind with payloads that are nearly right, damaged frames, and noise.
fn hostile_message() -> impl Strategy<Value = Bytes> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        prop::sample::select(DOCUMENTS).prop_map(|text| text.as_bytes().to_vec()),
    ];
    let sequence = prop_oneof![0_i64..8, any::<i64>()];
    let frame = (any_message_type(), sequence, 0_u32..14, payload, any::<u128>()).prop_map(
        |(message_type, sequence, payload_type, payload, id)| {
            let frame = Frame::control(message_type, Uuid::from_u128(id), payload.into(), at(1));
            Frame {
                sequence,
                payload_type: payload_type.into(),
                ..frame
            }
            .encode()
        },
    );
    prop_oneof![
        8 => frame,
        1 => prop::collection::vec(any::<u8>(), 0..400).prop_map(Bytes::from),
    ]
}

const NAMES: &[&str] = &[
    "output_stream_data",
    "input_stream_data",
    "acknowledge",
    "channel_closed",
    "pause_publication",
    "start_publication",
    "agent_session_state",
    "interactive_shell",
    "agent_task_complete",
    "agent_task_acknowledge",
    "agent_job",
    "agent_telemetry",
    "drawbridge_hello",
];

const DOCUMENTS: &[&str] = &[
    "{}",
    "[]",
    "null",
    r#"{"AcknowledgedMessageSequenceNumber":0}"#,
    r#"{"AcknowledgedMessageSequenceNumber":9223372036854775807,"Cumulative":true}"#,
    r#"{"AcknowledgedMessageSequenceNumber":-9223372036854775808,"Cumulative":true}"#,
    r#"{"cols":0,"rows":1e999}"#,
    r#"{"cols":-1,"rows":70000}"#,
    r#"{"AgentVersion":"3","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port"}}]}"#,
    r#"{"AgentVersion":"3","RequestedClientActions":[{"ActionType":"?","ActionParameters":null}]}"#,
    r#"{"ClientVersion":"1","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1}]}"#,
    r#"{"HandshakeTimeToComplete":-1,"CustomerMessage":"m"}"#,
    r#"{"InputSequence":9223372036854775807,"MaxPayload":4294967295,"Role":"watcher"}"#,
    r#"{"InputSequence":-1,"Capabilities":{"CumulativeAck":true}}"#,
    r#"{"TaskId":"x","FinalTaskStatus":"Success"}"#,
    r#"{"MessageId":"00000000-0000-0000-0000-000000000000"}"#,
    r#"{"Content":"{\"DocumentContent\":{\"schemaVersion\":\"1.0\"},\"SessionId\":\"x\"}","TaskId":"x"}"#,
    r#"{"SessionId":"../../etc","Output":"\u001b[2J"}"#,
    r#"{"SessionState":"Connected"}"#,
];
