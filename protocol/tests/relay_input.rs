//! Input, from the owner to the node, and the owner's connection.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relay_rig;

use bytes::Bytes;
use drawbridge_protocol::data_channel::relay::{
    AttachKind, ConnectionId, Effect, JournalRecord, Position, RelayConfig, RelayState, SessionKind,
};
use drawbridge_protocol::wire::{MessageType, PayloadType};
use drawbridge_protocol::{Capabilities, CommandKind, Hello, Role, payload};

use relay_rig::*;

const SIZE: &[u8] = br#"{"cols":120,"rows":40}"#;

fn size(sequence: i64) -> Bytes {
    stream(MessageType::InputStreamData, sequence, PayloadType::Size, SIZE)
}

#[test]
fn passes_byte_for_byte() {
    let mut rig = Rig::shell();
    let sent = input(0, "ls\r");
    let effects = rig.client_sends(sent.clone());
    assert!(effects.contains(&Effect::ToNode {
        conn: NODE,
        bytes: sent
    }));
}

#[test]
fn reaches_the_node_in_order_whatever_order_it_came_in() {
    let mut rig = Rig::shell();
    assert!(to_node(&rig.client_sends(input(1, "b"))).is_empty());
    assert_eq!(numbers(&to_node(&rig.client_sends(input(0, "a")))), [0, 1]);
}

#[test]
fn is_acknowledged_once_the_node_has_it_and_that_is_durable() {
    let mut rig = Rig::shell();
    rig.client_sends(input(0, "a"));
    assert!(to_client(&rig.sync(), CLIENT).is_empty());
    assert!(to_client(&rig.node_sends(ack_input(0)), CLIENT).is_empty());
    assert_eq!(acknowledged(&to_client(&rig.sync(), CLIENT)), [0]);
}

#[test]
fn acknowledgements_of_the_node_reach_the_client_in_order() {
    let mut rig = Rig::shell();
    for sequence in 0..3 {
        rig.client_sends(input(sequence, "x"));
    }
    rig.node_sends(ack_input(1));
    rig.node_sends(ack_input(2));
    assert!(to_client(&rig.sync(), CLIENT).is_empty());
    rig.node_sends(ack_input(0));
    assert_eq!(acknowledged(&to_client(&rig.sync(), CLIENT)), [0, 1, 2]);
}

#[test]
fn our_client_gets_one_acknowledgement_for_all() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    for sequence in 0..3 {
        rig.client_sends(input(sequence, "x"));
    }
    let through_two = r#"{"AcknowledgedMessageSequenceNumber":2,"Cumulative":true}"#;
    rig.node_sends(control(MessageType::Acknowledge, through_two.into()));
    let acks = acks(&to_client(&rig.sync(), CLIENT));
    assert_eq!(acks.len(), 1);
    assert!(acks[0].cumulative && acks[0].sequence == 2);
}

#[test]
fn a_copy_of_what_the_node_has_is_acknowledged_by_the_relay() {
    let mut rig = Rig::shell();
    rig.client_sends(input(0, "a"));
    rig.node_sends(ack_input(0));
    rig.sync();
    rig.pass(seconds(2));
    let effects = rig.client_sends(input(0, "a"));
    assert!(to_node(&effects).is_empty());
    assert_eq!(acknowledged(&to_client(&effects, CLIENT)), [0]);
}

#[test]
fn a_node_that_reconnects_gets_all_of_it_again_in_order() {
    let mut rig = Rig::shell();
    for sequence in 0..4 {
        rig.client_sends(input(sequence, "x"));
    }
    rig.node_sends(ack_input(0));
    rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    assert!(to_node(&rig.client_sends(input(4, "x"))).is_empty());
    assert_eq!(numbers(&to_node(&rig.node_connects(NODE))), [1, 2, 3, 4]);
}

#[test]
fn the_oldest_is_sent_again_to_a_node_that_is_silent() {
    let mut rig = Rig::shell();
    rig.client_sends(input(0, "a"));
    rig.client_sends(input(1, "b"));
    let again = numbers(&to_node(&rig.pass(seconds(2))));
    assert!(
        !again.is_empty() && again.iter().all(|sequence| *sequence == 0),
        "{again:?}"
    );
}

#[test]
fn reading_from_the_client_stops_while_the_node_is_behind() {
    let mut config = shell();
    config.limits.input_bytes = 1000;
    let mut rig = Rig::started(config, None);
    for sequence in 0..9 {
        assert!(!rig.core.client_input_paused());
        rig.client_sends(input(sequence, "x"));
    }
    assert!(rig.core.client_input_paused());
    for sequence in 9..100 {
        rig.client_sends(input(sequence, "x"));
    }
    assert!(rig.core.held_bytes() <= 2000);
    assert!(rig.core.faults().no_room > 0);
    for sequence in 0..9 {
        rig.node_sends(ack_input(sequence));
    }
    assert!(!rig.core.client_input_paused());
}

