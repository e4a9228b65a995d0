//! One test by name for each hazard of `protocol.md` 13 that the relay answers for, and for the lost acknowledgement of 4.8.
//!
//! The hazards of the two ends are in `hazards.rs`; the whole is proven by `tests/simulation`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relay_rig;

use bytes::Bytes;
use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{AttachKind, ConnectionId, Effect, EndCause, JournalRecord};
use drawbridge_protocol::payload::{self, HandshakeComplete};
use drawbridge_protocol::payload::{AgentSessionState, SessionState, TaskComplete, TaskStatus};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};

use relay_rig::*;

fn handshake_request(sequence: i64) -> Bytes {
    let request = br#"{"AgentVersion":"3.3.987.0","RequestedClientActions":[]}"#;
    stream(
        MessageType::OutputStreamData,
        sequence,
        PayloadType::HandshakeRequest,
        request,
    )
}

fn handshake_response(sequence: i64) -> Bytes {
    let response = br#"{"ClientVersion":"1.2.650.0","ProcessedClientActions":[],"Errors":null}"#;
    stream(
        MessageType::InputStreamData,
        sequence,
        PayloadType::HandshakeResponse,
        response,
    )
}

fn handshake_complete(sequence: i64) -> Bytes {
    let complete = HandshakeComplete {
        handshake_time_to_complete: 1,
        customer_message: String::new(),
    };
    let complete = payload::to_bytes(&complete);
    stream(
        MessageType::OutputStreamData,
        sequence,
        PayloadType::HandshakeComplete,
        &complete,
    )
}

/// A multiplexed tunnel with AWS's programs whose client has answered the handshake.
fn tunnel_in_handshake() -> Rig {
    let mut rig = Rig::started(tunnel(), None);
    rig.node_sends(handshake_request(0));
    rig.client_sends(ack_output(0));
    rig.client_sends(handshake_response(0));
    rig.sync();
    rig
}

/// Hazard 3: whatever reaches AWS's plugin while it sets up multiplexing kills it.
#[test]
fn hazard_03_nothing_follows_handshake_complete_until_the_plugin_speaks() {
    let mut rig = tunnel_in_handshake();
    rig.node_sends(ack_input(0));
    rig.sync();
    let effects = rig.node_sends(handshake_complete(1));
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [1]);
    // Output, late acknowledgements, answers to copies, resends and even the end wait.
    let mut effects = rig.node_sends(output(2, "x"));
    effects.extend(rig.node_sends(ack_input(0)));
    effects.extend(rig.client_sends(handshake_response(0)));
    effects.extend(rig.sync());
    effects.extend(rig.pass(millis(900)));
    assert!(to_client(&effects, CLIENT).is_empty(), "{effects:?}");
    let effects = rig.client_sends(input(1, "SYN"));
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [2]);
}

#[test]
fn hazard_03_a_second_is_enough_for_a_plugin_that_has_nothing_to_say() {
    let mut rig = tunnel_in_handshake();
    rig.node_sends(ack_input(0));
    rig.sync();
    rig.node_sends(handshake_complete(1));
    rig.client_sends(ack_output(1));
    assert!(to_client(&rig.node_sends(output(2, "x")), CLIENT).is_empty());
    assert_eq!(numbers(&to_client(&rig.pass(millis(1001)), CLIENT)), [2]);
}

#[test]
fn hazard_03_the_end_waits_for_the_quiet_time_too() {
    let mut rig = tunnel_in_handshake();
    rig.node_sends(ack_input(0));
    rig.sync();
    rig.node_sends(handshake_complete(1));
    rig.client_sends(ack_output(1));
    let effects = rig.act(|core, now| core.terminate(EndCause::Terminated, "", now));
    let effects = [effects, rig.sync(), rig.pass(millis(900))].concat();
    assert_eq!(goodbye(&effects, CLIENT), None);
    assert!(goodbye(&rig.pass(millis(200)), CLIENT).is_some());
}

/// 6.6: the handshake answer is acknowledged before `HandshakeComplete` goes out, however late the node says so.
#[test]
fn hazard_03_the_answer_is_acknowledged_before_the_handshake_completes() {
    let mut rig = tunnel_in_handshake();
    let effects = rig.node_sends(handshake_complete(1));
    assert!(to_client(&effects, CLIENT).is_empty());
    let sent = to_client(&rig.sync(), CLIENT);
    assert_eq!(
        types(&sent),
        [MessageType::Acknowledge, MessageType::OutputStreamData]
    );
}

