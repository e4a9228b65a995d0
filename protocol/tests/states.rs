//! Every arrow of the state diagrams in `data_channel` and `control_channel`, and the arrows that are refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ends;

use std::time::Duration;

use bytes::Bytes;

use drawbridge_protocol::control_channel::ServerControl;
use drawbridge_protocol::control_channel::node::Event as NodeControlEvent;
use drawbridge_protocol::control_channel::server::Event as ServerControlEvent;
use drawbridge_protocol::data_channel::client::{ClientConfig, ClientEnd, Event as ClientEvent};
use drawbridge_protocol::data_channel::node::{Event as NodeEvent, NodeConfig, NodeEnd, State};
use drawbridge_protocol::payload::{
    self, ActionStatus, ActionType, ClientAction, HandshakeResponse, OpenDataChannel, ProcessedAction,
    SessionType, Size, TaskComplete, TaskStatus, flag,
};
use drawbridge_protocol::wire::{MessageType, PayloadType};
use drawbridge_protocol::{
    Capabilities, CommandKind, Hello, MessageIds, NodeExtension, PeerMisbehaved, Token, Transmit,
};
use serde_json::{Value, json};

use ends::*;

mod client_end {
    use super::*;

    #[test]
    fn first_output_makes_it_a_shell() {
        let mut client = client();
        client.handle_message(output(0, "$ "), at(0)).unwrap();
        let established = ClientEvent::Established {
            session_type: SessionType::StandardStream,
            properties: Value::Null,
            agent_version: String::new(),
        };
        let shown = ClientEvent::Output {
            payload_type: PayloadType::Output,
            bytes: "$ ".into(),
        };
        assert_eq!(client_events(&mut client), [established, shown]);
    }

    #[test]
    fn a_handshake_establishes_the_kind_it_names_when_it_is_complete() {
        let mut client = client();
        client
            .handle_message(handshake_request(0, vec![port_action()]), at(0))
            .unwrap();
        assert_eq!(client_events(&mut client), []);
        client
            .handle_message(handshake_complete(1, "welcome"), at(0))
            .unwrap();
        let established = ClientEvent::Established {
            session_type: SessionType::Port,
            properties: json!({"portNumber": "80"}),
            agent_version: "3.3.987.0".to_owned(),
        };
        assert_eq!(
            client_events(&mut client),
            [ClientEvent::Message("welcome".to_owned()), established]
        );
    }

    #[test]
    fn who_comes_after_the_handshake_of_a_command_is_in_one() {
        for (command, session_type) in [
            (CommandKind::InteractiveCommands, SessionType::InteractiveCommands),
            (
                CommandKind::NonInteractiveCommands,
                SessionType::NonInteractiveCommands,
            ),
        ] {
            let mut client = our_client();
            let word = Hello {
                command: Some(command),
                ..Hello::default()
            };
            client.handle_message(hello(word), at(0)).unwrap();
            client_events(&mut client);
            client.handle_message(output(0, "so far"), at(0)).unwrap();
            let established = ClientEvent::Established {
                session_type,
                properties: Value::Null,
                agent_version: String::new(),
            };
            assert_eq!(client_events(&mut client)[0], established);
        }
    }

    #[test]
    fn an_unknown_session_type_is_refused_in_the_public_words() {
        let action = ClientAction::session_type(SessionType::Unknown("Hologram".to_owned()), Value::Null);
        let response = response_to(vec![action]);
        let expected = ProcessedAction::refused(
            ActionType::SessionType,
            ActionStatus::Failed,
            "Failed to process action SessionType: Unknown session type Hologram".to_owned(),
        );
        assert_eq!(response.processed_client_actions, [expected]);
    }

    #[test]
    fn an_unknown_action_is_refused_and_the_known_one_is_not() {
        let response = response_to(vec![port_action(), unknown_action()]);
        let statuses: Vec<_> = response
            .processed_client_actions
            .iter()
            .map(|done| done.action_status)
            .collect();
        assert_eq!(statuses, [ActionStatus::Success, ActionStatus::Unsupported]);
    }

