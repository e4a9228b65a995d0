//! A peer that means harm: what the cores do about it.
//!
//! Attacks on the layers below a frame (fragments, masks, slow handshakes) are the gateway's, those on tokens the store's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ends;

use bytes::Bytes;
use drawbridge_protocol::PeerMisbehaved;
use drawbridge_protocol::data_channel::client::Event as ClientEvent;
use drawbridge_protocol::data_channel::node::Event as NodeEvent;
use drawbridge_protocol::payload::Size;
use drawbridge_protocol::stream::{SequenceError, Window};
use drawbridge_protocol::wire::{DecodeError, Frame, MessageType, PayloadType};
use drawbridge_protocol::{Hello, Role, Token, Transmit};

use ends::*;

/// Attack 1: header lengths that index past the message, or around the end of the number range.
#[test]
fn a_wrong_header_length_is_refused_and_the_session_lives() {
    let mut node = node();
    for announced in [
        0,
        115,
        117,
        200,
        1 << 20,
        0xffff_fffb,
        0xffff_fffc,
        0xffff_fffd,
        0xffff_fffe,
        u32::MAX,
    ] {
        let attack = changed(&input(0, "x"), |bytes| {
            bytes[..4].copy_from_slice(&announced.to_be_bytes());
        });
        let result = node.handle_message(attack, at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::Frame(DecodeError::HeaderLength { .. }))
        ));
    }
    lives(&mut node);
}

/// Attack 2: a payload length that is not the payload's.
#[test]
fn a_wrong_payload_length_is_refused_and_the_session_lives() {
    let mut node = node();
    for announced in [0, 2, 16 << 20, 1 << 30, u32::MAX] {
        let attack = changed(&input(0, "x"), |bytes| {
            bytes[116..120].copy_from_slice(&announced.to_be_bytes());
        });
        let result = node.handle_message(attack, at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::Frame(DecodeError::PayloadLength { .. }))
        ));
    }
    lives(&mut node);
}

/// Attack 3: a digest wrong by one bit, in both directions.
#[test]
fn a_wrong_digest_is_refused_and_not_acknowledged() {
    let (mut client, mut node) = (shell_client(), node());
    for bit in 0..256 {
        let flip = |bytes: &mut [u8]| bytes[80 + bit / 8] ^= 1 << (bit % 8);
        let result = client.handle_message(changed(&output(1, "x"), flip), at(0));
        assert!(matches!(result, Err(PeerMisbehaved::Frame(DecodeError::Digest))));
        let result = node.handle_message(changed(&input(0, "x"), flip), at(0));
        assert!(matches!(result, Err(PeerMisbehaved::Frame(DecodeError::Digest))));
    }
    assert_eq!(client_frames(&mut client, at(0)), []);
    assert_eq!(node_frames(&mut node, at(0)), []);
    lives(&mut node);
}

/// Attack 4: message types that are not text, hold NULs, are unknown, or blank.
#[test]
fn odd_message_types_are_ignored_and_counted_or_refused() {
    let mut node = node();
    let with_type = |field: &[u8]| {
        let mut padded = [b' '; 32];
        padded[..field.len()].copy_from_slice(field);
        changed(&input(0, "x"), |bytes| bytes[4..36].copy_from_slice(&padded))
    };
    for field in [
        &b"\xff\xfe\xfd"[..],
        b"in\0put",
        b"tomorrows_message",
        b"INPUT_STREAM_DATA",
    ] {
        node.handle_message(with_type(field), at(0)).unwrap();
    }
    assert_eq!(node.ignored_messages(), 4);
    for blank in [&[b' '; 32], &[0; 32]] {
        let result = node.handle_message(with_type(blank), at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::Frame(DecodeError::NoMessageType))
        ));
    }
    lives(&mut node);
}

/// Attack 5: sequence numbers out of range, repeated and reordered.
#[test]
fn hostile_sequence_numbers_deliver_in_order_exactly_once_or_not_at_all() {
    let mut node = node();
    for sequence in [-1, i64::MIN] {
        let result = node.handle_message(input(sequence, "x"), at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::Sequence(SequenceError::Negative { .. }))
        ));
    }
    for sequence in [1_000_000, i64::MAX - 1, i64::MAX] {
        let result = node.handle_message(input(sequence, "x"), at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::Sequence(SequenceError::TooFarAhead { .. }))
        ));
    }
    for sequence in [2, 2, 1, 3, 1, 0, 0, 3, 2] {
        node.handle_message(input(sequence, sequence.to_string()), at(0))
            .unwrap();
    }
    let expected = ["0", "1", "2", "3"].map(|text| NodeEvent::Input(text.into()));
    assert_eq!(node_events(&mut node), expected);
}