#[test]
fn a_paused_node_does_not_stop_the_client_from_being_read() {
    let mut config = shell();
    config.limits.input_bytes = 100;
    config.limits.lag_bytes = 100;
    let mut rig = Rig::started(config, None);
    rig.client_sends(input(0, "x"));
    assert!(rig.core.client_input_paused());
    // The node will not take input before its output flows again, and that waits for acknowledgements behind the input.
    rig.node_sends(output(0, "x"));
    assert!(!rig.core.client_input_paused());
}

#[test]
fn what_is_typed_is_never_recorded_but_sizes_are() {
    let mut rig = Rig::shell();
    rig.client_sends(size(0));
    rig.client_sends(input(1, "my password"));
    let kept: Vec<_> = rig
        .records
        .iter()
        .filter_map(|record| match record {
            JournalRecord::Client { sequence, frame } => Some((*sequence, frame.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(kept, [(0, size(0))]);
    let everything: Vec<u8> = rig.records.iter().flat_map(|record| record.encode()).collect();
    assert!(!everything.windows(8).any(|part| part == b"password"));
}

#[test]
fn numbers_out_of_range_are_refused() {
    let mut rig = Rig::shell();
    for sequence in [-1, i64::MIN, i64::MAX, 1_000_000] {
        assert!(rig.client_sends(input(sequence, "x")).is_empty());
    }
    assert_eq!(rig.core.faults().out_of_range, 4);
}

#[test]
fn a_new_owner_continues_the_nodes_numbering() {
    let mut rig = Rig::shell();
    rig.client_sends(size(0));
    rig.client_sends(input(1, "typed before"));
    rig.node_sends(ack_input(0));
    rig.sync();
    rig.connect(OTHER, AttachKind::Attach { from: Position::Live }, "second", None);
    // Before its numbering is durable nothing it says reaches the node.
    let effects = rig.act(|core, now| core.handle_client_message(OTHER, input(0, "typed after"), now));
    assert!(to_node(&effects).is_empty());
    let effects = rig.sync();
    assert_eq!(numbers(&to_node(&effects)), [2]);
    rig.node_sends(ack_input(1));
    rig.node_sends(ack_input(2));
    let effects = rig.sync();
    assert!(to_client(&effects, CLIENT).is_empty());
    assert_eq!(acknowledged(&to_client(&effects, OTHER)), [0]);
}

#[test]
fn what_a_crash_took_of_the_first_owner_is_filled_for_the_second() {
    let mut rig = Rig::shell();
    rig.client_sends(size(0));
    rig.node_sends(ack_input(0));
    rig.sync();
    rig.client_sends(input(1, "lost with the relay"));
    let mut rig = Rig::recover(shell(), &rig.records);
    rig.connect(OTHER, AttachKind::Attach { from: Position::Live }, "second", None);
    rig.sync();
    let filled = to_node(&rig.node_connects(NODE));
    let filled: Vec<_> = filled
        .iter()
        .filter(|frame| frame.message_type.is_stream_data())
        .collect();
    assert_eq!(filled.len(), 255, "up to where numbers were reserved");
    assert!(
        filled
            .iter()
            .all(|frame| frame.payload_type == PayloadType::Size && frame.payload == SIZE)
    );
    let effects = rig.act(|core, now| core.handle_client_message(OTHER, input(0, "typed"), now));
    let effects = [effects, rig.sync()].concat();
    assert_eq!(numbers(&to_node(&effects)), [256]);
}

#[test]
fn input_never_goes_beyond_what_is_reserved() {
    let mut rig = Rig::shell();
    let mut furthest = -1;
    for sequence in 0..600 {
        let effects = rig.client_sends(input(sequence, "x"));
        furthest = numbers(&to_node(&effects)).into_iter().fold(furthest, i64::max);
    }
    assert_eq!(furthest, 255, "the rest waits for the record");
    let furthest = numbers(&to_node(&rig.sync()))
        .into_iter()
        .fold(furthest, i64::max);
    assert!(furthest > 255);
}

#[test]
fn our_client_is_greeted_first_with_its_own_numbers() {
    let mut rig = Rig::new(with_our_node(shell()));
    let effects = rig.connect(CLIENT, AttachKind::Start, "first", Some(Capabilities::OURS));
    let first = &to_client(&effects, CLIENT)[0];
    assert_eq!(first.message_type, MessageType::DrawbridgeHello);
    let hello: Hello = payload::parse(&first.payload).unwrap();
    assert_eq!((hello.role, hello.input_sequence), (Role::Owner, 0));
    assert_eq!(hello.capabilities, Capabilities::OURS);
    assert_eq!(hello.max_payload, Capabilities::OURS.large_frames);
    rig.node_connects(NODE);
    rig.sync();
    rig.client_sends(input(0, "x"));
    rig.node_sends(ack_input(0));
    rig.sync();
    let effects = rig.connect(OTHER, AttachKind::Resume, "first", Some(Capabilities::OURS));
    let hello: Hello = payload::parse(&to_client(&effects, OTHER)[0].payload).unwrap();
    assert_eq!(hello.input_sequence, 1);
}

#[test]
fn who_comes_later_hears_what_the_session_is_and_what_its_node_takes_for_input() {
    let command = || with_our_node(RelayConfig::new("alice-1", SessionKind::Command));
    let attach = AttachKind::Attach { from: Position::Live };
    for first in [None, Some(Capabilities::OURS)] {
        let mut rig = Rig::started(command(), first);
        rig.node_sends(output(0, "so far"));
        rig.connect(OTHER, attach, "second", Some(Capabilities::OURS));
        let heard = hello_to(OTHER, &rig.sync());
        assert_eq!(heard.command, Some(CommandKind::NonInteractiveCommands));
        assert_eq!(heard.capabilities.end_of_input, first.is_some());
        assert!(heard.capabilities.signals);
        let mut rig = Rig::recover(command(), &rig.records);
        rig.connect(OTHER, attach, "third", Some(Capabilities::OURS));
        assert_eq!(
            hello_to(OTHER, &rig.sync()).capabilities,
            heard.capabilities,
            "after a crash"
        );
    }
    let mut rig = Rig::new(with_our_node(shell()));
    let effects = rig.connect(CLIENT, AttachKind::Start, "first", Some(Capabilities::OURS));
    assert_eq!(hello_to(CLIENT, &effects).command, None);
}

fn hello_to(conn: ConnectionId, effects: &[Effect]) -> Hello {
    payload::parse(&to_client(effects, conn)[0].payload).unwrap()
}

#[test]
fn a_plain_client_is_greeted_with_a_ping_alone() {
    let mut rig = Rig::new(shell());
    let effects = rig.connect(CLIENT, AttachKind::Start, "first", None);
    assert!(to_client(&effects, CLIENT).is_empty());
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::PingClient { .. }))
    );
}

#[test]
fn a_client_that_stops_answering_pings_is_let_go() {
    let mut rig = Rig::shell();
    let effects = rig.pass(seconds(44));
    assert!(!effects.contains(&Effect::CloseClient { conn: CLIENT }));
    let effects = rig.pass(seconds(2));
    assert!(effects.contains(&Effect::CloseClient { conn: CLIENT }));
    assert!(effects.contains(&Effect::StateChanged(RelayState::Disconnected)));
}

#[test]
fn a_client_that_never_answered_a_ping_is_not_held_to_it() {
    let mut rig = Rig::new(shell());
    rig.connect(CLIENT, AttachKind::Start, "first", None);
    rig.node_connects(NODE);
    let effects = rig.pass(seconds(3600));
    assert!(!effects.contains(&Effect::CloseClient { conn: CLIENT }));
}

#[test]
fn messages_of_a_replaced_connection_are_ignored() {
    let mut rig = Rig::shell();
    rig.connect(OTHER, AttachKind::Resume, "first", None);
    rig.node_connects(ConnectionId(4));
    assert!(rig.client_sends(input(0, "stale")).is_empty());
    assert!(rig.node_sends(output(0, "stale")).is_empty());
    assert_eq!(rig.core.faults().stale_connection, 2);
}

#[test]
fn a_burst_of_acknowledgements_costs_no_effects() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "x"));
    rig.client_sends(ack_output(0));
    rig.sync();
    for _ in 0..10_000 {
        assert!(rig.client_sends(ack_output(0)).is_empty());
    }
}