    #[test]
    fn completion_without_a_request_or_after_a_refusal_is_refused() {
        for first in [None, Some(handshake_request(0, vec![unknown_action()]))] {
            let mut client = client();
            let mut sequence = 0;
            if let Some(request) = first {
                client.handle_message(request, at(0)).unwrap();
                sequence = 1;
            }
            let result = client.handle_message(handshake_complete(sequence, ""), at(0));
            assert!(matches!(
                result,
                Err(PeerMisbehaved::UnexpectedPayload(PayloadType::HandshakeComplete))
            ));
            assert_eq!(client_events(&mut client), []);
            assert_eq!(client.input_capacity(), 0);
        }
    }

    #[test]
    fn payloads_of_the_other_direction_are_refused() {
        let mut client = shell_client();
        let kinds = [
            PayloadType::HandshakeResponse,
            PayloadType::EncChallengeResponse,
            PayloadType::Size,
        ];
        for (sequence, kind) in (1..).zip(kinds) {
            let frame = stream_frame(MessageType::OutputStreamData, sequence, kind, "{}");
            assert!(matches!(
                client.handle_message(frame, at(0)),
                Err(PeerMisbehaved::UnexpectedPayload(_))
            ));
        }
        let result = client.handle_message(input(0, "x"), at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::UnexpectedMessage(MessageType::InputStreamData))
        ));
        client.handle_message(output(4, "fine"), at(0)).unwrap();
        assert_eq!(client_events(&mut client).len(), 1);
    }

    #[test]
    fn channel_closed_ends_every_state() {
        let mut requested = client();
        requested
            .handle_message(handshake_request(0, vec![port_action()]), at(0))
            .unwrap();
        let mut refused = client();
        refused
            .handle_message(handshake_request(0, vec![unknown_action()]), at(0))
            .unwrap();
        for mut client in [client(), requested, refused, shell_client()] {
            client.handle_message(channel_closed("bye"), at(1)).unwrap();
            let closed = ClientEvent::Closed {
                output: "bye".to_owned(),
                exit_code: None,
                node_failed: false,
            };
            assert_eq!(client_events(&mut client), [closed]);
            client.send_input("x".into());
            client.handle_message(channel_closed("again"), at(2)).unwrap();
            assert_eq!(client_events(&mut client), [], "once is enough");
            assert_eq!(client_frames(&mut client, at(2)), []);
            assert_eq!(client.poll_timeout(), None);
        }
    }

    #[test]
    fn the_exit_code_is_passed_on() {
        let mut client = shell_client();
        let closed = message(
            MessageType::ChannelClosed,
            r#"{"SessionId":"s","Output":"","ExitCode":-1}"#,
        );
        client.handle_message(closed, at(0)).unwrap();
        let expected = ClientEvent::Closed {
            output: String::new(),
            exit_code: Some(-1),
            node_failed: false,
        };
        assert_eq!(client_events(&mut client), [expected]);
    }

    #[test]
    fn a_reconnect_in_the_middle_of_a_handshake_goes_on_where_it_was() {
        let mut client = client();
        client
            .handle_message(handshake_request(0, vec![port_action()]), at(0))
            .unwrap();
        let first = stream_data(client_frames(&mut client, at(0)));
        client.handle_disconnected(at(1));
        client
            .handle_message(handshake_request(0, vec![port_action()]), at(2))
            .unwrap();
        client.handle_connected(Token::new("new"), at(3));
        assert!(matches!(client.poll_transmit(at(3)), Some(Transmit::Text(_))));
        assert_eq!(
            stream_data(client_frames(&mut client, at(3))),
            first,
            "the same answer, no second one"
        );
        client.handle_message(handshake_complete(1, ""), at(4)).unwrap();
        assert_eq!(client_events(&mut client).len(), 1);
    }

    #[test]
    fn only_the_newest_size_waits_for_the_session_and_for_the_window() {
        let sizes = |client: &mut _| -> Vec<Size> {
            let frames = stream_data(client_frames(client, at(0)));
            let sizes = frames
                .iter()
                .filter(|frame| frame.payload_type == PayloadType::Size);
            sizes.map(|frame| Size::parse(&frame.payload).unwrap()).collect()
        };
        let mut client = client();
        client.send_size(Size { cols: 1, rows: 1 });
        client.send_size(Size { cols: 2, rows: 2 });
        client.handle_message(output(0, "$ "), at(0)).unwrap();
        assert_eq!(sizes(&mut client), [Size { cols: 2, rows: 2 }]);

        while client.input_capacity() > 0 {
            client.send_input(vec![b'x'; client.input_capacity()].into());
        }
        client.send_size(Size { cols: 3, rows: 3 });
        client.send_size(Size { cols: 4, rows: 4 });
        assert_eq!(sizes(&mut client), []);
        client
            .handle_message(acknowledge(MessageType::InputStreamData, 1), at(0))
            .unwrap();
        assert_eq!(sizes(&mut client), [Size { cols: 4, rows: 4 }]);
    }

    #[test]
    fn a_hello_acknowledges_what_the_last_connection_took_along() {
        let mut client = our_client();
        client.handle_message(output(0, "$ "), at(0)).unwrap();
        for text in ["a", "b", "c"] {
            client.send_input(text.into());
        }
        assert_eq!(stream_data(client_frames(&mut client, at(0))).len(), 3);
        client.handle_disconnected(at(1));
        client.handle_connected(Token::new("new"), at(2));
        assert!(matches!(client.poll_transmit(at(2)), Some(Transmit::Text(_))));
        client
            .handle_message(
                hello(Hello {
                    input_sequence: 2,
                    ..Hello::default()
                }),
                at(3),
            )
            .unwrap();
        let again: Vec<_> = stream_data(client_frames(&mut client, at(3)))
            .iter()
            .map(|frame| frame.sequence)
            .collect();
        assert_eq!(again, [2]);
    }

    #[test]
    fn what_was_agreed_ends_with_the_connection() {
        let mut client = our_client();
        client.handle_message(output(0, "$ "), at(0)).unwrap();
        client.handle_message(output(1, "$ "), at(0)).unwrap();
        let frames = client_frames(&mut client, at(0));
        assert_eq!(acknowledged(&frames), [1], "one acknowledgement for both");
        client.handle_disconnected(at(1));
        client.handle_connected(Token::new("new"), at(2));
        assert!(matches!(client.poll_transmit(at(2)), Some(Transmit::Text(_))));
        client.send_input(vec![b'x'; 5000].into());
        client.handle_message(output(2, "$ "), at(2)).unwrap();
        client.handle_message(output(3, "$ "), at(2)).unwrap();
        let frames = client_frames(&mut client, at(2));
        assert_eq!(acknowledged(&frames), [2, 3]);
        assert_eq!(stream_data(frames)[0].payload.len(), 1024);
    }

    #[test]
    fn capabilities_are_named_only_where_configured() {
        for capabilities in [None, Some(Capabilities::OURS)] {
            let config = ClientConfig {
                capabilities,
                ..ClientConfig::new(uuid::Uuid::nil(), "1.2.800.0")
            };
            let mut client = ClientEnd::new(config, MessageIds::new([1; 16]));
            client.handle_connected(Token::new("t"), at(0));
            let Some(Transmit::Text(text)) = client.poll_transmit(at(0)) else {
                panic!("opens with text")
            };
            assert_eq!(OpenDataChannel::parse(&text).unwrap().capabilities, capabilities);
            assert_eq!(text.contains("Capabilities"), capabilities.is_some());
        }
    }

    #[test]
    fn a_silent_server_that_used_to_answer_is_given_up_within_15_s() {
        let mut client = shell_client();
        client.handle_timeout(at(5000));
        assert!(matches!(client.poll_transmit(at(5000)), Some(Transmit::Ping(_))));
        client.handle_pong(at(5010));
        let mut unresponsive_at = None;
        for ms in (5010..30_000).step_by(10) {
            client.handle_timeout(at(ms));
            while client.poll_transmit(at(ms)).is_some() {}
            if let Some(ClientEvent::Unresponsive) = client.poll_event() {
                unresponsive_at.get_or_insert(ms);
            }
        }
        assert_eq!(unresponsive_at, Some(19_010));
    }

    fn response_to(actions: Vec<ClientAction>) -> HandshakeResponse {
        let mut client = client();
        client
            .handle_message(handshake_request(0, actions), at(0))
            .unwrap();
        let frames = stream_data(client_frames(&mut client, at(0)));
        assert_eq!(frames.len(), 1);
        payload::parse(&frames[0].payload).unwrap()
    }
}

