//! Output, from the node through the journal to clients.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relay_rig;

use bytes::Bytes;
use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{
    AttachKind, ConnectionId, Effect, JournalRecord, Position, WatcherAttachment,
};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};

use relay_rig::*;

#[test]
fn forwards_at_once_and_acknowledges_when_durable() {
    let mut rig = Rig::shell();
    let effects = rig.node_sends(output(0, "$ "));
    assert_eq!(to_client(&effects, CLIENT)[0].payload, "$ ");
    assert!(to_node(&effects).is_empty());
    assert_eq!(acknowledged(&to_node(&rig.sync())), [0]);
}

#[test]
fn records_and_delivers_the_bytes_of_the_node() {
    let mut rig = Rig::shell();
    let sent = output(0, "$ ");
    let effects = rig.node_sends(sent.clone());
    assert!(effects.contains(&Effect::ToClient {
        conn: CLIENT,
        bytes: sent.clone()
    }));
    assert!(rig.records.contains(&JournalRecord::Output {
        sequence: 0,
        frame: sent
    }));
}

#[test]
fn frames_of_every_size_are_recorded_as_the_client_gets_them() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    let mut seen = Vec::new();
    for (sequence, length) in (1..).zip([0, 1, 64 * 1024, 0, 0, 300, 64 * 1024, 1023, 0]) {
        let noise: Vec<u8> = (0..length)
            .map(|place: u32| (place * 167 + place / 251) as u8)
            .collect();
        for columns in 1..10 {
            let size = format!(r#"{{"cols":{columns},"rows":24}}"#);
            rig.client_sends(stream(
                MessageType::InputStreamData,
                sequence * 9 + columns - 10,
                PayloadType::Size,
                size.as_bytes(),
            ));
        }
        let frame = stream(
            MessageType::OutputStreamData,
            sequence,
            PayloadType::Output,
            &noise,
        );
        let effects = rig.node_sends(frame);
        let delivered = to_client(&effects, CLIENT);
        assert_eq!(delivered.len(), 1, "{length}");
        assert!(delivered[0].payload == noise, "{length}");
        seen.extend_from_slice(&delivered[0].payload);
        assert_eq!(acks(&to_node(&rig.sync())).last().unwrap().sequence, sequence);
        rig.client_sends(ack_output(sequence));
    }
    let recorded = rig.records.iter().filter_map(|record| match record {
        JournalRecord::Output { frame, .. } => Some(Frame::decode(frame.clone()).unwrap().payload),
        _ => None,
    });
    let recorded = recorded.collect::<Vec<_>>().concat();
    assert!(recorded[2..] == seen);
    let sizes = rig
        .records
        .iter()
        .filter(|record| matches!(record, JournalRecord::Client { .. }));
    assert_eq!(sizes.count(), 9 * 9);
}

#[test]
fn records_frames_that_come_early_and_delivers_them_in_order() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "a"));
    rig.client_sends(ack_output(0));
    rig.client_sends(input(0, "x"));
    let effects = rig.node_sends(output(2, "c"));
    assert!(to_client(&effects, CLIENT).is_empty());
    assert_eq!(acknowledged(&to_node(&rig.sync())), [0, 2]);
    let effects = rig.node_sends(output(1, "b"));
    let reads = rig.answer_reads(&effects);
    let frames = [to_client(&effects, CLIENT), to_client(&reads, CLIENT)].concat();
    assert_eq!(numbers(&frames), [1, 2]);
}

#[test]
fn acknowledges_a_duplicate_again_once_its_original_is_durable() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "a"));
    assert!(to_node(&rig.node_sends(output(0, "a"))).is_empty());
    rig.sync();
    assert_eq!(acknowledged(&to_node(&rig.node_sends(output(0, "a")))), [0]);
    let outputs = rig
        .records
        .iter()
        .filter(|record| matches!(record, JournalRecord::Output { .. }));
    assert_eq!(outputs.count(), 1);
}

