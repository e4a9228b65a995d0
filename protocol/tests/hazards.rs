//! One test by name for each hazard of `protocol.md` 13 that the cores of this crate answer for.
//!
//! The rest is answered for elsewhere, because it is not about the messages of a single end:
//!
//! | hazard | where |
//! |---|---|
//! | 3 (quiet after HandshakeComplete), 9 (start timeout), 20 (answer a node's duplicates), 21 (buffer without a client), 22 (what is not relayed), 23 (newest socket wins) | the relay: `relay_hazards.rs` and `tests/simulation` |
//! | 4 (201 and TokenValue), 13 (StreamUrl keeps routing), 24 (single-use tokens) | `services/ssmmessages` |
//! | 5, 7, 26, 27, 29, 30, 32 (shapes of the API's answers, ids, documents) | `services/ssm`, `session` |
//! | 8 (refuse after the upgrade), 15 (answer pings), 25 (ping before the text frame), 33 (signature of the gateway's paths) | `server/gateway`, `server/relay` |
//! | 16, 18, 31, 38 (back-off, prompt, endpoints, status of a cancelled session) | `agent` |
//! | 28 (versions to report) | `bin/agent`, `bin/plugin` |
//! | 39 (smux) | with port forwarding |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ends;

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::PeerMisbehaved;
use drawbridge_protocol::control_channel::ServerControl;
use drawbridge_protocol::control_channel::node as node_control_events;
use drawbridge_protocol::control_channel::server as server_control_events;
use drawbridge_protocol::data_channel::client::Event as ClientEvent;
use drawbridge_protocol::data_channel::node::{Event as NodeEvent, State};
use drawbridge_protocol::payload::{
    self, ActionType, ProcessedAction, SessionType, TaskAcknowledge, TaskComplete, TaskStatus,
};
use drawbridge_protocol::wire::{DecodeError, Frame, MessageType, PayloadType};
use drawbridge_protocol::{MessageIds, Token, Transmit};
use serde_json::{Value, json};

use ends::*;

/// Hazard 1: a text frame kills AWS's plugin and the control channel of its agent.
#[test]
fn hazard_01_text_is_only_ever_the_first_message_towards_a_server() {
    let mut client = shell_client();
    client.send_input("ls\r".into());
    client.handle_message(output(1, "more"), at(1)).unwrap();
    assert!(
        !client_frames(&mut client, at(1)).is_empty(),
        "frames() panics on text"
    );

    let mut node = our_node();
    node.send_state(State::Connected);
    node.send_output(PayloadType::Output, "$ ".into());
    assert!(!node_frames(&mut node, at(1)).is_empty());

    let mut server = server_control(OUR_NODE_OPENS);
    server.start(interactive_shell(SESSION));
    server.terminate(SESSION);
    assert_eq!(
        frames(std::iter::from_fn(|| server.poll_transmit(at(1)))).len(),
        2
    );
}

/// Hazard 2: readers index by the header length, and nothing may be shorter than they assume.
#[test]
fn hazard_02_every_header_is_116_bytes_and_no_payload_is_empty() {
    let mut client = shell_client();
    client.send_input(Bytes::new());
    client.send_input("x".into());
    client.send_flag(2);
    let mut node = our_node();
    node.send_state(State::Connected);
    node.send_output(PayloadType::Output, Bytes::new());
    node.send_output(PayloadType::Output, "x".into());
    node.handle_message(input(0, "y"), at(0)).unwrap();
    let mut control = node_control();
    control.complete(TaskComplete::new(SESSION, NODE, TaskStatus::Success, ""), at(0));
    let from_client = std::iter::from_fn(|| client.poll_transmit(at(0)));
    let from_node = std::iter::from_fn(|| node.poll_transmit(at(0)));
    let from_control = std::iter::from_fn(|| control.poll_transmit(at(0)));
    let messages: Vec<_> = from_client.chain(from_node).chain(from_control).collect();
    assert_eq!(messages.len(), 6);
    for message in messages {
        let Transmit::Binary(bytes) = message else {
            panic!("{message:?}")
        };
        assert_eq!(bytes[..4], 116_u32.to_be_bytes());
        assert!(bytes.len() > 120);
    }
}