mod node_end {
    use super::*;

    #[test]
    fn a_shell_needs_no_handshake() {
        let mut node = node();
        assert!(node.output_capacity() > 0);
        node.handle_message(input(0, "ls\r"), at(0)).unwrap();
        assert_eq!(node_events(&mut node), [NodeEvent::Input("ls\r".into())]);
    }

    #[test]
    fn a_response_completes_the_handshake() {
        let mut node = node();
        node.begin_handshake(SessionType::Port, Value::Null, at(0));
        node.begin_handshake(SessionType::Port, Value::Null, at(1));
        assert_eq!(
            stream_data(node_frames(&mut node, at(1))).len(),
            1,
            "asking twice is asking once"
        );
        assert_eq!(node.output_capacity(), 0);
        let done = vec![ProcessedAction::success(ActionType::SessionType)];
        node.handle_message(handshake_response(0, done), at(1500))
            .unwrap();
        let version = "1.2.650.0".to_owned();
        assert_eq!(
            node_events(&mut node),
            [NodeEvent::HandshakeDone {
                client_version: version
            }]
        );
        assert!(node.output_capacity() > 0);
        let complete = stream_data(node_frames(&mut node, at(1500)));
        assert_eq!(
            complete[0].payload,
            r#"{"HandshakeTimeToComplete":1500000000,"CustomerMessage":""}"#
        );
        node.handle_timeout(at(60_000));
        assert_eq!(node_events(&mut node), [], "the deadline is off");
    }