#[test]
fn one_acknowledgement_stands_for_a_group_towards_our_node() {
    let mut rig = Rig::started(with_our_node(shell()), None);
    for sequence in 0..5 {
        rig.node_sends(output(sequence, "x"));
    }
    let acks = acks(&to_node(&rig.sync()));
    assert_eq!(acks.len(), 1);
    assert!(acks[0].cumulative && acks[0].sequence == 4);
}

#[test]
fn after_a_reconnect_what_may_have_been_lost_is_acknowledged_along() {
    let mut rig = Rig::shell();
    for sequence in 0..300 {
        rig.node_sends(output(sequence, "x"));
    }
    rig.sync();
    rig.node_connects(NODE);
    let acks = acknowledged(&to_node(&rig.node_sends(output(10, "x"))));
    assert_eq!(acks, (10..138).collect::<Vec<_>>());
    let acks = acknowledged(&to_node(&rig.node_sends(output(10, "x"))));
    assert_eq!(
        acks,
        [10],
        "once per connection, or a copy would cost a hundred answers"
    );
}

#[test]
fn whatever_breaks_a_rule_is_counted_and_not_acknowledged() {
    let mut rig = Rig::shell();
    let mut wrong_digest = output(0, "x").to_vec();
    wrong_digest[120] ^= 1;
    let mut huge = output(0, "x").to_vec();
    huge.resize(2 << 20, 0);
    let unknown = control(
        MessageType::parse("telepathy").unwrap(),
        Bytes::from_static(b"{}"),
    );
    let messages = [
        wrong_digest.into(),
        huge.into(),
        Bytes::from_static(b"short"),
        unknown,
        input(0, "x"),
        output(-1, "x"),
        output(i64::MAX, "x"),
        control(MessageType::Acknowledge, Bytes::from_static(b"[]")),
        ack_input(99),
    ];
    for message in messages {
        let effects = rig.node_sends(message);
        assert!(effects.is_empty(), "{effects:?}");
    }
    let faults = rig.core.faults();
    assert_eq!(
        (faults.bad_digest, faults.oversized, faults.undecodable),
        (1, 1, 1)
    );
    assert_eq!(
        (faults.unknown_type, faults.wrong_direction, faults.out_of_range),
        (1, 1, 2)
    );
    assert_eq!((faults.bad_payload, faults.unknown_acknowledgement), (1, 1));
    assert_eq!(to_client(&rig.node_sends(output(0, "fine")), CLIENT).len(), 1);
}

#[test]
fn a_client_that_withholds_acknowledgements_stops_at_its_window() {
    let mut rig = Rig::shell();
    let mut sent = 0;
    for sequence in 0..2000 {
        sent += to_client(&rig.node_sends(output(sequence, "x")), CLIENT).len();
        rig.sync();
    }
    assert_eq!(sent, 512);
    rig.client_sends(ack_output(0));
    rig.client_sends(ack_output(1));
    let limits = shell().limits;
    assert!(
        rig.core.held_bytes() <= limits.tail_bytes + 200_000,
        "{}",
        rig.core.held_bytes()
    );
}

#[test]
fn output_beyond_the_tail_is_read_back_from_the_journal() {
    let mut config = shell();
    config.limits.plain_window_frames = 1;
    config.limits.tail_bytes = 0;
    let mut rig = Rig::started(config, None);
    for sequence in 0..3 {
        rig.node_sends(output(sequence, "x"));
        rig.sync();
    }
    assert_eq!(rig.core.held_bytes(), 0);
    let effects = rig.client_sends(ack_output(0));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::ReadJournal { from_sequence: 1, .. }))
    );
    let effects = rig.answer_reads(&effects);
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [1]);
}