#[test]
fn hazard_03_does_not_concern_our_client() {
    let mut rig = Rig::started(tunnel(), Some(Capabilities::OURS));
    rig.node_sends(handshake_request(0));
    rig.client_sends(handshake_response(0));
    rig.node_sends(ack_input(0));
    rig.sync();
    rig.node_sends(handshake_complete(1));
    assert_eq!(numbers(&to_client(&rig.node_sends(output(2, "x")), CLIENT)), [2]);
}

/// Hazard 6: a handshake answer that nobody waits for blocks AWS's agent for good.
#[test]
fn hazard_06_a_second_handshake_answer_does_not_reach_the_node() {
    let mut rig = tunnel_in_handshake();
    let sent = to_node(&rig.client_sends(handshake_response(1)));
    assert_eq!(
        sent[0].payload_type,
        PayloadType::Size,
        "its place is filled, or all that follows would wait for it"
    );
    assert_eq!(sent[0].sequence, 1);
    assert_eq!(rig.core.faults().unasked_answer, 1);
}

#[test]
fn hazard_06_a_session_without_handshake_takes_no_answer() {
    let mut rig = Rig::shell();
    let sent = to_node(&rig.client_sends(handshake_response(0)));
    assert_eq!(sent[0].payload_type, PayloadType::Size);
}

#[test]
fn hazard_06_the_first_answer_may_be_repeated() {
    let mut rig = tunnel_in_handshake();
    rig.client_sends(handshake_response(0));
    rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    let sent = to_node(&rig.node_connects(NODE));
    assert_eq!(sent[0].payload_type, PayloadType::HandshakeResponse);
    assert_eq!(rig.core.faults().unasked_answer, 0);
}