    #[test]
    fn a_refused_action_fails_the_handshake() {
        let mut node = node();
        node.begin_handshake(SessionType::Port, Value::Null, at(0));
        let refused =
            ProcessedAction::refused(ActionType::SessionType, ActionStatus::Failed, "no".to_owned());
        node.handle_message(handshake_response(0, vec![refused]), at(1))
            .unwrap();
        let why = "SessionType failed on client with status 2 error: no".to_owned();
        assert_eq!(node_events(&mut node), [NodeEvent::HandshakeFailed(why)]);
        assert!(node.handle_message(input(1, "x"), at(2)).is_err());
    }

    #[test]
    fn input_before_the_handshake_is_complete_is_acknowledged_and_dropped() {
        let mut node = node();
        node.begin_handshake(SessionType::Port, Value::Null, at(0));
        let result = node.handle_message(input(0, "early"), at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::UnexpectedPayload(PayloadType::Output))
        ));
        assert_eq!(acknowledged(&node_frames(&mut node, at(0))), [0]);
        let done = vec![ProcessedAction::success(ActionType::SessionType)];
        node.handle_message(handshake_response(1, done), at(1)).unwrap();
        node.handle_message(input(2, "in time"), at(2)).unwrap();
        assert_eq!(
            node_events(&mut node).last(),
            Some(&NodeEvent::Input("in time".into()))
        );
    }

    #[test]
    fn a_response_without_a_request_is_refused() {
        let mut node = node();
        let result = node.handle_message(handshake_response(0, Vec::new()), at(0));
        assert!(matches!(
            result,
            Err(PeerMisbehaved::UnexpectedPayload(PayloadType::HandshakeResponse))
        ));
        node.handle_message(input(1, "x"), at(0)).unwrap();
        assert_eq!(node_events(&mut node), [NodeEvent::Input("x".into())]);
    }

    #[test]
    fn everything_but_another_pause_ends_a_pause() {
        let pause = || message(MessageType::PausePublication, "{}");
        let ends = [
            message(MessageType::StartPublication, "{}"),
            input(0, "x"),
            acknowledge(MessageType::OutputStreamData, 77),
        ];
        for end in ends {
            let mut node = node();
            node.handle_message(pause(), at(0)).unwrap();
            node.handle_message(pause(), at(0)).unwrap();
            assert_eq!(node_events(&mut node), [NodeEvent::Paused]);
            assert_eq!(node.output_capacity(), 0);
            node.handle_message(end, at(1)).unwrap();
            assert_eq!(node_events(&mut node)[0], NodeEvent::Resumed);
            assert!(node.output_capacity() > 0);
        }
    }

    #[test]
    fn a_paused_node_still_acknowledges() {
        let mut node = node();
        node.handle_message(input(0, "x"), at(0)).unwrap();
        node.handle_message(message(MessageType::PausePublication, "{}"), at(0))
            .unwrap();
        node.send_output(PayloadType::Output, "y".into());
        let frames = node_frames(&mut node, at(0));
        assert_eq!(acknowledged(&frames), [0]);
        assert_eq!(frames.len(), 1);
    }

    #[test]
    fn connected_is_said_once_and_terminating_again_after_a_reconnect() {
        let mut node = node();
        node.send_state(State::Connected);
        node.send_state(State::Connected);
        assert_eq!(node_frames(&mut node, at(0)).len(), 1);
        node.send_state(State::Terminating { exit_code: None });
        assert_eq!(node_frames(&mut node, at(1)).len(), 1);
        assert_eq!(node_frames(&mut node, at(2)).len(), 0);
        node.handle_disconnected(at(3));
        node.handle_connected(Token::new("new"), at(4));
        assert!(matches!(node.poll_transmit(at(4)), Some(Transmit::Text(_))));
        let frames = node_frames(&mut node, at(4));
        assert_eq!(frames.len(), 1);
        assert!(String::from_utf8_lossy(&frames[0].payload).contains("Terminating"));
    }

    #[test]
    fn the_server_can_end_the_session() {
        let mut node = node();
        node.handle_message(channel_closed(""), at(0)).unwrap();
        assert_eq!(node_events(&mut node), [NodeEvent::ChannelClosed]);
    }

    #[test]
    fn a_signal_is_told_when_it_comes_and_once() {
        let signal = |sequence| flag_frame(sequence, flag::INTERRUPT);
        let told = [NodeEvent::Flag(flag::INTERRUPT)];
        let mut node = our_node();
        node.handle_message(signal(2), at(0)).unwrap();
        assert_eq!(node_events(&mut node), told, "early");
        node.handle_message(signal(2), at(0)).unwrap();
        assert_eq!(node_events(&mut node), [], "sent again");
        node.handle_message(flag_frame(3, flag::END_OF_INPUT), at(0))
            .unwrap();
        assert_eq!(node_events(&mut node), [], "the end waits for what is before it");
        for (sequence, typed) in [(1, "b"), (0, "a")] {
            node.handle_message(input(sequence, typed), at(0)).unwrap();
        }
        let rest = [
            NodeEvent::Input("a".into()),
            NodeEvent::Input("b".into()),
            NodeEvent::Flag(flag::END_OF_INPUT),
        ];
        assert_eq!(node_events(&mut node), rest);
        node.handle_message(signal(4), at(0)).unwrap();
        assert_eq!(node_events(&mut node), told, "in its turn");
        node.handle_message(signal(4), at(0)).unwrap();
        assert_eq!(node_events(&mut node), [], "sent again");
    }

    #[test]
    fn nobody_signals_a_session_that_has_not_begun() {
        let mut node = our_node();
        node.begin_handshake(SessionType::NonInteractiveCommands, Value::Null, at(0));
        node.handle_message(flag_frame(5, flag::INTERRUPT), at(0))
            .unwrap();
        assert_eq!(node_events(&mut node), []);
    }

    fn flag_frame(sequence: i64, number: u32) -> Bytes {
        stream_frame(
            MessageType::InputStreamData,
            sequence,
            PayloadType::Flag,
            flag::to_bytes(number),
        )
    }

    #[test]
    fn it_opens_as_a_node_and_names_capabilities_to_our_server_alone() {
        for (extension, names) in [(None, false), (Some(NodeExtension::default()), true)] {
            let config = NodeConfig::new(SESSION, NODE, "3.3.987.0", extension);
            let mut node = NodeEnd::new(config, MessageIds::new([1; 16]));
            assert_eq!(node.poll_transmit(at(0)), None);
            node.handle_connected(Token::new("t"), at(0));
            let Some(Transmit::Text(text)) = node.poll_transmit(at(0)) else {
                panic!("opens with text")
            };
            let open = OpenDataChannel::parse(&text).unwrap();
            assert_eq!(open.client_instance_id.as_deref(), Some(NODE));
            assert_eq!((open.client_id.as_str(), open.client_version), ("", None));
            assert_eq!(open.capabilities.is_some(), names);
        }
    }
}