#[test]
fn a_journal_that_lost_frames_ends_the_session_with_a_reason() {
    let mut config = shell();
    config.limits.plain_window_frames = 1;
    config.limits.tail_bytes = 0;
    let mut rig = Rig::started(config, None);
    for sequence in 0..2 {
        rig.node_sends(output(sequence, "x"));
        rig.sync();
    }
    rig.client_sends(ack_output(0));
    let effects = rig.act(|core, now| core.handle_journal_read(CLIENT, Vec::new(), now));
    assert!(
        goodbye(&effects, CLIENT)
            .unwrap()
            .output
            .contains("cannot be read")
    );
}

#[test]
fn sends_the_oldest_again_until_it_is_acknowledged() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "a"));
    rig.node_sends(output(1, "b"));
    let effects = rig.pass_with_pongs(millis(190));
    assert!(to_client(&effects, CLIENT).is_empty());
    let effects = rig.pass_with_pongs(seconds(3));
    let again = numbers(&to_client(&effects, CLIENT));
    assert!(
        again.len() >= 3 && again.iter().all(|sequence| *sequence == 0),
        "{again:?}"
    );
    rig.client_sends(ack_output(0));
    rig.client_sends(ack_output(1));
    assert!(to_client(&rig.pass(seconds(5)), CLIENT).is_empty());
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_changes_nothing() {
    let mut rig = Rig::shell();
    for sequence in [0, 5, -1, i64::MAX, i64::MIN] {
        rig.client_sends(ack_output(sequence));
    }
    assert_eq!(rig.core.faults().unknown_acknowledgement, 5);
    assert_eq!(numbers(&to_client(&rig.node_sends(output(0, "a")), CLIENT)), [0]);
}

/// A session in which the plugin's handler is ready (or not) and whose frame 1 is unacknowledged.
fn with_unacknowledged_output(handler_is_ready: bool) -> Rig {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    if handler_is_ready {
        rig.client_sends(stream(
            MessageType::InputStreamData,
            0,
            PayloadType::Size,
            br#"{"cols":80,"rows":24}"#,
        ));
    }
    rig.node_sends(output(1, "processed, its acknowledgement lost"));
    rig.sync();
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    rig
}

#[test]
fn silence_after_a_reconnect_counts_as_delivery_once_a_later_ping_is_answered() {
    let mut rig = with_unacknowledged_output(true);
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", None);
    let mut effects = [effects.clone(), rig.answer_reads(&effects)].concat();
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [1]);
    for _ in 0..3 {
        effects = rig.pong(&effects);
    }
    assert!(
        to_client(&rig.pass(seconds(10)), CLIENT).is_empty(),
        "frame 1 counts as delivered"
    );
}

#[test]
fn what_was_silent_before_the_handler_was_ready_is_judged_together() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    for sequence in 1..100 {
        rig.node_sends(output(sequence, "processed, its acknowledgement lost"));
    }
    rig.sync();
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", None);
    rig.answer_reads(&effects);
    rig.client_sends(stream(
        MessageType::InputStreamData,
        0,
        PayloadType::Size,
        br#"{"cols":80,"rows":24}"#,
    ));
    let effects = rig.pass_with_pongs(millis(300));
    let again = to_client(&effects, CLIENT).len();
    assert!(again <= 99, "one more copy of each at most: {again}");
    assert!(to_client(&rig.pass_with_pongs(seconds(5)), CLIENT).is_empty());
}

#[test]
fn silence_means_nothing_before_the_handler_is_known_to_be_ready() {
    let mut rig = with_unacknowledged_output(false);
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", None);
    let mut effects = [effects.clone(), rig.answer_reads(&effects)].concat();
    for _ in 0..3 {
        effects = rig.pong(&effects);
    }
    assert_eq!(
        numbers(&to_client(&rig.pass(millis(300)), CLIENT)),
        [1],
        "refused, so it is sent again"
    );
}

#[test]
fn silence_of_a_frame_sent_for_the_first_time_means_nothing() {
    let mut rig = Rig::shell();
    rig.client_sends(input(0, "the handler is ready"));
    rig.node_sends(output(0, "x"));
    let effects = rig.pass_with_pongs(millis(300));
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [0]);
}