/// Hazard 3, the node's part: no acknowledgement of the handshake trails behind its end, into the time in which AWS's
/// plugin is not ready for any frame.
#[test]
fn hazard_03_the_response_is_acknowledged_before_the_handshake_completes() {
    let mut node = node();
    node.begin_handshake(SessionType::Port, json!({"portNumber": "80"}), at(0));
    node_frames(&mut node, at(0));
    let done = vec![ProcessedAction::success(ActionType::SessionType)];
    node.handle_message(handshake_response(0, done), at(10)).unwrap();
    let frames = node_frames(&mut node, at(10));
    assert_eq!(frames[0].message_type, MessageType::Acknowledge);
    assert_eq!(frames[1].payload_type, PayloadType::HandshakeComplete);
    assert_eq!(frames.len(), 2, "and nothing after it");
}

/// Hazard 6: a second HandshakeResponse blocks AWS's agent for good.
#[test]
fn hazard_06_a_client_answers_a_handshake_exactly_once() {
    let mut client = client();
    let request = handshake_request(0, vec![port_action()]);
    client.handle_message(request.clone(), at(0)).unwrap();
    client.handle_message(request, at(1)).unwrap();
    let again = handshake_request(1, vec![port_action()]);
    let refused = client.handle_message(again, at(2));
    assert!(matches!(
        refused,
        Err(PeerMisbehaved::UnexpectedPayload(PayloadType::HandshakeRequest))
    ));
    let sent = client_frames(&mut client, at(3));
    assert_eq!(
        acknowledged(&sent),
        [0, 0, 1],
        "all three are acknowledged all the same"
    );
    let responses = stream_data(sent);
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].payload_type, PayloadType::HandshakeResponse);
}

/// Hazard 6: input before the handshake is complete kills AWS's agent when the session is encrypted.
#[test]
fn hazard_06_a_client_sends_no_input_before_the_handshake_is_complete() {
    let mut client = client();
    client.send_input("early".into());
    client
        .handle_message(handshake_request(0, vec![port_action()]), at(0))
        .unwrap();
    assert_eq!(client.input_capacity(), 0);
    client.send_input(" and less early".into());
    let before = stream_data(client_frames(&mut client, at(0)));
    assert_eq!(
        before.iter().map(|frame| frame.payload_type).collect::<Vec<_>>(),
        [PayloadType::HandshakeResponse]
    );
    client.handle_message(handshake_complete(1, ""), at(1)).unwrap();
    let after = stream_data(client_frames(&mut client, at(1)));
    let sent: Vec<_> = after
        .iter()
        .map(|frame| (frame.sequence, frame.payload.as_ref()))
        .collect();
    assert_eq!(sent, [(1, b"early".as_ref()), (2, b" and less early")]);
    assert!(client.input_capacity() > 0);
}

/// Hazard 6, the other way: a client that answers twice does not block our node.
#[test]
fn hazard_06_a_second_response_does_not_block_a_node() {
    let mut node = node();
    node.begin_handshake(SessionType::Port, Value::Null, at(0));
    let done = || vec![ProcessedAction::success(ActionType::SessionType)];
    node.handle_message(handshake_response(0, done()), at(1)).unwrap();
    let second = node.handle_message(handshake_response(1, done()), at(2));
    assert!(matches!(
        second,
        Err(PeerMisbehaved::UnexpectedPayload(PayloadType::HandshakeResponse))
    ));
    node.handle_message(input(2, "data"), at(3)).unwrap();
    let events = node_events(&mut node);
    assert_eq!(events.last(), Some(&NodeEvent::Input("data".into())));
    assert_eq!(events.len(), 2, "one HandshakeDone, one Input");
}

/// Hazard 8, the client's part: a refusal arrives as the first frame after the upgrade.
#[test]
fn hazard_08_a_client_ends_on_channel_closed_before_anything_else() {
    let mut client = client();
    client
        .handle_message(channel_closed("token expired"), at(0))
        .unwrap();
    let closed = ClientEvent::Closed {
        output: "token expired".to_owned(),
        exit_code: None,
        node_failed: false,
    };
    assert_eq!(client_events(&mut client), [closed]);
    assert_eq!(client.poll_timeout(), None);
    client.handle_message(output(0, "late"), at(1)).unwrap();
    assert_eq!(client_events(&mut client), []);
}

