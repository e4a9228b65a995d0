//! How sessions start and end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relay_rig;

use bytes::Bytes;
use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{
    AttachKind, ConnectionId, Effect, EndCause, Position, RelayCore, RelayState, WatcherAttachment,
};
use drawbridge_protocol::payload::{TaskComplete, TaskStatus};
use drawbridge_protocol::wire::MessageType;

use relay_rig::*;

fn complete(status: TaskStatus, output: &str) -> TaskComplete {
    TaskComplete::new("session", "node", status, output)
}

/// Says that a client has heard of the end.
fn confirmation() -> Bytes {
    control(MessageType::ChannelClosed, Bytes::from_static(b"{}"))
}

#[test]
fn the_node_is_asked_once_a_client_is_there() {
    let mut rig = Rig::new(shell());
    assert!(!rig.pass(seconds(5)).contains(&Effect::StartOnNode));
    let effects = rig.connect(CLIENT, AttachKind::Start, "first", None);
    assert!(effects.contains(&Effect::StartOnNode));
    let effects = rig.node_connects(NODE);
    assert!(effects.contains(&Effect::StateChanged(RelayState::Connected)));
}

#[test]
fn a_session_without_a_client_ends() {
    let mut rig = Rig::new(shell());
    let effects = rig.pass(seconds(181));
    assert_eq!(ended(&effects), None, "the end is being recorded");
    let outcome = ended(&rig.sync()).unwrap();
    assert_eq!(outcome.cause, EndCause::NoClient);
}

#[test]
fn a_node_that_never_comes_is_asked_again_and_then_given_up() {
    let mut rig = Rig::new(shell());
    rig.connect(CLIENT, AttachKind::Start, "first", None);
    let effects = rig.pass(seconds(29));
    assert_eq!(
        effects
            .iter()
            .filter(|effect| **effect == Effect::StartOnNode)
            .count(),
        2
    );
    let effects = [rig.pass(seconds(2)), rig.sync()].concat();
    assert!(effects.contains(&Effect::TerminateOnNode));
    assert!(
        goodbye(&effects, CLIENT)
            .unwrap()
            .output
            .contains("did not start")
    );
    assert_eq!(ended(&effects).unwrap().cause, EndCause::StartTimeout);
}

#[test]
fn goodbye_comes_after_the_last_output_is_confirmed() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "bye\r\n"));
    rig.sync();
    let effects = rig.node_sends(terminating(Some(3)));
    assert!(effects.contains(&Effect::StateChanged(RelayState::Terminating)));
    assert_eq!(goodbye(&effects, CLIENT), None);
    let effects = [rig.client_sends(ack_output(0)), rig.sync()].concat();
    let closed = goodbye(&effects, CLIENT).unwrap();
    assert_eq!(
        (closed.output.as_str(), closed.exit_code),
        ("", None),
        "AWS's plugin is told nothing new"
    );
    assert_eq!(ended(&effects), None, "the node has not hung up");
    let effects = rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    let outcome = ended(&effects).unwrap();
    assert_eq!((outcome.cause, outcome.exit_code), (EndCause::Finished, Some(3)));
}

#[test]
fn our_client_learns_the_exit_code() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(terminating(Some(3)));
    assert_eq!(goodbye(&rig.sync(), CLIENT).unwrap().exit_code, Some(3));
}

#[test]
fn a_report_that_overtakes_the_exit_code_does_not_lose_it() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(output(0, "bye"));
    let complete = complete(TaskStatus::Success, "");
    rig.act(|core, now| core.handle_task_complete(&complete, now));
    rig.node_sends(terminating(Some(3)));
    rig.client_sends(ack_output(0));
    let mut effects = rig.sync();
    effects.extend(rig.act(|core, now| core.handle_node_disconnected(NODE, now)));
    effects.extend(rig.sync());
    assert_eq!(goodbye(&effects, CLIENT).unwrap().exit_code, Some(3));
}

#[test]
fn our_node_is_told_when_its_end_was_taken() {
    let mut rig = Rig::started(with_our_node(shell()), None);
    rig.node_sends(terminating(None));
    assert!(types(&to_node(&rig.sync())).contains(&MessageType::ChannelClosed));
}