#[test]
fn a_copy_under_way_on_a_slow_path_is_not_followed_by_another() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "x"));
    let effects = rig.pass(seconds(12));
    assert!(
        to_client(&effects, CLIENT).is_empty(),
        "the ping behind it was not answered"
    );
    let pings = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::PingClient { .. }));
    assert_eq!(pings.count(), 1);
}

#[test]
fn the_same_acknowledgement_is_not_repeated_at_the_pace_of_the_plugin() {
    let mut rig = Rig::shell();
    rig.client_sends(input(0, "x"));
    rig.node_sends(ack_input(0));
    rig.sync();
    let mut answers = 0;
    for _ in 0..30 {
        rig.pass(millis(100));
        answers += to_client(&rig.client_sends(input(0, "x")), CLIENT).len();
    }
    assert!((2..=3).contains(&answers), "{answers} in 3 s");
}

#[test]
fn our_client_confirms_with_one_acknowledgement() {
    let mut rig = Rig::started(shell(), Some(Capabilities::OURS));
    for sequence in 0..3 {
        rig.node_sends(output(sequence, "x"));
    }
    let through_two = r#"{"AcknowledgedMessageSequenceNumber":2,"Cumulative":true}"#;
    rig.client_sends(control(MessageType::Acknowledge, through_two.into()));
    assert!(to_client(&rig.pass(seconds(5)), CLIENT).is_empty());
}

#[test]
fn a_client_far_behind_pauses_the_node_until_half_of_it_is_confirmed() {
    let mut config = shell();
    config.limits.lag_bytes = 1000;
    let mut rig = Rig::started(config, None);
    let mut paused_at = None;
    for sequence in 0..12 {
        let effects = rig.node_sends(output(sequence, "x"));
        if types(&to_node(&effects)).contains(&MessageType::PausePublication) {
            paused_at.get_or_insert(sequence);
        }
    }
    assert_eq!(paused_at, Some(8), "nine frames of 121 bytes");
    // Whatever else goes to the node lets AWS's agent go on, so the pause is said last, again.
    let after_acks = types(&to_node(&rig.sync()));
    assert_eq!(after_acks.last(), Some(&MessageType::PausePublication));
    let after_input = types(&to_node(&rig.client_sends(input(0, "x"))));
    assert_eq!(
        after_input,
        [MessageType::InputStreamData, MessageType::PausePublication]
    );
    let mut started_at = None;
    for sequence in 0..12 {
        let effects = rig.client_sends(ack_output(sequence));
        if types(&to_node(&effects)).contains(&MessageType::StartPublication) {
            started_at.get_or_insert(sequence);
        }
    }
    assert_eq!(started_at, Some(7), "four frames are left");
}

#[test]
fn a_node_that_reconnects_is_paused_again() {
    let mut config = shell();
    config.limits.lag_bytes = 200;
    let mut rig = Rig::started(config, None);
    rig.node_sends(output(0, "x"));
    rig.node_sends(output(1, "x"));
    let effects = rig.node_connects(NODE);
    assert_eq!(
        types(&to_node(&effects)).last(),
        Some(&MessageType::PausePublication)
    );
}

#[test]
fn a_detached_session_pauses_its_node_at_its_quota() {
    let mut config = shell();
    config.limits.lag_bytes = 100;
    config.limits.detached_bytes = 1000;
    let mut rig = Rig::started(config, None);
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    let mut pauses = Vec::new();
    for sequence in 0..9 {
        let effects = rig.node_sends(output(sequence, "x"));
        pauses.push(types(&to_node(&effects)).contains(&MessageType::PausePublication));
    }
    assert_eq!(pauses.iter().position(|paused| *paused), Some(8));
}