/// Hazard 9, the node's part: an order to start that cannot be read is an error, not a stuck channel.
#[test]
fn hazard_09_an_unreadable_start_is_named_and_the_next_one_works() {
    let mut control = node_control();
    let good = interactive_shell(SESSION);
    let with_content = |change: &dyn Fn(&mut Value)| {
        let mut content: Value = serde_json::from_str(&good.content).unwrap();
        change(&mut content);
        payload::to_bytes(
            &json!({"Content": content.to_string(), "TaskId": SESSION, "Topic": "interactive_shell"}),
        )
    };
    let bad: [Bytes; 6] = [
        "not json".into(),
        r#"{"Content":7}"#.into(),
        r#"{"Content":"{}","TaskId":"x"}"#.into(),
        with_content(&|content| content["DocumentContent"]["schemaVersion"] = json!(1.0)),
        with_content(&|content| content["SessionId"] = json!("another")),
        with_content(&|content| content["RunAsUser"] = json!(false)),
    ];
    for payload in bad {
        let result = control.handle_message(message(MessageType::InteractiveShell, payload), at(0));
        assert!(matches!(result, Err(PeerMisbehaved::Payload { .. })));
    }
    control
        .handle_message(
            message(MessageType::InteractiveShell, payload::to_bytes(&good)),
            at(1),
        )
        .unwrap();
    let content = Box::new(shell_content(SESSION));
    assert_eq!(
        control.poll_event(),
        Some(node_control_events::Event::StartSession(content))
    );
    assert_eq!(control.poll_event(), None);
}

/// Hazard 10: AWS's agent drops what reaches it in the first second.
#[test]
fn hazard_10_orders_wait_a_second_for_an_agent_that_names_no_capabilities() {
    let mut server = server_control(AWS_NODE_OPENS);
    server.start(interactive_shell(SESSION));
    server.terminate("another");
    server.handle_timeout(at(999));
    assert_eq!(server.poll_transmit(at(999)), None);
    assert_eq!(server.poll_timeout(), Some(Duration::from_secs(1)));
    server.handle_timeout(at(1000));
    let types: Vec<_> = frames(std::iter::from_fn(|| server.poll_transmit(at(1000))))
        .iter()
        .map(|frame| frame.message_type)
        .collect();
    assert_eq!(types, [MessageType::InteractiveShell, MessageType::ChannelClosed]);

    let mut ours = server_control(OUR_NODE_OPENS);
    ours.start(interactive_shell(SESSION));
    assert!(
        ours.poll_transmit(at(0)).is_some(),
        "our own agent is ready at once"
    );
}

/// Hazard 11: AWS's plugin leaves duplicates unacknowledged, which never heals; ours does not.
#[test]
fn hazard_11_duplicates_are_acknowledged_and_delivered_once() {
    let mut client = shell_client();
    let again = output(0, "$ ");
    for ms in 1..=3 {
        client.handle_message(again.clone(), at(ms)).unwrap();
        assert_eq!(acknowledged(&client_frames(&mut client, at(ms))), [0]);
    }
    assert_eq!(client_events(&mut client), []);

    let mut node = node();
    for ms in 1..=3 {
        node.handle_message(input(0, "x"), at(ms)).unwrap();
        assert_eq!(acknowledged(&node_frames(&mut node, at(ms))), [0]);
    }
    assert_eq!(node_events(&mut node), [NodeEvent::Input("x".into())]);
}

/// Hazard 11: a frame with a bad digest is dropped without acknowledgement, at both of our ends.
#[test]
fn hazard_11_a_bad_digest_is_neither_acknowledged_nor_delivered() {
    let damage = |bytes: Bytes| {
        let mut bytes = bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        Bytes::from(bytes)
    };
    let mut client = shell_client();
    let result = client.handle_message(damage(output(1, "x")), at(1));
    assert!(matches!(result, Err(PeerMisbehaved::Frame(DecodeError::Digest))));
    assert_eq!(client_frames(&mut client, at(1)), []);
    client.handle_message(output(1, "x"), at(2)).unwrap();
    assert_eq!(
        client_events(&mut client).len(),
        1,
        "the undamaged copy is welcome"
    );

    let mut node = node();
    let result = node.handle_message(damage(input(0, "x")), at(1));
    assert!(matches!(result, Err(PeerMisbehaved::Frame(DecodeError::Digest))));
    assert_eq!(node_frames(&mut node, at(1)), []);
    assert_eq!(node_events(&mut node), []);
}