#[test]
fn waits_no_longer_than_a_client_makes_progress() {
    let mut rig = Rig::shell();
    for sequence in 0..2 {
        rig.node_sends(output(sequence, "x"));
    }
    rig.node_sends(terminating(None));
    rig.sync();
    // Its pongs say that it is there.
    let stays = |rig: &mut Rig| {
        let mut effects = Vec::new();
        for _ in 0..8 {
            effects.extend(rig.pass(seconds(11)));
            rig.pong_all();
        }
        goodbye(&effects, CLIENT)
    };
    assert_eq!(stays(&mut rig), None);
    assert_eq!(goodbye(&rig.client_sends(ack_output(0)), CLIENT), None);
    assert_eq!(stays(&mut rig), None);
    assert!(goodbye(&rig.pass(seconds(3)), CLIENT).is_some());
}

#[test]
fn a_client_that_is_reconnecting_still_gets_the_end() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "bye"));
    rig.sync();
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    rig.node_sends(terminating(None));
    rig.sync();
    rig.pass(seconds(2));
    let effects = rig.connect(OTHER, AttachKind::Resume, "first", None);
    let effects = rig.answer_reads(&effects);
    assert_eq!(numbers(&to_client(&effects, OTHER)), [0]);
    let effects = rig.act(|core, now| core.handle_client_message(OTHER, ack_output(0), now));
    assert!(goodbye(&effects, OTHER).is_some());
}

#[test]
fn a_client_that_comes_back_late_gets_the_last_words_and_the_exit_code() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    rig.pass(seconds(3600));
    rig.node_sends(output(0, "bye"));
    rig.node_sends(terminating(Some(3)));
    let mut effects = rig.sync();
    effects.extend(rig.act(|core, now| core.handle_node_disconnected(NODE, now)));
    effects.extend(rig.pass(seconds(89)));
    assert_eq!(ended(&effects), None);
    let effects = rig.connect(OTHER, AttachKind::Resume, "first", Some(Capabilities::OURS));
    let effects = rig.answer_reads(&effects);
    assert_eq!(numbers(&to_client(&effects, OTHER)), [0]);
    // As patiently as one that was there all the time.
    assert_eq!(goodbye(&rig.pass(seconds(4)), OTHER), None);
    let effects = rig.act(|core, now| core.handle_client_message(OTHER, ack_output(0), now));
    assert_eq!(goodbye(&effects, OTHER).unwrap().exit_code, Some(3));
    let effects = rig.act(|core, now| core.handle_client_message(OTHER, confirmation(), now));
    assert_eq!(ended(&effects).unwrap().exit_code, Some(3));
}

#[test]
fn an_end_that_was_not_heard_is_told_again() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(terminating(Some(3)));
    assert!(goodbye(&rig.sync(), CLIENT).unwrap().confirm);
    let mut effects = rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    // What it had sent before it heard of the end means nothing any more, and is no fault.
    effects.extend(rig.client_sends(ack_output(0)));
    effects.extend(rig.act(|core, now| core.handle_client_disconnected(CLIENT, now)));
    effects.extend(rig.pass(seconds(89)));
    // Whoever else comes is told, and is none that anybody waits for.
    effects.extend(rig.connect(
        ConnectionId(5),
        AttachKind::Resume,
        "second",
        Some(Capabilities::OURS),
    ));
    assert!(!goodbye(&effects, ConnectionId(5)).unwrap().confirm);
    assert_eq!(ended(&effects), None);
    let effects = rig.connect(OTHER, AttachKind::Resume, "first", Some(Capabilities::OURS));
    let told = goodbye(&effects, OTHER).unwrap();
    assert_eq!((told.exit_code, told.confirm), (Some(3), true));
    // Its old connection has no say.
    assert_eq!(ended(&rig.client_sends(confirmation())), None);
    let effects = rig.act(|core, now| core.handle_client_message(OTHER, confirmation(), now));
    assert!(effects.contains(&Effect::CloseClient { conn: OTHER }));
    assert_eq!(ended(&effects).unwrap().exit_code, Some(3));
}

#[test]
fn a_confirmed_end_waits_for_the_node_alone() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(terminating(Some(3)));
    rig.sync();
    assert_eq!(ended(&rig.client_sends(confirmation())), None);
    assert!(ended(&rig.pass(seconds(4))).is_some());
}

