//! Sessions with a data key: how it is agreed on, what travels in the clear, and what hostile peers get out of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ends;

use bytes::Bytes;
use drawbridge_protocol::data_channel::client::{ClientConfig, ClientEnd, Event as ClientEvent};
use drawbridge_protocol::data_channel::node::{Event as NodeEvent, KeyExchange, NodeConfig, NodeEnd};
use drawbridge_protocol::encryption::{Challenge, Cipher, DataKey};
use drawbridge_protocol::payload::{
    self, ActionType, HandshakeResponse, KmsParameters, ProcessedAction, SessionType, Size,
};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{MessageIds, PeerMisbehaved, Token};
use serde_json::Value;
use uuid::Uuid;

use ends::{
    NODE, SESSION, acknowledged, at, client_events, client_frames, handshake_complete, handshake_request,
    handshake_response, input, kms_action, node_events, node_frames, port_action, stream_data, stream_frame,
};

const KEY_ID: &str = "arn:aws:kms:eu-west-1:000000000000:key/k";
const WRAPPED: &[u8] = b"wrapped";

struct Pair {
    client: ClientEnd,
    node: NodeEnd,
    /// Every stream frame that passed between them, as whoever is between them sees it.
    seen: Vec<Frame>,
    now: u64,
}

fn data_key() -> DataKey {
    let bytes: Vec<u8> = (0..64).collect();
    DataKey::new(&bytes).unwrap()
}

fn clients_cipher() -> Cipher {
    Cipher::of_client(&data_key(), [9; 32])
}

fn nodes_cipher() -> Cipher {
    Cipher::of_node(&data_key(), [7; 12])
}

fn node() -> NodeEnd {
    let config = NodeConfig {
        key_exchange: Some(KeyExchange {
            kms_key_id: KEY_ID.to_owned(),
            request_challenge: [1; 16],
            challenge: Challenge::new([2; 64]),
        }),
        ..NodeConfig::new(SESSION, NODE, "3.3.987.0", None)
    };
    let mut node = NodeEnd::new(config, MessageIds::new([2; 16]));
    node.handle_connected(Token::new("token"), at(0));
    assert!(node.poll_transmit(at(0)).is_some());
    node
}

fn pair(session_type: SessionType) -> Pair {
    let mut node = node();
    node.begin_handshake(session_type, Value::Null, at(0));
    Pair {
        client: ends::client(),
        node,
        seen: Vec::new(),
        now: 0,
    }
}

impl Pair {
    /// Carries everything that is to be carried, both ways, until there is no more.
    fn carry(&mut self) {
        loop {
            self.now += 1;
            let now = at(self.now);
            let (from_node, from_client) = (
                node_frames(&mut self.node, now),
                client_frames(&mut self.client, now),
            );
            if from_node.is_empty() && from_client.is_empty() {
                return;
            }
            for frame in &from_node {
                self.client.handle_message(frame.encode(), now).unwrap();
            }
            for frame in &from_client {
                self.node.handle_message(frame.encode(), now).unwrap();
            }
            self.seen.extend(stream_data(from_node));
            self.seen.extend(stream_data(from_client));
        }
    }

    fn give_clients_key(&mut self) {
        let wanted = ClientEvent::DataKeyWanted {
            kms_key_id: KEY_ID.to_owned(),
        };
        assert_eq!(client_events(&mut self.client), [wanted]);
        self.client.handle_data_key(clients_cipher(), WRAPPED);
        self.carry();
    }

    fn give_nodes_key(&mut self) {
        let wrapped = NodeEvent::DataKeyWrapped(WRAPPED.to_vec());
        assert_eq!(node_events(&mut self.node), [wrapped]);
        self.node.handle_data_key(nodes_cipher(), at(self.now));
        self.carry();
    }
}