mod control {
    use super::*;

    #[test]
    fn a_node_opens_then_hears_orders() {
        let mut node = node_control();
        let mut server = server_control(OUR_NODE_OPENS);
        server.start(interactive_shell(SESSION));
        server.terminate(SESSION);
        while let Some(Transmit::Binary(message)) = server.poll_transmit(at(1)) {
            node.handle_message(message, at(2)).unwrap();
        }
        let start = NodeControlEvent::StartSession(Box::new(shell_content(SESSION)));
        assert_eq!(node.poll_event(), Some(start));
        assert_eq!(
            node.poll_event(),
            Some(NodeControlEvent::Terminate(SESSION.to_owned()))
        );
    }

    #[test]
    fn a_node_says_nothing_while_down() {
        let mut node = node_control();
        node.handle_disconnected(at(0));
        let complete = TaskComplete::new(SESSION, NODE, TaskStatus::Success, "");
        node.complete(complete, at(1));
        assert_eq!(node.poll_transmit(at(1)), None);
        assert_eq!(node.poll_timeout(), None);
        node.handle_connected(Token::new("new"), at(2));
        assert!(matches!(node.poll_transmit(at(2)), Some(Transmit::Text(_))));
        assert!(matches!(node.poll_transmit(at(2)), Some(Transmit::Binary(_))));
        assert_eq!(node.unacknowledged_reports(), 1);
    }