#[test]
fn an_owner_that_never_confirms_is_given_up() {
    let finished = || {
        let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
        rig.node_sends(terminating(Some(3)));
        rig.sync();
        rig
    };
    let effects = finished().pass(seconds(91));
    assert!(ended(&effects).is_some() && effects.contains(&Effect::CloseClient { conn: CLIENT }));

    let mut rig = finished();
    let mut effects = Vec::new();
    for number in 0..4 {
        assert_eq!(ended(&effects), None);
        let conn = ConnectionId(100 + number);
        rig.connect(conn, AttachKind::Resume, "first", Some(Capabilities::OURS));
        effects.extend(rig.pass(seconds(60)));
    }
    assert!(ended(&effects).is_some());
}

#[test]
fn a_client_that_has_all_output_still_comes_back_for_the_exit_code() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    rig.node_sends(terminating(Some(3)));
    let effects = [rig.sync(), rig.pass(seconds(60))].concat();
    assert_eq!(ended(&effects), None);
    let effects = rig.connect(OTHER, AttachKind::Resume, "first", Some(Capabilities::OURS));
    assert_eq!(goodbye(&effects, OTHER).unwrap().exit_code, Some(3));
}

#[test]
fn a_client_that_does_not_come_back_is_not_waited_for_forever() {
    for code in [None, Some(3)] {
        let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
        rig.node_sends(output(0, "bye"));
        rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
        rig.node_sends(terminating(code));
        let mut effects = rig.sync();
        effects.extend(rig.act(|core, now| core.handle_node_disconnected(NODE, now)));
        effects.extend(rig.pass(seconds(91)));
        assert_eq!(ended(&effects).unwrap().exit_code, code);
    }
}

#[test]
fn nobody_is_waited_for_who_left_for_good_or_was_ended() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(output(0, "bye"));
    rig.node_sends(terminating(Some(3)));
    rig.client_sends(confirmation());
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    let mut effects = rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    effects.extend(rig.sync());
    assert!(ended(&effects).is_some());

    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(output(0, "bye"));
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    let mut effects = rig.act(|core, now| core.terminate(EndCause::Terminated, "", now));
    effects.extend(rig.sync());
    effects.extend(rig.act(|core, now| core.handle_node_disconnected(NODE, now)));
    assert_eq!(ended(&effects), None, "it may be about to come back");
    effects.extend(rig.pass(seconds(6)));
    assert!(ended(&effects).is_some());
}

#[test]
fn a_client_that_comes_and_goes_keeps_no_end_waiting_forever() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    rig.node_sends(output(0, "bye"));
    rig.node_sends(terminating(Some(3)));
    let mut effects = rig.sync();
    effects.extend(rig.act(|core, now| core.handle_node_disconnected(NODE, now)));
    let mut conn = CLIENT;
    for round in 0..4 {
        effects.extend(rig.act(|core, now| core.handle_client_disconnected(conn, now)));
        effects.extend(rig.pass(seconds(80)));
        conn = ConnectionId(100 + round);
        effects.extend(rig.connect(conn, AttachKind::Resume, "first", Some(Capabilities::OURS)));
    }
    assert!(ended(&effects).is_some());
}

#[test]
fn an_end_reported_aside_waits_for_the_node_to_hang_up() {
    let mut rig = Rig::shell();
    rig.act(|core, now| core.handle_task_complete(&complete(TaskStatus::Success, ""), now));
    rig.sync();
    // The report took another way than this.
    let effects = rig.node_sends(output(0, "the last words"));
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [0]);
    rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    let effects = [rig.client_sends(ack_output(0)), rig.sync()].concat();
    assert!(goodbye(&effects, CLIENT).is_some());
    assert_eq!(ended(&effects).unwrap().cause, EndCause::Finished);
}