fn established(session_type: SessionType) -> Pair {
    let mut pair = pair(session_type);
    pair.carry();
    pair.give_clients_key();
    pair.give_nodes_key();
    let client = client_events(&mut pair.client);
    assert!(
        matches!(&client[..], [ClientEvent::Message(words), ClientEvent::Established { .. }]
            if words == "This session is encrypted using AWS KMS."),
        "{client:?}"
    );
    let node = node_events(&mut pair.node);
    assert!(matches!(&node[..], [NodeEvent::HandshakeDone { .. }]), "{node:?}");
    pair
}

#[test]
fn the_handshake_is_the_public_one() {
    let pair = established(SessionType::StandardStream);
    let kinds: Vec<_> = pair
        .seen
        .iter()
        .map(|frame| (frame.message_type, frame.sequence, frame.payload_type))
        .collect();
    let (output, input) = (MessageType::OutputStreamData, MessageType::InputStreamData);
    assert_eq!(
        kinds,
        [
            (output, 0, PayloadType::HandshakeRequest),
            (input, 0, PayloadType::HandshakeResponse),
            (output, 1, PayloadType::EncChallengeRequest),
            (input, 1, PayloadType::EncChallengeResponse),
            (output, 2, PayloadType::HandshakeComplete),
        ]
    );
    let request: payload::HandshakeRequest = payload::parse(&pair.seen[0].payload).unwrap();
    let [session, encryption] = &request.requested_client_actions[..] else {
        panic!("{request:?}")
    };
    assert_eq!(session.action_type, ActionType::SessionType);
    let parameters: KmsParameters = serde_json::from_value(encryption.action_parameters.clone()).unwrap();
    assert_eq!(parameters.kms_key_id, KEY_ID);
    assert_eq!(parameters.challenge, "AQEBAQEBAQEBAQEBAQEBAQ==");
    let response: HandshakeResponse = payload::parse(&pair.seen[1].payload).unwrap();
    assert_eq!(response.wrapped_key().as_deref(), Some(WRAPPED));
}