/// Attack 5: the replay of everything a session ever sent.
#[test]
fn a_replayed_session_delivers_nothing_again() {
    let mut node = node();
    let recorded: Vec<_> = (0..200).map(|sequence| input(sequence, "rm -rf /\r")).collect();
    for message in &recorded {
        node.handle_message(message.clone(), at(0)).unwrap();
    }
    assert_eq!(node_events(&mut node).len(), 200);
    for message in recorded.iter().rev().chain(&recorded) {
        node.handle_message(message.clone(), at(1)).unwrap();
    }
    assert_eq!(node_events(&mut node), []);
}

/// Attack 5: frames that leave a gap, to be kept for ever.
#[test]
fn frames_behind_a_gap_take_bounded_memory() {
    let mut node = node();
    let payload = Bytes::from(vec![0; 64 * 1024]);
    let mut kept = 0;
    for sequence in 1..2000 {
        node.handle_message(input(sequence, payload.clone()), at(0))
            .unwrap();
        kept += acknowledged(&node_frames(&mut node, at(0))).len();
    }
    assert_eq!(kept, 128, "8 MiB are kept and acknowledged, nothing more");
}

/// Attack 6: acknowledgements of what was never sent, lies in the future, or is long gone.
#[test]
fn acknowledgements_of_other_frames_change_nothing() {
    let mut client = shell_client();
    client.send_input("a".into());
    client.send_input("b".into());
    for sequence in [i64::MIN, -1, 0, 1, 2, 1 << 40, i64::MAX] {
        client
            .handle_message(acknowledge(MessageType::InputStreamData, sequence), at(0))
            .unwrap();
        let cumulative = format!(r#"{{"AcknowledgedMessageSequenceNumber":{sequence},"Cumulative":true}}"#);
        client
            .handle_message(message(MessageType::Acknowledge, cumulative), at(0))
            .unwrap();
    }
    let sent = stream_data(client_frames(&mut client, at(1)));
    assert_eq!(sent.len(), 2, "nothing was released before it was sent");
    assert!(!client.is_drained());
}

/// Attack 6: a flood of acknowledgements costs a look-up each and nothing that grows.
#[test]
fn a_flood_of_acknowledgements_finds_an_end_of_the_same_size() {
    let mut client = shell_client();
    for _ in 0..4000 {
        client.send_input("x".into());
    }
    client_frames(&mut client, at(0));
    let flood: Vec<_> = [1_i64, 3999, 77_777, -5]
        .map(|sequence| acknowledge(MessageType::InputStreamData, sequence))
        .into();
    for round in 0..25_000 {
        client.handle_message(flood[round % 4].clone(), at(1)).unwrap();
    }
    assert!(client.poll_event().is_none());
    assert_eq!(client_frames(&mut client, at(1)), [], "nothing is owed for it");
}

/// Attack 7: acknowledgements withheld for ever.
#[test]
fn a_peer_that_never_acknowledges_stops_the_producer_at_the_window() {
    let mut node = our_node();
    let mut given = 0;
    while node.output_capacity() > 0 {
        let chunk = node.output_capacity().min(4096);
        node.send_output(PayloadType::Output, vec![0; chunk].into());
        given += chunk;
        node_frames(&mut node, at(0));
    }
    assert_eq!(given, Window::DEFAULT.bytes);
    let mut resent = 0;
    for second in 1..600 {
        node.handle_timeout(at(second * 1000));
        resent += node_frames(&mut node, at(second * 1000)).len();
    }
    assert!(
        (1..=600).contains(&resent),
        "at most one frame a second goes out again, not {resent}"
    );
    assert_eq!(node.output_capacity(), 0);
}

/// Attack 8, the core's part: text where frames belong, and a frame where text belongs.
#[test]
fn text_and_frames_in_each_others_place_are_refused() {
    let mut server = server_control(OUR_NODE_OPENS);
    assert!(matches!(
        server.handle_text(OUR_NODE_OPENS, at(1)),
        Err(PeerMisbehaved::UnexpectedText)
    ));
    let json = Bytes::from_static(OUR_NODE_OPENS.as_bytes());
    assert!(matches!(
        server.handle_message(json, at(1)),
        Err(PeerMisbehaved::Frame(_))
    ));
}

/// Attack 14: terminals that cannot be.
#[test]
fn impossible_sizes_are_clamped_and_nonsense_is_skipped() {
    let mut node = node();
    let megabyte = format!(r#"{{"cols":80,"rows":24,"x":"{}"}}"#, "y".repeat(1_000_000));
    let cases: [(&str, Option<(u32, u32)>); 7] = [
        (r#"{"cols":0,"rows":0}"#, Some((1, 1))),
        (r#"{"cols":65535,"rows":65535}"#, Some((65535, 65535))),
        (
            r#"{"cols":4294967295,"rows":99999999999999999999}"#,
            Some((65535, 65535)),
        ),
        (r#"{"cols":-80,"rows":-24}"#, Some((1, 1))),
        (r#"{"cols":NaN,"rows":24}"#, None),
        (&megabyte, None),
        (r#"{"cols":80,"rows":24}"#, Some((80, 24))),
    ];
    for (sequence, (json, size)) in (0..).zip(cases) {
        let frame = stream_frame(
            MessageType::InputStreamData,
            sequence,
            PayloadType::Size,
            json.to_owned(),
        );
        let result = node.handle_message(frame, at(0));
        assert_eq!(result.is_ok(), size.is_some());
        assert_eq!(
            acknowledged(&node_frames(&mut node, at(0))),
            [sequence],
            "skipped, so that the stream goes on"
        );
        let expected: Vec<_> = size
            .map(|(cols, rows)| NodeEvent::Size(Size { cols, rows }))
            .into_iter()
            .collect();
        assert_eq!(node_events(&mut node), expected);
    }
}

/// A handshake document that would take many times its size in memory is not read at all.
#[test]
fn an_inflated_handshake_is_refused_unread() {
    let bomb = format!(r#"{{"RequestedClientActions":[{}0]}}"#, "0,".repeat(400_000));
    let mut client = client();
    let frame = stream_frame(
        MessageType::OutputStreamData,
        0,
        PayloadType::HandshakeRequest,
        bomb,
    );
    let result = client.handle_message(frame, at(0));
    assert!(matches!(result, Err(PeerMisbehaved::StreamPayload { .. })));
    let nested = format!(r#"{{"RequestedClientActions":{}"#, "[".repeat(60_000));
    let frame = stream_frame(
        MessageType::OutputStreamData,
        1,
        PayloadType::HandshakeRequest,
        nested,
    );
    assert!(
        client.handle_message(frame, at(0)).is_err(),
        "and does not exhaust the stack"
    );
}

/// Reports are answered once the channel has settled; what waits until then is bounded.
#[test]
fn a_flood_of_reports_while_the_channel_settles_is_not_all_answered() {
    let mut server = server_control(AWS_NODE_OPENS);
    let report = r#"{"SchemaVersion":1,"TaskId":"admin-1","FinalTaskStatus":"Success"}"#;
    for _ in 0..10_000 {
        let reported = server.handle_message(message(MessageType::AgentTaskComplete, report), at(1));
        assert!(reported.is_ok());
        assert!(server.poll_event().is_some(), "each is heard");
    }
    assert!(server.poll_transmit(at(1)).is_none(), "it settles");
    server.handle_timeout(at(2000));
    let answers = std::iter::from_fn(|| server.poll_transmit(at(2000))).count();
    assert!((1..=256).contains(&answers), "{answers}");
}

/// A server that calls a client a watcher silences it, also across a reconnect.
#[test]
fn a_watcher_cannot_type() {
    let mut client = our_client();
    let watcher = Hello {
        role: Role::Watcher,
        ..Hello::default()
    };
    client.handle_message(hello(watcher), at(0)).unwrap();
    client.handle_message(output(0, "$ "), at(0)).unwrap();
    client_frames(&mut client, at(0));
    client.handle_disconnected(at(1));
    client.handle_connected(Token::new("again"), at(2));
    assert!(matches!(client.poll_transmit(at(2)), Some(Transmit::Text(_))));
    client.send_input("x".into());
    client.send_flag(2);
    assert_eq!(client.input_capacity(), 0);
    assert_eq!(client_frames(&mut client, at(3)), []);
    let shown = client_events(&mut client);
    assert!(
        shown
            .iter()
            .any(|event| matches!(event, ClientEvent::Output { .. })),
        "but it sees"
    );
}

/// Shows that the session goes on as if nothing had happened.
fn lives(node: &mut drawbridge_protocol::data_channel::node::NodeEnd) {
    assert_eq!(node_events(node), []);
    assert_eq!(node_frames(node, at(1)), []);
    node.handle_message(input(0, "still here"), at(1)).unwrap();
    assert_eq!(node_events(node), [NodeEvent::Input("still here".into())]);
    assert_eq!(acknowledged(&node_frames(node, at(1))), [0]);
}

fn changed(message: &Bytes, change: impl FnOnce(&mut [u8])) -> Bytes {
    let mut bytes = message.to_vec();
    change(&mut bytes);
    assert!(
        Frame::decode(message.clone()).is_ok(),
        "the change alone makes it an attack"
    );
    bytes.into()
}