#[test]
fn a_node_that_does_not_pause_is_refused_at_twice_the_quota() {
    let mut config = shell();
    config.limits.detached_bytes = 1000;
    let mut rig = Rig::started(config, None);
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    for sequence in 0..100 {
        rig.node_sends(output(sequence, "x"));
    }
    // Of 121 bytes each, the 17th is the first one that brings it beyond.
    assert_eq!(rig.core.faults().no_room, 83);
}

#[test]
fn reading_from_the_node_stops_while_the_journal_is_behind() {
    let mut config = shell();
    config.limits.unsynced_bytes = 1000;
    let mut rig = Rig::started(config, None);
    for sequence in 0..9 {
        assert!(!rig.core.node_output_paused());
        rig.node_sends(output(sequence, "x"));
    }
    assert!(rig.core.node_output_paused());
    for sequence in 9..100 {
        rig.node_sends(output(sequence, "x"));
    }
    assert!(
        rig.core.held_bytes() <= 2000,
        "what comes all the same is refused, and sent again later"
    );
    assert!(rig.core.faults().no_room > 0);
    rig.sync();
    assert!(!rig.core.node_output_paused());
}

#[test]
fn a_watcher_sees_everything_and_holds_nobody_up() {
    let mut config = shell();
    config.limits.lag_bytes = 1000;
    let mut rig = Rig::started(config, None);
    rig.node_sends(output(0, "before"));
    rig.sync();
    let watcher = WatcherAttachment {
        conn: OTHER,
        capabilities: None,
        from: Position::Start,
    };
    let effects = rig.act(|core, now| core.handle_watcher_connected(watcher, now));
    let effects = [effects.clone(), rig.answer_reads(&effects)].concat();
    assert_eq!(numbers(&to_client(&effects, OTHER)), [0]);
    for sequence in 1..50 {
        let effects = rig.node_sends(output(sequence, "x"));
        assert!(!types(&to_node(&effects)).contains(&MessageType::PausePublication));
        rig.client_sends(ack_output(sequence - 1));
    }
}

#[test]
fn a_watcher_cannot_type() {
    let mut rig = Rig::shell();
    let ours = Some(Capabilities::OURS);
    for (conn, capabilities) in [(OTHER, None), (ConnectionId(4), ours)] {
        let watcher = WatcherAttachment {
            conn,
            capabilities,
            from: Position::Live,
        };
        rig.act(|core, now| core.handle_watcher_connected(watcher, now));
        let effects = rig.act(|core, now| core.handle_client_message(conn, input(0, "rm -r /"), now));
        assert!(to_node(&effects).is_empty());
        // AWS's plugin would repeat it for five minutes and then terminate the session.
        assert_eq!(
            acknowledged(&to_client(&effects, conn)).len(),
            usize::from(capabilities.is_none())
        );
    }
    assert_eq!(rig.core.faults().watcher_input, 2);
}

#[test]
fn a_new_owner_waits_for_the_record_and_counts_from_zero() {
    let mut rig = Rig::shell();
    for sequence in 0..3 {
        rig.node_sends(output(sequence, "x"));
    }
    rig.client_sends(ack_output(0));
    rig.sync();
    let attach = AttachKind::Attach {
        from: Position::Unconfirmed,
    };
    let effects = rig.connect(OTHER, attach, "second", None);
    assert!(goodbye(&effects, CLIENT).unwrap().output.contains("taken over"));
    assert!(to_client(&effects, OTHER).is_empty());
    let effects = rig.sync();
    let effects = [effects.clone(), rig.answer_reads(&effects)].concat();
    assert_eq!(
        numbers(&to_client(&effects, OTHER)),
        [0, 1],
        "frames 1 and 2 of the node"
    );
    let effects = rig.connect(ConnectionId(4), AttachKind::Resume, "first", None);
    assert!(
        goodbye(&effects, ConnectionId(4))
            .unwrap()
            .output
            .contains("taken over")
    );
}