#[test]
fn what_is_typed_and_printed_is_seen_by_nobody_between() {
    for session_type in [
        SessionType::StandardStream,
        SessionType::InteractiveCommands,
        SessionType::NonInteractiveCommands,
    ] {
        let mut pair = established(session_type);
        pair.client.send_input("typed words".into());
        pair.client.send_size(Size { cols: 80, rows: 24 });
        for (kind, words) in [
            (PayloadType::Output, "printed words"),
            (PayloadType::StdErr, "complained words"),
            (PayloadType::ExitCode, "EXIT_CODE: 3"),
        ] {
            pair.node.send_output(kind, words.into());
        }
        pair.carry();
        let typed: Vec<_> = node_events(&mut pair.node);
        assert_eq!(
            typed,
            [
                NodeEvent::Input("typed words".into()),
                NodeEvent::Size(Size { cols: 80, rows: 24 })
            ]
        );
        let shown: Vec<_> = client_events(&mut pair.client)
            .into_iter()
            .map(|event| match event {
                ClientEvent::Output { bytes, .. } => bytes,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(shown, ["printed words", "complained words", "EXIT_CODE: 3"]);
        for frame in &pair.seen {
            let text = String::from_utf8_lossy(&frame.payload);
            assert!(
                !text.contains("words") && !text.contains("EXIT_CODE"),
                "{frame:?}"
            );
        }
        let size = pair
            .seen
            .iter()
            .find(|frame| frame.payload_type == PayloadType::Size);
        assert_eq!(
            size.unwrap().payload,
            r#"{"cols":80,"rows":24}"#,
            "a size stays clear"
        );
    }
}

#[test]
fn long_texts_are_cut_before_they_are_encrypted() {
    let mut pair = established(SessionType::StandardStream);
    let text = Bytes::from(vec![b'x'; 3000]);
    pair.node.send_output(PayloadType::Output, text.clone());
    pair.client.send_input(text);
    let before = pair.seen.len();
    pair.carry();
    let mut lengths: Vec<_> = pair.seen[before..]
        .iter()
        .map(|frame| frame.payload.len())
        .collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [980, 980, 1052, 1052, 1052, 1052]);
}

/// Messages of the two ends about commands: one that asks, one that answers.
const ASKS: &[u8] = b"\x00\0\0\0\0\0\0\x01{\"Command\":[\"recognizable\"]}";
const BEGINS: &[u8] = b"\x09\0\0\0\0\0\0\0";

fn clients_message(pair: &mut Pair, message: &'static [u8]) -> Frame {
    pair.client.send_multiplexed(message.into());
    let frames = client_frames(&mut pair.client, at(pair.now));
    let of_messages = |frame: &Frame| frame.payload_type == PayloadType::Multiplexed;
    frames.into_iter().find(of_messages).unwrap()
}

#[test]
fn messages_beside_the_shell_go_both_ways_and_are_read_by_nobody_between() {
    let mut pair = established(SessionType::StandardStream);
    let before = pair.seen.len();
    for _ in 0..3 {
        pair.client.send_multiplexed(ASKS.into());
        pair.node
            .send_output(PayloadType::Multiplexed, "recognizable".into());
        pair.carry();
    }
    assert_eq!(
        node_events(&mut pair.node),
        vec![NodeEvent::Multiplexed(ASKS.into()); 3]
    );
    let output = ClientEvent::Output {
        payload_type: PayloadType::Multiplexed,
        bytes: "recognizable".into(),
    };
    assert_eq!(client_events(&mut pair.client), vec![output; 3]);
    assert_eq!(pair.seen.len(), before + 6);
    for frame in &pair.seen[before..] {
        assert!(
            !frame.payload.windows(4).any(|window| window == b"reco"),
            "{frame:?}"
        );
    }
}

#[test]
fn what_is_said_beside_the_shell_is_never_taken_for_what_is_typed() {
    let mut pair = established(SessionType::StandardStream);
    let message = clients_message(&mut pair, ASKS);
    let relabelled = Frame {
        payload_type: PayloadType::Output,
        ..message.clone()
    };
    let result = pair.node.handle_message(relabelled.encode(), at(pair.now));
    assert!(
        matches!(result, Err(PeerMisbehaved::Undecryptable { .. })),
        "{result:?}"
    );
    pair.node.handle_message(message.encode(), at(pair.now)).unwrap();
    assert_eq!(node_events(&mut pair.node), [NodeEvent::Multiplexed(ASKS.into())]);

    pair.client.send_input("typed".into());
    let frames = client_frames(&mut pair.client, at(pair.now));
    let typed = frames
        .into_iter()
        .find(|frame| frame.payload_type == PayloadType::Output);
    let relabelled = Frame {
        payload_type: PayloadType::Multiplexed,
        ..typed.unwrap()
    };
    let result = pair.node.handle_message(relabelled.encode(), at(pair.now));
    assert!(
        matches!(result, Err(PeerMisbehaved::Undecryptable { .. })),
        "{result:?}"
    );
    assert_eq!(node_events(&mut pair.node), []);
}

#[test]
fn whoever_sits_between_repeats_no_command() {
    let mut pair = established(SessionType::StandardStream);
    let asked = clients_message(&mut pair, ASKS);
    pair.node.handle_message(asked.encode(), at(pair.now)).unwrap();
    assert_eq!(node_events(&mut pair.node), [NodeEvent::Multiplexed(ASKS.into())]);
    let again = |sequence: i64, frame: &Frame| Frame {
        sequence: frame.sequence + sequence,
        ..frame.clone()
    };
    let result = pair.node.handle_message(again(1, &asked).encode(), at(pair.now));
    assert!(
        matches!(result, Err(PeerMisbehaved::UnexpectedPayload(_))),
        "{result:?}"
    );

    // A client that takes the session over may say that it begins, and what the first one said stays over.
    let mut latecomer = ends::client();
    latecomer.join_encrypted(Cipher::of_client(&data_key(), [4; 32]));
    let first = stream_frame(
        MessageType::OutputStreamData,
        0,
        PayloadType::Output,
        nodes_cipher().seal(b"$ "),
    );
    latecomer.handle_message(first, at(pair.now)).unwrap();
    let mut late = Pair {
        client: latecomer,
        node: pair.node,
        seen: Vec::new(),
        now: pair.now,
    };
    let begins = clients_message(&mut late, BEGINS);
    let asks = clients_message(&mut late, ASKS);
    let begins = Frame {
        sequence: asked.sequence + 2,
        ..begins
    };
    late.node.handle_message(begins.encode(), at(late.now)).unwrap();
    assert_eq!(
        node_events(&mut late.node),
        [NodeEvent::Multiplexed(BEGINS.into())]
    );
    for (sequence, frame) in [(3, &asked), (4, &asks)] {
        let frame = Frame {
            sequence: asked.sequence + sequence,
            ..frame.clone()
        };
        let result = late.node.handle_message(frame.encode(), at(late.now));
        assert!(
            matches!(result, Err(PeerMisbehaved::UnexpectedPayload(_))),
            "{result:?}"
        );
    }
    assert_eq!(node_events(&mut late.node), []);
}

#[test]
fn a_message_in_the_clear_is_neither_acknowledged_nor_passed() {
    let mut pair = established(SessionType::StandardStream);
    for odd in [&b""[..], ASKS, &[7; 60]] {
        let to_client = stream_frame(MessageType::OutputStreamData, 3, PayloadType::Multiplexed, odd);
        let to_node = stream_frame(MessageType::InputStreamData, 2, PayloadType::Multiplexed, odd);
        for result in [
            pair.client.handle_message(to_client, at(pair.now)),
            pair.node.handle_message(to_node, at(pair.now)),
        ] {
            assert!(
                matches!(result, Err(PeerMisbehaved::Undecryptable { .. })),
                "{result:?}"
            );
        }
        assert_eq!(client_frames(&mut pair.client, at(pair.now)), []);
        assert_eq!(node_frames(&mut pair.node, at(pair.now)), []);
    }
    assert_eq!(client_events(&mut pair.client), []);
    assert_eq!(node_events(&mut pair.node), []);
}

#[test]
fn a_frame_that_does_not_decrypt_is_neither_acknowledged_nor_passed() {
    let mut pair = established(SessionType::StandardStream);
    let mut sealed = nodes_cipher();
    sealed.seal(b"the nonce of the challenge");
    let whole = sealed.seal(b"ls\r\n");
    let mut changed = whole.to_vec();
    changed[13] ^= 1;
    for odd in [
        Bytes::new(),
        "x".into(),
        whole.slice(..27),
        changed.into(),
        "plain text, long enough".into(),
    ] {
        let frame = stream_frame(MessageType::OutputStreamData, 3, PayloadType::Output, odd);
        let result = pair.client.handle_message(frame, at(pair.now));
        assert!(
            matches!(result, Err(PeerMisbehaved::Undecryptable { .. })),
            "{result:?}"
        );
        assert_eq!(client_frames(&mut pair.client, at(pair.now)), []);
    }
    let frame = stream_frame(MessageType::OutputStreamData, 3, PayloadType::Output, whole);
    pair.client.handle_message(frame, at(pair.now)).unwrap();
    assert_eq!(acknowledged(&client_frames(&mut pair.client, at(pair.now))), [3]);

    for odd in ["", "rm -rf /", "a text of more than twenty-eight bytes"] {
        let result = pair.node.handle_message(input(2, odd), at(pair.now));
        assert!(
            matches!(result, Err(PeerMisbehaved::Undecryptable { .. })),
            "{result:?}"
        );
        assert_eq!(node_frames(&mut pair.node, at(pair.now)), []);
        assert_eq!(node_events(&mut pair.node), []);
    }
    pair.client.send_input("ls".into());
    pair.carry();
    assert_eq!(node_events(&mut pair.node), [NodeEvent::Input("ls".into())]);
}

#[test]
fn payloads_for_which_no_encryption_is_agreed_carry_nothing() {
    for kind in [
        PayloadType::None,
        PayloadType::Error,
        PayloadType::Parameter,
        PayloadType::Unknown(77),
    ] {
        let mut pair = established(SessionType::StandardStream);
        let to_client = stream_frame(MessageType::OutputStreamData, 3, kind, "shown?");
        let to_node = stream_frame(MessageType::InputStreamData, 2, kind, "run?");
        let results = [
            pair.client.handle_message(to_client, at(pair.now)),
            pair.node.handle_message(to_node, at(pair.now)),
        ];
        for result in results {
            assert!(
                matches!(result, Err(PeerMisbehaved::UnexpectedPayload(_))),
                "{result:?}"
            );
        }
        assert_eq!(client_events(&mut pair.client), []);
        assert_eq!(node_events(&mut pair.node), []);
    }
}

/// Input that waits in front of the key exchange must not become the first thing that is typed after it.
#[test]
fn nothing_that_came_early_and_in_the_clear_outlives_the_key_exchange() {
    let mut pair = pair(SessionType::StandardStream);
    pair.node.handle_message(input(2, "rm -rf /\r"), at(0)).unwrap();
    pair.carry();
    let early = stream_frame(MessageType::OutputStreamData, 3, PayloadType::Output, "Password:");
    pair.client.handle_message(early, at(pair.now)).unwrap();
    pair.give_clients_key();
    pair.give_nodes_key();
    node_events(&mut pair.node);
    client_events(&mut pair.client);
    pair.client.send_input("ls".into());
    pair.node.send_output(PayloadType::Output, "$ ".into());
    pair.carry();
    assert_eq!(node_events(&mut pair.node), [NodeEvent::Input("ls".into())]);
    assert_eq!(
        client_events(&mut pair.client),
        [ClientEvent::Output {
            payload_type: PayloadType::Output,
            bytes: "$ ".into()
        }]
    );
}

#[test]
fn a_wrong_proof_is_not_acknowledged_and_ends_the_wait_only_by_its_time() {
    let mut pair = pair(SessionType::StandardStream);
    pair.carry();
    client_events(&mut pair.client);
    let response = ProcessedAction::data_key(WRAPPED);
    let session = ProcessedAction::success(ActionType::SessionType);
    pair.node
        .handle_message(handshake_response(0, vec![session, response]), at(10))
        .unwrap();
    node_events(&mut pair.node);
    node_frames(&mut pair.node, at(10));
    pair.node.handle_data_key(nodes_cipher(), at(1000));
    let question = stream_data(node_frames(&mut pair.node, at(1000))).remove(0);
    // The question sent back, the right bytes under the wrong half, and nothing at all.
    for wrong in [question.payload, r#"{"Challenge":"AAAA"}"#.into(), "{".into()] {
        let proof = stream_frame(
            MessageType::InputStreamData,
            1,
            PayloadType::EncChallengeResponse,
            wrong,
        );
        let result = pair.node.handle_message(proof, at(1001));
        assert!(
            matches!(result, Err(PeerMisbehaved::Undecryptable { .. })),
            "{result:?}"
        );
        assert_eq!(
            acknowledged(&node_frames(&mut pair.node, at(1001))),
            [] as [i64; 0]
        );
    }
    assert_eq!(pair.node.output_capacity(), 0);
    pair.node.handle_timeout(at(30_999));
    assert_eq!(node_events(&mut pair.node), []);
    pair.node.handle_timeout(at(31_000));
    let failed = NodeEvent::HandshakeFailed("Timed out waiting for encryption challenge.".to_owned());
    assert_eq!(node_events(&mut pair.node), [failed]);
}

/// A client that answers any question is a way to have the node's words encrypted as if they were typed.
#[test]
fn a_client_answers_one_question_and_none_after_the_handshake() {
    let mut pair = established(SessionType::StandardStream);
    pair.node.send_output(PayloadType::Output, "x".repeat(64).into());
    pair.carry();
    client_events(&mut pair.client);
    let question = pair
        .seen
        .iter()
        .find(|frame| frame.payload_type == PayloadType::EncChallengeRequest)
        .unwrap()
        .payload
        .clone();
    let again = stream_frame(
        MessageType::OutputStreamData,
        4,
        PayloadType::EncChallengeRequest,
        question.clone(),
    );
    let result = pair.client.handle_message(again, at(pair.now));
    assert!(
        matches!(result, Err(PeerMisbehaved::UnexpectedPayload(_))),
        "{result:?}"
    );
    assert_eq!(stream_data(client_frames(&mut pair.client, at(pair.now))), []);

    let mut client = ends::client();
    let session = port_free_action();
    client
        .handle_message(handshake_request(0, vec![session, kms_action()]), at(0))
        .unwrap();
    client.handle_data_key(clients_cipher(), WRAPPED);
    for (sequence, expected) in [(1, true), (2, false)] {
        client_frames(&mut client, at(0));
        let frame = stream_frame(
            MessageType::OutputStreamData,
            sequence,
            PayloadType::EncChallengeRequest,
            question.clone(),
        );
        assert_eq!(client.handle_message(frame, at(0)).is_ok(), expected);
        let answers = stream_data(client_frames(&mut client, at(0)));
        assert_eq!(answers.len(), usize::from(expected), "{answers:?}");
    }
}

fn port_free_action() -> payload::ClientAction {
    payload::ClientAction::session_type(SessionType::StandardStream, Value::Null)
}

#[test]
fn a_node_that_has_proved_nothing_completes_nothing() {
    let mut client = ends::client();
    client
        .handle_message(
            handshake_request(0, vec![port_free_action(), kms_action()]),
            at(0),
        )
        .unwrap();
    client.handle_data_key(clients_cipher(), WRAPPED);
    client_events(&mut client);
    let result = client.handle_message(handshake_complete(1, ""), at(0));
    assert!(
        matches!(result, Err(PeerMisbehaved::UnexpectedPayload(_))),
        "{result:?}"
    );
    assert_eq!(client.input_capacity(), 0);
    assert_eq!(client_events(&mut client), []);
}

#[test]
fn without_a_key_the_client_says_why_and_the_node_repeats_it() {
    let mut pair = pair(SessionType::StandardStream);
    pair.carry();
    client_events(&mut pair.client);
    pair.client
        .handle_data_key_refused("DisabledException: key k is disabled");
    pair.carry();
    let words = "KMSEncryption failed on client with status 2 error: \
                 Failed to process action KMSEncryption: DisabledException: key k is disabled";
    assert_eq!(
        node_events(&mut pair.node),
        [NodeEvent::HandshakeFailed(words.to_owned())]
    );
    pair.client.send_input("x".into());
    assert_eq!(stream_data(client_frames(&mut pair.client, at(pair.now))), []);
}

#[test]
fn without_a_key_the_node_fails_in_the_public_words() {
    let mut pair = pair(SessionType::StandardStream);
    pair.carry();
    pair.give_clients_key();
    node_events(&mut pair.node);
    pair.node
        .handle_data_key_refused("AccessDeniedException: not allowed");
    let words = "Fetching data key failed: AccessDeniedException: not allowed";
    assert_eq!(
        node_events(&mut pair.node),
        [NodeEvent::HandshakeFailed(words.to_owned())]
    );
    pair.node.handle_data_key(nodes_cipher(), at(pair.now));
    assert_eq!(stream_data(node_frames(&mut pair.node, at(pair.now))), []);
}

#[test]
fn a_key_service_that_does_not_answer_ends_the_handshake() {
    let mut pair = pair(SessionType::StandardStream);
    pair.carry();
    pair.give_clients_key();
    node_events(&mut pair.node);
    pair.node.handle_timeout(at(40_000));
    let words = "Fetching data key failed: no answer in time";
    assert_eq!(
        node_events(&mut pair.node),
        [NodeEvent::HandshakeFailed(words.to_owned())]
    );
}

#[test]
fn a_client_that_gives_no_key_does_not_get_a_session_in_the_clear() {
    let session = ProcessedAction::success(ActionType::SessionType);
    let bare = ProcessedAction::success(ActionType::KmsEncryption);
    let mut odd = bare.clone();
    odd.action_result = serde_json::json!({"KMSCipherTextKey": "%%%"});
    let mut empty = bare.clone();
    empty.action_result = serde_json::json!({"KMSCipherTextKey": ""});
    let mut long = bare.clone();
    long.action_result = serde_json::json!({"KMSCipherTextKey": "A".repeat(40_000)});
    for actions in [
        vec![],
        vec![session.clone()],
        vec![session.clone(), bare],
        vec![session.clone(), odd],
        vec![session.clone(), empty],
        vec![session, long],
    ] {
        let mut node = node();
        node.begin_handshake(SessionType::StandardStream, Value::Null, at(0));
        node_frames(&mut node, at(0));
        node.handle_message(handshake_response(0, actions), at(1))
            .unwrap();
        let failed = NodeEvent::HandshakeFailed("the client gave no data key".to_owned());
        assert_eq!(node_events(&mut node), [failed]);
        assert_eq!(node.output_capacity(), 0);
    }
}

#[test]
fn a_tunnel_is_not_encrypted_and_one_session_has_one_key() {
    for actions in [
        vec![port_action(), kms_action()],
        vec![port_free_action(), kms_action(), kms_action()],
    ] {
        let mut client = ends::client();
        client
            .handle_message(handshake_request(0, actions), at(0))
            .unwrap();
        assert_eq!(client_events(&mut client), []);
        let sent = stream_data(client_frames(&mut client, at(0)));
        let response: HandshakeResponse = payload::parse(&sent[0].payload).unwrap();
        let last = response.processed_client_actions.last().unwrap();
        assert_eq!(u32::from(last.action_status), 2);
    }
}

/// A client that comes later has the key from elsewhere.
#[test]
fn a_later_client_reads_and_types_with_the_same_key() {
    let mut pair = established(SessionType::StandardStream);
    pair.node.send_output(PayloadType::Output, "$ ".into());
    let frame = stream_data(node_frames(&mut pair.node, at(pair.now))).remove(0);
    let config = ClientConfig::new(Uuid::from_u128(8), "1.2.800.0");
    let cipher = Cipher::of_client(&data_key(), [10; 32]);
    let mut later = ClientEnd::new(config, MessageIds::new([8; 16]));
    later.join_encrypted(cipher);
    later.handle_connected(Token::new("token"), at(0));
    assert!(later.poll_transmit(at(0)).is_some());
    // The handshake was between others, should it be repeated.
    let shell = port_free_action();
    later
        .handle_message(handshake_request(0, vec![shell, kms_action()]), at(0))
        .unwrap();
    later
        .handle_message(handshake_complete(1, "hello"), at(0))
        .unwrap();
    assert_eq!(stream_data(client_frames(&mut later, at(0))), []);
    let renumbered = Frame { sequence: 2, ..frame };
    later.handle_message(renumbered.encode(), at(0)).unwrap();
    let events = client_events(&mut later);
    assert!(
        matches!(&events[..], [ClientEvent::Established { .. }, ClientEvent::Output { bytes, .. }] if bytes == "$ "),
        "{events:?}"
    );
    later.send_input("ls".into());
    let typed = stream_data(client_frames(&mut later, at(0))).remove(0);
    let renumbered = Frame { sequence: 2, ..typed };
    pair.node
        .handle_message(renumbered.encode(), at(pair.now))
        .unwrap();
    assert_eq!(node_events(&mut pair.node), [NodeEvent::Input("ls".into())]);
}