/// Hazard 12: close codes mean nothing, so the cores do not take any; every loss of a connection is the same.
#[test]
fn hazard_12_every_loss_of_a_connection_is_answered_alike() {
    let mut client = shell_client();
    client.send_input("x".into());
    let first = stream_data(client_frames(&mut client, at(1)));
    client.handle_disconnected(at(2));
    client.handle_connected(Token::new("newer"), at(3));
    let Some(Transmit::Text(text)) = client.poll_transmit(at(3)) else {
        panic!("opens with text")
    };
    assert!(text.contains(r#""TokenValue":"newer""#), "{text}");
    assert_eq!(
        stream_data(client_frames(&mut client, at(3))),
        first,
        "same number, id and bytes"
    );
}

/// Hazard 14: AWS's agent gives a client 15 s to answer, ours 30 s.
#[test]
fn hazard_14_a_handshake_without_an_answer_fails_after_30_s() {
    let mut node = node();
    node.begin_handshake(SessionType::NonInteractiveCommands, Value::Null, at(1000));
    node.handle_timeout(at(30_999));
    assert_eq!(node_events(&mut node), []);
    node.handle_timeout(at(31_000));
    let events = node_events(&mut node);
    assert!(
        matches!(&events[..], [NodeEvent::HandshakeFailed(why)] if why.starts_with("Handshake timed out."))
    );
    assert_eq!(node.output_capacity(), 0);
    let late = handshake_response(0, vec![ProcessedAction::success(ActionType::SessionType)]);
    assert!(
        node.handle_message(late, at(31_001)).is_err(),
        "too late is too late"
    );
    assert_eq!(node_events(&mut node), []);
}

/// Hazard 15: the node pings at AWS's pace, and is the one to notice that nobody answers any more.
#[test]
fn hazard_15_an_idle_node_pings_every_54_s() {
    let mut control = node_control();
    assert_eq!(control.poll_timeout(), Some(Duration::from_secs(54)));
    control.handle_timeout(at(54_000));
    assert_eq!(
        control.poll_transmit(at(54_000)),
        Some(Transmit::Ping(Bytes::from_static(b"keepalive")))
    );
    control.handle_pong(at(54_100));
    control.handle_timeout(at(108_000));
    assert!(control.poll_transmit(at(108_000)).is_some());
    assert_eq!(control.poll_timeout(), Some(Duration::from_millis(118_100)));
    control.handle_timeout(at(118_100));
    assert_eq!(
        control.poll_event(),
        Some(node_control_events::Event::Unresponsive)
    );
}

/// Hazard 17: a server has about 3 s to come back, and then ten frames a second from AWS's agent; ours sends all at once.
#[test]
fn hazard_17_everything_unacknowledged_follows_a_reconnect_at_once() {
    let mut node = node();
    for _ in 0..500 {
        node.send_output(PayloadType::Output, "x".into());
    }
    let before = node_frames(&mut node, at(0));
    node.handle_disconnected(at(1));
    node.handle_connected(Token::new("new"), at(3000));
    assert!(matches!(node.poll_transmit(at(3000)), Some(Transmit::Text(_))));
    assert_eq!(node_frames(&mut node, at(3000)), before);
}

/// Hazard 19: handshake frames above all must not be overtaken.
#[test]
fn hazard_19_each_direction_keeps_its_order() {
    let mut client = client();
    client.handle_message(output(2, "later"), at(0)).unwrap();
    client.handle_message(handshake_complete(1, ""), at(0)).unwrap();
    assert_eq!(client_events(&mut client), [], "nothing is shown before its turn");
    client
        .handle_message(handshake_request(0, vec![port_action()]), at(0))
        .unwrap();
    let events = client_events(&mut client);
    assert!(
        matches!(
            &events[..],
            [
                ClientEvent::Established {
                    session_type: SessionType::Port,
                    ..
                },
                ClientEvent::Output { .. }
            ]
        ),
        "{events:?}"
    );

    let mut node = node();
    node.send_output(PayloadType::Output, "0".into());
    node.send_output(PayloadType::StdErr, "1".into());
    node.send_output(PayloadType::Output, "2".into());
    let sent: Vec<_> = node_frames(&mut node, at(0))
        .into_iter()
        .map(|frame| frame.payload)
        .collect();
    assert_eq!(sent, ["0", "1", "2"]);
}

/// Hazard 21, the node's part: nothing is dropped while nobody can take it.
#[test]
fn hazard_21_a_node_drops_nothing_while_paused_or_disconnected() {
    let mut node = node();
    node.handle_message(message(MessageType::PausePublication, "{}"), at(0))
        .unwrap();
    assert_eq!(node.output_capacity(), 0, "the terminal is not read while paused");
    node.send_output(PayloadType::Output, "a".into());
    node.handle_timeout(at(5000));
    assert_eq!(node_frames(&mut node, at(5000)), []);
    node.handle_disconnected(at(5001));
    node.send_output(PayloadType::Output, "b".into());
    node.handle_connected(Token::new("new"), at(5002));
    assert!(matches!(node.poll_transmit(at(5002)), Some(Transmit::Text(_))));
    let sent: Vec<_> = node_frames(&mut node, at(5002))
        .into_iter()
        .map(|frame| frame.payload)
        .collect();
    assert_eq!(sent, ["a", "b"], "a reconnect ends the pause");
    assert_eq!(node_events(&mut node), [NodeEvent::Paused, NodeEvent::Resumed]);
}

/// Hazard 25, the core's part: the text frame is bounded, read once, and a ping may come before it.
#[test]
fn hazard_25_a_ping_may_come_first_and_the_text_frame_only_once() {
    let mut server = ServerControl::new(MessageIds::new([9; 16]), at(0));
    server.handle_ping(at(0));
    let endless = format!(r#"{{"TokenValue":"{}"}}"#, "a".repeat(1 << 20));
    assert!(matches!(
        server.handle_text(&endless, at(1)),
        Err(PeerMisbehaved::Open(_))
    ));
    assert!(
        server
            .handle_message(message(MessageType::AgentTelemetry, "{}"), at(1))
            .is_err(),
        "not let in yet"
    );
    server.handle_text(AWS_NODE_OPENS, at(2)).unwrap();
    assert!(matches!(
        server.handle_text(AWS_NODE_OPENS, at(3)),
        Err(PeerMisbehaved::UnexpectedText)
    ));
}

/// Hazard 29, the node's part: the schema version is the string `1.0` and nothing like it.
#[test]
fn hazard_29_only_the_string_schema_version_is_accepted() {
    for version in [
        json!("1.0"),
        json!(1.0),
        json!(1),
        json!("1"),
        json!("2.2"),
        Value::Null,
    ] {
        let mut content = shell_content(SESSION);
        content.document_content["schemaVersion"] = version.clone();
        let shell = payload::InteractiveShell::new(&content);
        assert_eq!(
            shell.parse_content().is_ok(),
            version == json!("1.0"),
            "{version}"
        );
    }
}

/// Hazard 34: AWS's plugin turns a frame of nothing but a newline into a carriage return. Which frames those are depends on
/// how the input happens to be read, so ours would damage one upload in many: every byte stays what it was.
#[test]
fn hazard_34_a_lone_newline_is_a_byte_like_any_other() {
    let mut shell = shell_client();
    shell.send_input("\n".into());
    shell.send_input("a\nb\n".into());
    let sent: Vec<_> = stream_data(client_frames(&mut shell, at(0)))
        .into_iter()
        .map(|f| f.payload)
        .collect();
    assert_eq!(sent, ["\n", "a\nb\n"]);

    let mut tunnel = client();
    tunnel
        .handle_message(handshake_request(0, vec![port_action()]), at(0))
        .unwrap();
    tunnel.handle_message(handshake_complete(1, ""), at(0)).unwrap();
    client_frames(&mut tunnel, at(0));
    tunnel.send_input("\n".into());
    assert_eq!(client_frames(&mut tunnel, at(0))[0].payload, "\n");
}

/// Hazard 34, the other way: a node takes a carriage return for what it is.
#[test]
fn hazard_34_a_node_passes_a_carriage_return_on() {
    let mut node = node();
    node.handle_message(input(0, "\r"), at(0)).unwrap();
    assert_eq!(node_events(&mut node), [NodeEvent::Input("\r".into())]);
}

/// Hazard 35: AWS's plugin prints everything; ours can tell output, errors, exit codes and flags apart.
#[test]
fn hazard_35_kinds_of_output_stay_apart() {
    let mut client = shell_client();
    let kinds = [
        PayloadType::StdErr,
        PayloadType::ExitCode,
        PayloadType::Flag,
        PayloadType::Unknown(77),
    ];
    for (sequence, kind) in (1..).zip(kinds) {
        let frame = stream_frame(MessageType::OutputStreamData, sequence, kind, "four");
        client.handle_message(frame, at(0)).unwrap();
    }
    let expected = kinds.map(|payload_type| ClientEvent::Output {
        payload_type,
        bytes: "four".into(),
    });
    assert_eq!(client_events(&mut client), expected);
}

/// Hazard 36: a failed session is reported twice, under two ids, and both want an acknowledgement.
#[test]
fn hazard_36_both_reports_of_a_failed_session_are_acknowledged() {
    let mut server = server_control(OUR_NODE_OPENS);
    let complete = TaskComplete::new(SESSION, NODE, TaskStatus::Failed, "no such user");
    let report = |id: u128| {
        let payload = payload::to_bytes(&complete);
        Frame::control(
            MessageType::AgentTaskComplete,
            uuid::Uuid::from_u128(id),
            payload,
            at(0),
        )
        .encode()
    };
    for id in [1, 2, 1] {
        server.handle_message(report(id), at(0)).unwrap();
    }
    let answered: Vec<_> = frames(std::iter::from_fn(|| server.poll_transmit(at(0))))
        .iter()
        .map(|frame| {
            payload::parse::<TaskAcknowledge>(&frame.payload)
                .unwrap()
                .message_id
                .as_u128()
        })
        .collect();
    assert_eq!(answered, [1, 2, 1]);
    assert_eq!(
        server.poll_event(),
        Some(server_control_events::Event::Completed(complete))
    );
}

/// Hazard 36, the node's part: a report is repeated under the same id until it is acknowledged.
#[test]
fn hazard_36_an_unacknowledged_report_is_repeated_under_the_same_id() {
    let mut control = node_control();
    let id = control.complete(TaskComplete::new(SESSION, NODE, TaskStatus::Success, ""), at(0));
    let mut retries = Vec::new();
    for ms in (0..10_000).step_by(100) {
        control.handle_timeout(at(ms));
        for frame in frames(std::iter::from_fn(|| control.poll_transmit(at(ms)))) {
            assert_eq!(frame.message_id, id);
            retries.push((
                ms,
                payload::parse::<TaskComplete>(&frame.payload)
                    .unwrap()
                    .retry_number,
            ));
        }
    }
    assert_eq!(retries, [(0, 1), (1000, 2), (2000, 3)]);
    control.handle_disconnected(at(10_000));
    control.handle_connected(Token::new("new"), at(20_000));
    assert!(matches!(
        control.poll_transmit(at(20_000)),
        Some(Transmit::Text(_))
    ));
    assert_eq!(
        frames(std::iter::from_fn(|| control.poll_transmit(at(20_000))))[0].message_id,
        id
    );
    let acknowledge = payload::to_bytes(&TaskAcknowledge::new(id, SESSION));
    control
        .handle_message(
            message(MessageType::AgentTaskAcknowledge, acknowledge),
            at(20_001),
        )
        .unwrap();
    assert_eq!(
        control.poll_event(),
        Some(node_control_events::Event::CompletionAcknowledged(id))
    );
    control.handle_timeout(at(21_000));
    assert_eq!(control.poll_transmit(at(21_000)), None);
}

/// Hazard 37: `Terminating` follows all output, and is said only when the process ended by itself.
#[test]
fn hazard_37_terminating_follows_the_last_output() {
    let mut node = our_node();
    node.send_state(State::Connected);
    node.send_output(PayloadType::Output, vec![b'x'; 100_000].into());
    node.send_state(State::Terminating { exit_code: Some(3) });
    let frames = node_frames(&mut node, at(0));
    let states: Vec<_> = (0..)
        .zip(&frames)
        .filter(|(_, frame)| frame.message_type == MessageType::AgentSessionState)
        .map(|(index, frame)| (index, String::from_utf8_lossy(&frame.payload).into_owned()))
        .collect();
    assert_eq!(states.len(), 2);
    assert!(states[0].0 == 0 && states[0].1.contains(r#""SessionState":"Connected""#));
    assert!(states[1].0 == frames.len() - 1 && states[1].1.contains(r#""SessionState":"Terminating""#));
    assert!(states[1].1.contains(r#""ExitCode":3"#));

    let mut towards_aws = ends::node();
    towards_aws.send_state(State::Terminating { exit_code: Some(3) });
    let frames = node_frames(&mut towards_aws, at(0));
    assert!(!String::from_utf8_lossy(&frames[0].payload).contains("ExitCode"));
}

/// Hazard 40: 1024 bytes for peers that named nothing, larger frames for those that did, any size accepted.
#[test]
fn hazard_40_payloads_are_cut_to_what_the_peer_takes() {
    let longest = |frames: Vec<Frame>| stream_data(frames).iter().map(|frame| frame.payload.len()).max();
    let bulk = || Bytes::from(vec![7; 100_000]);
    let mut plain_client = shell_client();
    plain_client.send_input(bulk());
    assert_eq!(longest(client_frames(&mut plain_client, at(0))), Some(1024));
    let mut our_client = our_client();
    our_client.handle_message(output(0, "$ "), at(0)).unwrap();
    our_client.send_input(bulk());
    assert_eq!(longest(client_frames(&mut our_client, at(0))), Some(32768));
    let mut plain_node = node();
    plain_node.send_output(PayloadType::Output, bulk());
    assert_eq!(longest(node_frames(&mut plain_node, at(0))), Some(1024));
    let mut our_node = our_node();
    our_node.send_output(PayloadType::Output, bulk());
    assert_eq!(longest(node_frames(&mut our_node, at(0))), Some(32768));

    plain_node.handle_message(input(0, bulk()), at(0)).unwrap();
    assert_eq!(node_events(&mut plain_node), [NodeEvent::Input(bulk())]);
    plain_client.handle_message(output(1, bulk()), at(0)).unwrap();
    assert_eq!(client_events(&mut plain_client).len(), 1);
}

/// Hazard 41: a resend is the same bytes, not before 200 ms at first and never more than 1 s later; and an acknowledgement
/// that comes back faster than the write returns finds its frame (`protocol.md` 4.8).
#[test]
fn hazard_41_a_resend_is_the_same_bytes_within_the_public_timing() {
    let mut node = node();
    node.send_output(PayloadType::Output, "x".into());
    let Some(Transmit::Binary(first)) = node.poll_transmit(at(0)) else {
        panic!("a frame")
    };
    let mut sent_at = vec![0];
    for ms in 1..5000 {
        node.handle_timeout(at(ms));
        while let Some(transmit) = node.poll_transmit(at(ms)) {
            assert_eq!(transmit, Transmit::Binary(first.clone()));
            sent_at.push(ms);
        }
    }
    let gaps: Vec<_> = sent_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps[0], 200);
    assert!(gaps.iter().all(|gap| (200..=1000).contains(gap)), "{gaps:?}");

    node.handle_message(acknowledge(MessageType::OutputStreamData, 0), at(5000))
        .unwrap();
    assert!(node.is_drained());
    node.send_output(PayloadType::Output, "y".into());
    assert!(node.poll_transmit(at(5001)).is_some());
    node.handle_message(acknowledge(MessageType::OutputStreamData, 1), at(5001))
        .unwrap();
    assert!(node.is_drained());
}