    #[test]
    fn stream_data_has_no_place_on_a_control_channel() {
        let mut node = node_control();
        let mut server = server_control(OUR_NODE_OPENS);
        for message in [input(0, "x"), output(0, "x")] {
            let result = node.handle_message(message.clone(), at(0));
            assert!(matches!(result, Err(PeerMisbehaved::UnexpectedMessage(_))));
            let result = server.handle_message(message, at(0));
            assert!(matches!(result, Err(PeerMisbehaved::UnexpectedMessage(_))));
        }
    }

    #[test]
    fn nothing_is_sent_to_a_node_that_was_not_let_in() {
        let mut server = ServerControl::new(MessageIds::new([4; 16]), at(0));
        server.start(interactive_shell(SESSION));
        server.accept(at(0));
        assert_eq!(
            server.poll_transmit(at(5000)),
            None,
            "there is nobody to accept yet"
        );
        server.handle_text(AWS_NODE_OPENS, at(5000)).unwrap();
        assert!(matches!(server.poll_event(), Some(ServerControlEvent::Opened(_))));
        assert_eq!(server.poll_transmit(at(9000)), None);
        server.accept(at(9000));
        assert_eq!(server.poll_timeout(), Some(Duration::from_secs(10)));
        server.handle_timeout(at(10_000));
        assert!(server.poll_transmit(at(10_000)).is_some());
    }

    #[test]
    fn unknown_messages_are_ignored_and_counted() {
        let mut server = server_control(OUR_NODE_OPENS);
        for name in ["agent_telemetry", "agent_job_reply", "tomorrows_message"] {
            server
                .handle_message(message(MessageType::parse(name).unwrap(), "{}"), at(0))
                .unwrap();
        }
        assert_eq!(server.ignored_messages(), 3);
        assert_eq!(server.poll_transmit(at(0)), None);
    }
}