#[test]
fn recovery_goes_on_exactly_where_the_journal_says() {
    let mut rig = Rig::shell();
    for sequence in 0..4 {
        rig.node_sends(output(sequence, "x"));
    }
    rig.client_sends(ack_output(0));
    rig.client_sends(ack_output(1));
    rig.node_sends(output(5, "early"));
    let mut recovered = Rig::recover(shell(), &rig.records);
    recovered.node_connects(NODE);
    assert_eq!(acknowledged(&to_node(&recovered.node_sends(output(3, "x")))), [3]);
    assert_eq!(
        acknowledged(&to_node(&recovered.node_sends(output(5, "early")))),
        [5]
    );
    recovered.records = rig.records;
    let effects = recovered.connect(CLIENT, AttachKind::Resume, "first", None);
    let effects = recovered.answer_reads(&effects);
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [2, 3]);
    let effects = recovered.node_sends(output(4, "x"));
    let reads = recovered.answer_reads(&effects);
    assert_eq!(
        numbers(&[to_client(&effects, CLIENT), to_client(&reads, CLIENT)].concat()),
        [4, 5]
    );
}

#[test]
fn a_journal_that_cannot_be_written_ends_the_session_unless_told_otherwise() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "x"));
    let effects = rig.act(|core, now| core.handle_journal_failed("disk full", now));
    assert!(effects.contains(&Effect::TerminateOnNode));
    let effects = [effects, rig.pass(seconds(6))].concat();
    assert!(goodbye(&effects, CLIENT).unwrap().output.contains("disk full"));

    let mut config = shell();
    config.fail_open = true;
    let mut rig = Rig::started(config, None);
    rig.node_sends(output(0, "x"));
    let effects = rig.act(|core, now| core.handle_journal_failed("disk full", now));
    assert!(to_node(&effects).is_empty());
    assert_eq!(
        acknowledged(&to_node(&rig.client_sends(ack_output(0)))),
        [0],
        "the client has it instead"
    );
    rig.node_sends(output(1, "x"));
    assert_eq!(acknowledged(&to_node(&rig.client_sends(ack_output(1)))), [1]);
}

#[test]
fn a_tunnel_acknowledges_what_the_client_has_and_records_none_of_it() {
    let mut rig = Rig::started(tunnel(), Some(Capabilities::OURS));
    rig.node_sends(output(0, "secret"));
    assert!(to_node(&rig.sync()).is_empty());
    rig.client_sends(ack_output(0));
    assert_eq!(acknowledged(&to_node(&rig.sync())), [0]);
    let kept = rig
        .records
        .iter()
        .any(|record| matches!(record, JournalRecord::Output { .. }));
    assert!(!kept);
}

#[test]
fn a_tunnel_without_a_client_is_paused_and_bounded() {
    let mut config = tunnel();
    config.limits.undelivered_bytes = 1000;
    let mut rig = Rig::started(config, Some(Capabilities::OURS));
    let effects = rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    assert_eq!(types(&to_node(&effects)), [MessageType::PausePublication]);
    for sequence in 0..100 {
        rig.node_sends(output(sequence, "x"));
    }
    assert!(rig.core.held_bytes() <= 1000);
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", Some(Capabilities::OURS));
    let sent = numbers(&to_client(&effects, CLIENT));
    assert_eq!(sent, (0..8).collect::<Vec<_>>());
    assert!(matches!(rig.core.faults().no_room, 92));
}

/// A client written by others holds input back on a new connection until it hears from the session, which waits at a prompt.
#[test]
fn a_plain_client_that_comes_back_to_a_prompt_hears_that_the_session_goes_on() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    rig.client_sends(input(0, "x"));
    rig.sync();
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", None);
    assert_eq!(
        types(&to_client(&effects, CLIENT)),
        [MessageType::StartPublication]
    );

    let mut rig = Rig::started(shell(), Some(Capabilities::OURS));
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", Some(Capabilities::OURS));
    assert_eq!(
        types(&to_client(&effects, CLIENT)),
        [MessageType::DrawbridgeHello]
    );
}