#[test]
fn an_end_waits_for_output_that_had_no_room() {
    let mut config = tunnel();
    config.limits.undelivered_bytes = 300;
    let mut rig = Rig::started(with_our_node(config), Some(Capabilities::OURS));
    for sequence in 0..3 {
        rig.node_sends(output(sequence, "x"));
    }
    assert_eq!(rig.core.faults().no_room, 1);
    rig.node_sends(terminating(None));
    rig.client_sends(ack_output(0));
    rig.client_sends(ack_output(1));
    assert_eq!(goodbye(&rig.sync(), CLIENT), None);
    let effects = rig.node_sends(output(2, "x"));
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [2]);
    let effects = [rig.client_sends(ack_output(2)), rig.sync()].concat();
    assert!(goodbye(&effects, CLIENT).is_some());
}

#[test]
fn an_owner_does_not_wait_long_for_those_who_watch() {
    let mut rig = Rig::started(with_our_node(shell()), Some(Capabilities::OURS));
    let watcher = WatcherAttachment {
        conn: OTHER,
        capabilities: Some(Capabilities::OURS),
        from: Position::Live,
    };
    rig.act(|core, now| core.handle_watcher_connected(watcher, now));
    rig.node_sends(output(0, "bye"));
    rig.node_sends(terminating(Some(3)));
    rig.client_sends(ack_output(0));
    assert_eq!(
        goodbye(&[rig.sync(), rig.pass(seconds(4)), rig.sync()].concat(), CLIENT),
        None
    );
    let effects = [rig.pass(seconds(2)), rig.sync()].concat();
    assert_eq!(goodbye(&effects, CLIENT).unwrap().exit_code, Some(3));
}

#[test]
fn an_end_waits_for_a_node_that_has_to_connect_anew_to_send_the_rest() {
    for returns in [true, false] {
        let mut rig = Rig::shell();
        rig.node_sends(output(1, "early"));
        rig.node_sends(terminating(None));
        let effects = rig.act(|core, now| core.handle_node_disconnected(NODE, now));
        assert_eq!(goodbye(&[effects, rig.sync()].concat(), CLIENT), None);
        if returns {
            rig.node_connects(OTHER);
            rig.act(|core, now| core.handle_node_message(OTHER, output(0, "late"), now));
            rig.sync();
            rig.client_sends(ack_output(0));
            let effects = [rig.client_sends(ack_output(1)), rig.sync()].concat();
            assert!(goodbye(&effects, CLIENT).is_some());
        } else {
            let effects = rig.pass(seconds(59));
            assert_eq!(ended(&effects), None);
            assert!(ended(&[rig.pass(seconds(40)), rig.sync()].concat()).is_some());
        }
    }
}

#[test]
fn an_end_waits_for_output_that_is_missing() {
    let mut rig = Rig::shell();
    rig.node_sends(output(1, "early"));
    rig.node_sends(terminating(None));
    assert_eq!(goodbye(&rig.sync(), CLIENT), None);
    rig.node_sends(output(0, "late"));
    rig.sync();
    rig.client_sends(ack_output(0));
    let effects = [rig.client_sends(ack_output(1)), rig.sync()].concat();
    assert!(goodbye(&effects, CLIENT).is_some());
}

#[test]
fn a_failure_is_told_in_the_nodes_words_and_the_first_report_counts() {
    let mut rig = Rig::shell();
    let first = complete(TaskStatus::Failed, "Unable to start shell");
    let second = complete(TaskStatus::Failed, "something else");
    rig.act(|core, now| core.handle_task_complete(&first, now));
    rig.act(|core, now| core.handle_task_complete(&second, now));
    let effects = rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    let effects = [effects, rig.sync()].concat();
    assert_eq!(goodbye(&effects, CLIENT).unwrap().output, "Unable to start shell");
    assert_eq!(ended(&effects).unwrap().cause, EndCause::Failed);
}

#[test]
fn terminating_tells_the_node_on_both_channels_and_everybody_who_looks() {
    let mut rig = Rig::shell();
    let watcher = WatcherAttachment {
        conn: OTHER,
        capabilities: None,
        from: Position::Live,
    };
    rig.act(|core, now| core.handle_watcher_connected(watcher, now));
    let effects = rig.act(|core, now| core.terminate(EndCause::Terminated, "By an administrator.", now));
    assert!(effects.contains(&Effect::TerminateOnNode));
    assert_eq!(types(&to_node(&effects)), [MessageType::ChannelClosed]);
    let effects = rig.sync();
    assert_eq!(goodbye(&effects, CLIENT).unwrap().output, "By an administrator.");
    assert!(goodbye(&effects, OTHER).is_some());
    let effects = rig.pass(seconds(4));
    assert!(
        effects.contains(&Effect::CloseNode { conn: NODE }),
        "a node that does not hang up is cut off"
    );
    assert!(ended(&effects).is_some());
}