/// The answer of a client in an encrypted session: what it says of its actions.
fn encrypted_answer(sequence: i64, actions: &str) -> Bytes {
    let response =
        format!(r#"{{"ClientVersion":"1.2.650.0","ProcessedClientActions":[{actions}],"Errors":null}}"#);
    stream(
        MessageType::InputStreamData,
        sequence,
        PayloadType::HandshakeResponse,
        response.as_bytes(),
    )
}

fn encrypted_shell_in_handshake() -> Rig {
    let mut config = shell();
    config.encrypted = true;
    let mut rig = Rig::started(config, None);
    rig.node_sends(handshake_request(0));
    rig
}

const DATA_KEY: &str = r#"{"ActionType":"KMSEncryption","ActionStatus":1,"ActionResult":{"KMSCipherTextKey":"AQID","KMSCipherTextHash":null},"Error":""}"#;

/// AWS's agent takes the last of two keys, in whatever case their names are, and binds one to its challenge if it is told
/// to. Whoever plays the recording would be left with another key than the session has.
#[test]
fn an_answer_in_which_the_node_may_read_another_key_than_the_recording_does_not_reach_it() {
    let session = r#"{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}"#;
    let with = |result: &str| {
        let action = r#"{"ActionType":"KMSEncryption","ActionStatus":1,"ActionResult":RESULT,"Error":""}"#;
        action.replace("RESULT", result)
    };
    for actions in [
        String::new(),
        session.to_owned(),
        format!("{DATA_KEY},{DATA_KEY}"),
        with("null"),
        with(r#""AQID""#),
        with(r#"{"KMSCipherTextKey":""}"#),
        with(r#"{"KMSCipherTextKey":"AQ\nID"}"#),
        with(r#"{"kmsciphertextkey":"AQID"}"#),
        with(r#"{"KMSCipherTextKey":"AQID","kmsciphertextkey":"BAUG"}"#),
        with(r#"{"KMSCipherTextKey":"AQID","KMSCipherTextKey":"BAUG"}"#),
        with("{\"KMSCipherTextKey\":\"AQID\",\"\u{212a}MSCipherTextKey\":\"BAUG\"}"),
        with(r#"{"KMSCipherTextKey":"AQID","ChallengeAcknowledgement":true}"#),
        with(r#"{"KMSCipherTextKey":"AQID","challengeacknowledgement":true}"#),
        with(r#"{"KMSCipherTextKey":"AQID"},"actionResult":{"KMSCipherTextKey":"BAUG"}"#),
    ] {
        let mut rig = encrypted_shell_in_handshake();
        let effects = rig.client_sends(encrypted_answer(0, &actions));
        let reached = |frame: &Frame| frame.payload_type == PayloadType::HandshakeResponse;
        assert!(!to_node(&effects).iter().any(reached), "{actions}");
        assert_eq!(rig.core.faults().unclear_answer, 1, "{actions}");
        assert_eq!(rig.core.wrapped_data_key(), None, "{actions}");
        let effects = [effects, rig.sync(), rig.pass(seconds(5))].concat();
        let told = goodbye(&effects, CLIENT).expect("the session ends");
        assert!(told.output.contains("data key"), "{}", told.output);
    }
}

#[test]
fn an_answer_in_which_everybody_reads_one_key_reaches_the_node() {
    let mut rig = encrypted_shell_in_handshake();
    let session = r#"{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}"#;
    let answer = encrypted_answer(0, &format!("{session},{DATA_KEY}"));
    let sent = to_node(&rig.client_sends(answer));
    assert_eq!(sent[0].payload_type, PayloadType::HandshakeResponse);
    assert_eq!(rig.core.wrapped_data_key(), Some(vec![1, 2, 3]));
}

fn said(sequence: i64, payload_type: PayloadType) -> Bytes {
    stream(
        MessageType::OutputStreamData,
        sequence,
        payload_type,
        b"in the clear",
    )
}

/// An agent that knows nothing of keys, or was replaced by another program, begins at once and in the clear.
#[test]
fn nothing_that_a_node_says_before_there_is_a_key_reaches_the_client_or_the_journal() {
    for payload_type in [
        PayloadType::Output,
        PayloadType::StdErr,
        PayloadType::ExitCode,
        PayloadType::Multiplexed,
        PayloadType::Unknown(77),
    ] {
        let mut config = shell();
        config.encrypted = true;
        let mut rig = Rig::started(config, None);
        let effects = rig.node_sends(said(0, payload_type));
        let effects = [
            effects,
            rig.node_sends(said(1, payload_type)),
            rig.sync(),
            rig.pass(seconds(5)),
        ]
        .concat();
        let told = goodbye(&effects, CLIENT).expect("the session ends");
        assert!(told.output.contains("does not encrypt"), "{}", told.output);
        let shown = |frame: &Frame| frame.message_type == MessageType::OutputStreamData;
        assert!(!to_client(&effects, CLIENT).iter().any(shown), "{payload_type:?}");
        let kept = |record: &JournalRecord| matches!(record, JournalRecord::Output { .. });
        assert!(!rig.records.iter().any(kept), "{payload_type:?}");
        assert!(rig.core.faults().in_the_clear > 0);
    }
}

#[test]
fn a_handshake_without_a_key_opens_nothing() {
    let mut rig = encrypted_shell_in_handshake();
    rig.node_sends(handshake_complete(1));
    rig.sync();
    rig.client_sends(ack_output(0));
    rig.client_sends(ack_output(1));
    let effects = rig.node_sends(output(2, "in the clear"));
    let effects = [effects, rig.sync(), rig.pass_with_pongs(seconds(180))].concat();
    assert!(goodbye(&effects, CLIENT).is_some());
    let kept = |record: &JournalRecord| matches!(record, JournalRecord::Output { sequence: 2, .. });
    assert!(!rig.records.iter().any(kept));
}

/// What comes before the end of the handshake because that was lost with a connection is sent again.
#[test]
fn output_ahead_of_the_end_of_the_handshake_waits_for_it() {
    let mut rig = encrypted_shell_in_handshake();
    rig.client_sends(encrypted_answer(0, DATA_KEY));
    let early = rig.node_sends(output(2, "sealed"));
    let early = to_node(&[early, rig.sync()].concat());
    assert!(!acknowledged(&early).contains(&2));
    rig.node_sends(handshake_complete(1));
    rig.client_sends(ack_output(0));
    rig.client_sends(ack_output(1));
    let effects = [
        rig.node_sends(output(2, "sealed")),
        rig.sync(),
        rig.pass(seconds(5)),
    ]
    .concat();
    assert_eq!(goodbye(&effects, CLIENT), None);
    assert!(numbers(&to_client(&effects, CLIENT)).contains(&2));
}

#[test]
fn an_answer_that_says_why_there_is_no_key_reaches_the_node() {
    let session = r#"{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}"#;
    let refused =
        r#"{"ActionType":"KMSEncryption","ActionStatus":2,"ActionResult":null,"Error":"AccessDenied"}"#;
    let unknown = r#"{"ActionType":"SessionType","ActionStatus":2,"ActionResult":null,"Error":"Unknown session type X"}"#;
    let begun = r#"{"ActionType":"KMSEncryption","ActionStatus":1,"ActionResult":null,"Error":""}"#;
    for actions in [format!("{session},{refused}"), format!("{unknown},{begun}")] {
        let mut rig = encrypted_shell_in_handshake();
        let sent = to_node(&rig.client_sends(encrypted_answer(0, &actions)));
        assert_eq!(sent[0].payload_type, PayloadType::HandshakeResponse, "{actions}");
        assert_eq!(rig.core.wrapped_data_key(), None, "{actions}");
    }
}

/// Hazard 8: a client is refused after the upgrade, with words it understands.
#[test]
fn hazard_08_a_client_that_may_not_enter_is_told_so() {
    let mut rig = Rig::shell();
    let effects = rig.connect(OTHER, AttachKind::Resume, "somebody else", None);
    assert!(!goodbye(&effects, OTHER).unwrap().output.is_empty());
    assert_eq!(
        numbers(&to_client(&rig.node_sends(output(0, "x")), CLIENT)),
        [0],
        "the owner is undisturbed"
    );
}

/// Hazard 9: a malformed request draws no answer at all.
#[test]
fn hazard_09_a_start_without_an_answer_times_out() {
    let mut rig = Rig::new(shell());
    rig.connect(CLIENT, AttachKind::Start, "first", None);
    let effects = [rig.pass(seconds(31)), rig.sync()].concat();
    assert_eq!(ended(&effects).unwrap().cause, EndCause::StartTimeout);
}

/// Hazard 11: the plugin drops stream data, without a word, before its handler is ready.
#[test]
fn hazard_11_refused_output_is_sent_again_until_the_handler_takes_it() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    rig.node_sends(output(1, "refused"));
    // Two and three are kept by the plugin and acknowledged, one is not.
    rig.node_sends(output(2, "kept"));
    rig.client_sends(ack_output(2));
    let again = numbers(&to_client(&rig.pass_with_pongs(seconds(2)), CLIENT));
    assert!(
        again.len() >= 2 && again.iter().all(|sequence| *sequence == 1),
        "{again:?}"
    );
    rig.client_sends(ack_output(1));
    assert!(to_client(&rig.pass_with_pongs(seconds(5)), CLIENT).is_empty());
}

/// Hazard 14: the node's handshake deadline runs from its arrival.
#[test]
fn hazard_14_the_client_comes_first() {
    let mut rig = Rig::new(tunnel());
    assert!(!rig.pass(seconds(60)).contains(&Effect::StartOnNode));
    assert!(
        rig.connect(CLIENT, AttachKind::Start, "first", None)
            .contains(&Effect::StartOnNode)
    );
}

/// Hazard 15: the plugin pings every 5 minutes only, so the server does.
#[test]
fn hazard_15_clients_are_pinged_every_half_minute() {
    let mut rig = Rig::shell();
    let effects = rig.pass_with_pongs(seconds(301));
    let pings = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::PingClient { .. }));
    assert_eq!(pings.count(), 10);
}

/// Hazard 19: a handshake frame out of order is shown to the user of AWS's plugin.
#[test]
fn hazard_19_frames_are_delivered_in_order_whatever_order_they_come_in() {
    let mut rig = Rig::started(tunnel(), None);
    let effects = rig.node_sends(handshake_complete(1));
    assert!(to_client(&effects, CLIENT).is_empty());
    let effects = rig.node_sends(handshake_request(0));
    assert_eq!(numbers(&to_client(&effects, CLIENT)), [0, 1]);
}

/// Hazard 20 and 4.8: the agent writes a frame before it stores it, and an early acknowledgement finds nothing.
#[test]
fn hazard_20_a_frame_is_acknowledged_as_often_as_the_agent_sends_it() {
    for config in [shell(), tunnel()] {
        let mut rig = Rig::started(config, None);
        rig.node_sends(output(0, "x"));
        rig.sync();
        rig.client_sends(ack_output(0));
        rig.sync();
        for _ in 0..5 {
            let effects = rig.node_sends(output(0, "x"));
            assert_eq!(acknowledged(&to_node(&effects)), [0]);
            assert!(to_client(&effects, CLIENT).is_empty());
        }
    }
}

/// Hazard 20: acknowledgements survive a change of the client's connection.
#[test]
fn hazard_20_no_acknowledgement_is_lost_across_a_client_swap() {
    let mut rig = Rig::shell();
    rig.client_sends(input(0, "x"));
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    rig.node_sends(ack_input(0));
    rig.sync();
    rig.connect(CLIENT, AttachKind::Resume, "first", None);
    assert_eq!(
        acknowledged(&to_client(&rig.client_sends(input(0, "x")), CLIENT)),
        [0]
    );
}

/// Hazard 21: nothing is dropped while no client is there.
#[test]
fn hazard_21_output_waits_for_the_client_that_resumes() {
    let mut rig = Rig::shell();
    rig.node_sends(output(0, "$ "));
    rig.client_sends(ack_output(0));
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    for sequence in 1..50 {
        rig.node_sends(output(sequence, "x"));
    }
    assert_eq!(acknowledged(&to_node(&rig.sync())), (0..50).collect::<Vec<_>>());
    assert_eq!(rig.core.held_bytes(), 0, "it is in the journal");
    let effects = rig.connect(CLIENT, AttachKind::Resume, "first", None);
    let effects = rig.answer_reads(&effects);
    assert_eq!(numbers(&to_client(&effects, CLIENT)), (1..50).collect::<Vec<_>>());
}

/// Hazard 22: the node's reports are for the server.
#[test]
fn hazard_22_session_states_are_not_relayed() {
    let mut rig = Rig::shell();
    let state = AgentSessionState {
        schema_version: 1,
        session_state: SessionState::Connected,
        session_id: "session".to_owned(),
        exit_code: None,
    };
    let effects = rig.node_sends(control(MessageType::AgentSessionState, payload::to_bytes(&state)));
    assert!(effects.is_empty());
    assert!(to_client(&rig.node_sends(terminating(None)), CLIENT).is_empty());
}

/// Hazard 23: the newest connection of either end wins.
#[test]
fn hazard_23_a_newer_connection_replaces_the_older_one() {
    let mut rig = Rig::shell();
    let effects = rig.connect(OTHER, AttachKind::Resume, "first", None);
    assert!(effects.contains(&Effect::CloseClient { conn: CLIENT }));
    assert_eq!(
        to_client(&effects, CLIENT),
        [],
        "the same process must not believe that the session is over"
    );
    let effects = rig.node_connects(ConnectionId(4));
    assert!(effects.contains(&Effect::CloseNode { conn: NODE }));
    // The old connections say goodbye late, and nobody minds.
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    let effects = rig.act(|core, now| core.handle_node_message(ConnectionId(4), output(0, "x"), now));
    assert_eq!(numbers(&to_client(&effects, OTHER)), [0]);
}

/// Hazard 36: a failed session is reported twice.
#[test]
fn hazard_36_the_first_of_two_reports_counts() {
    let mut rig = Rig::shell();
    rig.act(|core, now| core.handle_node_disconnected(NODE, now));
    let mut effects = Vec::new();
    for reason in ["first", "second"] {
        let complete = TaskComplete::new("session", "node", TaskStatus::Failed, reason);
        effects.extend(rig.act(|core, now| core.handle_task_complete(&complete, now)));
    }
    effects.extend(rig.sync());
    assert_eq!(ended(&effects).unwrap().output, "first");
}

/// 5.5: the agent marks its handshake complete just after it has said so, and drops input that comes in between.
#[test]
fn input_is_kept_back_for_a_moment_after_the_agents_handshake() {
    let mut rig = tunnel_in_handshake();
    rig.node_sends(ack_input(0));
    rig.node_sends(handshake_complete(1));
    assert!(to_node(&rig.client_sends(input(1, "too soon"))).is_empty());
    assert_eq!(numbers(&to_node(&rig.pass(millis(60)))), [1]);
}

/// 4.6: a reconnect ends a pause, and so does every acknowledgement and every input.
#[test]
fn a_pause_is_always_the_last_word() {
    let mut rig = Rig::started(tunnel(), None);
    rig.act(|core, now| core.handle_client_disconnected(CLIENT, now));
    let effects = [rig.node_connects(NODE), rig.pass(seconds(1))].concat();
    assert_eq!(
        types(&to_node(&effects)).last(),
        Some(&MessageType::PausePublication)
    );
}

/// Attack 5: the replay of a whole old session changes nothing.
#[test]
fn a_replayed_session_is_acknowledged_and_delivered_once() {
    let mut rig = Rig::shell();
    for round in 0..2 {
        for sequence in 0..20 {
            let effects = rig.node_sends(output(sequence, "x"));
            assert_eq!(to_client(&effects, CLIENT).len(), usize::from(round == 0));
            rig.client_sends(ack_output(sequence));
            rig.sync();
        }
    }
    let outputs = rig
        .records
        .iter()
        .filter(|record| matches!(record, JournalRecord::Output { .. }));
    assert_eq!(outputs.count(), 20);
}