#[test]
fn acknowledgements_that_may_wait_share_one_record() {
    let mut config = with_our_node(tunnel());
    config.timers.acknowledge_within = millis(10);
    let mut rig = Rig::started(config, Some(Capabilities::OURS));
    // The first input also proves that the client is ready, which is recorded at once.
    rig.client_sends(input(0, "x"));
    rig.node_sends(ack_input(0));
    rig.sync();
    let records = |effects: &[Effect]| {
        let is_record = |effect: &&Effect| {
            matches!(
                effect,
                Effect::Append {
                    record: JournalRecord::Positions(_),
                    ..
                }
            )
        };
        effects.iter().filter(is_record).count()
    };
    for sequence in 1..4 {
        let sent = rig.client_sends(input(sequence, "x"));
        assert_eq!(
            numbers(&to_node(&sent)),
            [sequence],
            "the input itself never waits"
        );
        assert_eq!(records(&rig.node_sends(ack_input(sequence))), 0);
    }
    assert_eq!(records(&rig.pass(millis(9))), 0);
    assert_eq!(records(&rig.pass(millis(1))), 1);
    let acks = acks(&to_client(&rig.sync(), CLIENT));
    assert_eq!(acks.len(), 1);
    assert!(acks[0].cumulative && acks[0].sequence == 3);
}