#[test]
fn nothing_follows_the_end() {
    let mut rig = Rig::shell();
    rig.act(|core, now| core.terminate(EndCause::Terminated, "", now));
    rig.sync();
    let effects = rig.pass(seconds(4));
    assert!(matches!(effects.last(), Some(Effect::Ended { .. })));
    assert_eq!(rig.core.poll_timeout(), None);
    let effects = [
        rig.node_sends(output(0, "x")),
        rig.client_sends(input(0, "x")),
        rig.connect(OTHER, AttachKind::Resume, "first", None),
        rig.node_connects(NODE),
        rig.act(|core, now| core.terminate(EndCause::Idle, "", now)),
        rig.act(RelayCore::handle_timeout),
    ];
    assert!(effects.iter().all(Vec::is_empty), "{effects:?}");
}

#[test]
fn a_node_gone_for_too_long_ends_the_session() {
    let mut rig = Rig::shell();
    rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    rig.pass(seconds(50));
    rig.node_connects(NODE);
    rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    assert!(!rig.pass(seconds(59)).contains(&Effect::TerminateOnNode));
    let effects = [rig.pass(seconds(2)), rig.sync()].concat();
    assert!(
        effects.contains(&Effect::TerminateOnNode),
        "AWS's agent may live on without a channel"
    );
    assert_eq!(ended(&effects).unwrap().cause, EndCause::NodeLost);
}

#[test]
fn a_shell_outlives_its_client_and_a_tunnel_does_not() {
    for (config, ends) in [(shell(), false), (tunnel(), true)] {
        let mut rig = Rig::started(config, None);
        rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
        let effects = [rig.pass(seconds(89)), rig.sync()].concat();
        assert!(!effects.contains(&Effect::TerminateOnNode));
        let effects = rig.pass(seconds(3600));
        assert_eq!(effects.contains(&Effect::TerminateOnNode), ends);
    }
}

#[test]
fn our_client_may_say_goodbye_and_a_plain_one_may_not() {
    for (capabilities, ends) in [(Some(Capabilities::OURS), true), (None, false)] {
        let mut rig = Rig::started(tunnel(), capabilities);
        let effects = rig.client_sends(confirmation());
        assert_eq!(effects.contains(&Effect::TerminateOnNode), ends);
    }
}

#[test]
fn an_end_survives_a_crash() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "bye"));
    rig.node_sends(terminating(Some(4)));
    let records = rig.records.clone();
    let mut rig = Rig::recover(shell(), &records);
    rig.records = records;
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", None);
    let effects = rig.answer_reads(&effects);
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [0]);
    let effects = [rig.client_sends(ack_output(0)), rig.sync()].concat();
    assert!(goodbye(&effects, CLIENT).is_some());
    assert_eq!(ended(&effects).unwrap().exit_code, Some(4));
}

#[test]
fn a_relay_that_crashed_before_the_start_starts_once_its_client_returns() {
    let mut rig = Rig::recover(shell(), &[]);
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", None);
    assert!(effects.contains(&Effect::StartOnNode));
}

#[test]
fn a_quiet_session_sleeps() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    rig.sync();
    let effects = rig.pass_with_pongs(seconds(600));
    assert!(
        effects.len() < 60,
        "a ping every 30 s and now and then a record: {}",
        effects.len()
    );
}

#[test]
fn a_tunnel_waits_for_a_laptop_that_sleeps_and_not_for_a_client_that_never_says_goodbye() {
    for (capabilities, waits) in [(Some(Capabilities::OURS), true), (None, false)] {
        let mut rig = Rig::started(with_our_node(tunnel()), capabilities);
        rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
        let mut effects = rig.pass(seconds(120));
        effects.extend(rig.sync());
        effects.extend(rig.pass(seconds(30)));
        assert_eq!(ended(&effects).is_none(), waits, "{capabilities:?}");
    }
}
