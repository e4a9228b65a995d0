//! Holds the bytes on the wire against the committed vectors, in both directions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use drawbridge_protocol::payload::{
    self, Acknowledge, ActionStatus, ActionType, AgentSessionState, ChannelClosed, ClientAction,
    EncChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, InteractiveShell, KmsParameters,
    KmsResult, OpenControlChannel, OpenDataChannel, ProcessedAction, SessionState, SessionType, ShellContent,
    Size, TaskAcknowledge, TaskComplete, TaskStatus, flag,
};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{Capabilities, Hello, NodeExtension, Notice, Role, Time, Token};
use serde_json::{Map, Value, json};
use uuid::{Uuid, uuid};

const ID: Uuid = uuid!("00112233-4455-6677-8899-aabbccddeeff");
const ACKNOWLEDGED: Uuid = uuid!("a1a2a3a4-b1b2-c1c2-d1d2-e1e2e3e4e5e6");
const NODE: &str = "mi-0123456789abcdef0";
const SESSION: &str = "alice-0a1b2c3d4e5f67890";
const CREATED_MS: u64 = 0x1a1_f987_97ff;
const NEW_YEAR_2024_MS: u64 = 1_704_067_200_000;

/// The example of `protocol.md` 3.8, spelled out here so that no change of the vector files can hide a change of the bytes.
#[test]
fn captured_example_is_byte_exact() {
    let captured = hex::decode(concat!(
        "00000074",
        "6f75747075745f73747265616d5f646174612020202020202020202020202020",
        "00000001",
        "000001a1f98797ff",
        "0000000000000000",
        "0000000000000001",
        "8899aabbccddeeff0011223344556677",
        "dc8032bc59243e8ac66865a8735167e800114798b7a85955f8d7ff32714a49ba",
        "00000001",
        "00000007",
        "68656c6c6f2420",
    ))
    .unwrap();
    assert_eq!(vector("output_stream_data"), captured);
    let frame = output(0, PayloadType::Output, "hello$ ");
    assert_eq!(frame.encode(), captured);
    assert_eq!(Frame::decode(captured.into()), Ok(frame));
}

#[test]
fn output_stream_data() {
    holds("output_stream_data", &output(0, PayloadType::Output, "hello$ "));
    holds(
        "output_stream_data_later",
        &output(2, PayloadType::Output, "hi\r\n$ "),
    );
    holds(
        "output_stream_data_stderr",
        &output(4, PayloadType::StdErr, "no such file\n"),
    );
    holds(
        "output_stream_data_exit_code",
        &output(5, PayloadType::ExitCode, "EXIT_CODE: 3"),
    );
    let refused = flag::to_bytes(flag::CONNECT_TO_PORT_ERROR);
    holds("output_stream_data_flag", &output(6, PayloadType::Flag, refused));
}

#[test]
fn input_stream_data() {
    holds("input_stream_data", &input(1, PayloadType::Output, "echo hi\r"));
    let size = Size { cols: 120, rows: 40 };
    holds(
        "input_stream_data_size",
        &input(0, PayloadType::Size, size.to_bytes()),
    );
    let leaving = flag::to_bytes(flag::TERMINATE_SESSION);
    holds("input_stream_data_flag", &input(7, PayloadType::Flag, leaving));
}

#[test]
fn acknowledge() {
    let output = Acknowledge::new(MessageType::OutputStreamData, ACKNOWLEDGED, 0);
    let input = Acknowledge::new(MessageType::InputStreamData, ACKNOWLEDGED, 41);
    let cumulative = Acknowledge {
        cumulative: true,
        sequence: 9000,
        ..output
    };
    for (name, acknowledge) in [
        ("acknowledge_output", output),
        ("acknowledge_input", input),
        ("acknowledge_cumulative", cumulative),
    ] {
        let frame = control(MessageType::Acknowledge, acknowledge.to_bytes());
        holds(name, &Frame { flags: 3, ..frame });
        assert_eq!(Acknowledge::parse(&decoded(name).payload), Ok(acknowledge));
    }
}

#[test]
fn channel_closed() {
    let now = Time::new(Default::default(), NEW_YEAR_2024_MS);
    let normal = ChannelClosed::new(ID, NODE, SESSION, "", now);
    let reason = ChannelClosed::new(ID, "c", SESSION, "Your session timed out due to inactivity.", now);
    let exit_code = ChannelClosed {
        exit_code: Some(3),
        ..ChannelClosed::new(ID, "c", SESSION, "", now)
    };
    let confirm = ChannelClosed {
        confirm: true,
        ..ChannelClosed::new(ID, "c", SESSION, "", now)
    };
    for (name, closed) in [
        ("channel_closed", normal),
        ("channel_closed_output", reason),
        ("channel_closed_exit_code", exit_code),
        ("channel_closed_confirm", confirm),
    ] {
        holds(
            name,
            &Frame::control(MessageType::ChannelClosed, ID, payload::to_bytes(&closed), now),
        );
        assert_eq!(
            payload::parse::<ChannelClosed>(&decoded(name).payload),
            Ok(closed)
        );
    }
}

#[test]
fn publication_switches() {
    holds("pause_publication", &control(MessageType::PausePublication, "{}"));
    holds("start_publication", &control(MessageType::StartPublication, "{}"));
}

#[test]
fn agent_session_state() {
    let state = |session_state, exit_code| AgentSessionState {
        schema_version: 1,
        session_state,
        session_id: SESSION.to_owned(),
        exit_code,
    };
    for (name, state) in [
        (
            "agent_session_state_connected",
            state(SessionState::Connected, None),
        ),
        (
            "agent_session_state_terminating",
            state(SessionState::Terminating, None),
        ),
        (
            "agent_session_state_exit_code",
            state(SessionState::Terminating, Some(-1)),
        ),
    ] {
        let frame = control(MessageType::AgentSessionState, payload::to_bytes(&state));
        holds(name, &Frame { flags: 3, ..frame });
        assert_eq!(
            payload::parse::<AgentSessionState>(&decoded(name).payload),
            Ok(state)
        );
    }
}

#[test]
fn handshake_request() {
    let kms = KmsParameters {
        kms_key_id: "arn:aws:kms:us-east-1:123456789012:key/k".to_owned(),
        challenge: "AAECAwQFBgcICQoLDA0ODw==".to_owned(),
    };
    let encrypted = HandshakeRequest {
        agent_version: "3.3.987.0".to_owned(),
        requested_client_actions: vec![
            ClientAction::session_type(SessionType::StandardStream, Value::Null),
            ClientAction {
                action_type: ActionType::KmsEncryption,
                action_parameters: serde_json::to_value(kms).unwrap(),
            },
        ],
    };
    let properties = json!({"portNumber": "80", "type": "LocalPortForwarding", "localPortNumber": "8080"});
    let port = HandshakeRequest {
        agent_version: "3.3.987.0".to_owned(),
        requested_client_actions: vec![ClientAction::session_type(SessionType::Port, properties)],
    };
    for (name, request) in [("handshake_request", encrypted), ("handshake_request_port", port)] {
        holds(
            name,
            &output(0, PayloadType::HandshakeRequest, payload::to_bytes(&request)),
        );
        assert_eq!(
            payload::parse::<HandshakeRequest>(&decoded(name).payload),
            Ok(request)
        );
    }
}

#[test]
fn handshake_response() {
    let key = KmsResult {
        cipher_text_key: "a2V5".to_owned(),
        cipher_text_hash: None,
    };
    let response = |processed_client_actions| HandshakeResponse {
        client_version: "1.2.650.0".to_owned(),
        processed_client_actions,
        errors: None,
    };
    let done = response(vec![
        ProcessedAction::success(ActionType::SessionType),
        ProcessedAction {
            action_result: serde_json::to_value(key).unwrap(),
            ..ProcessedAction::success(ActionType::KmsEncryption)
        },
    ]);
    let unknown = response(vec![ProcessedAction {
        action_type: ActionType::Unknown("X".to_owned()),
        action_status: ActionStatus::Unknown(0),
        action_result: json!(3),
        error: "Unsupported action X".to_owned(),
    }]);
    for (name, response) in [
        ("handshake_response", done),
        ("handshake_response_unknown_action", unknown),
    ] {
        holds(
            name,
            &input(0, PayloadType::HandshakeResponse, payload::to_bytes(&response)),
        );
        assert_eq!(
            payload::parse::<HandshakeResponse>(&decoded(name).payload),
            Ok(response)
        );
    }
}

#[test]
fn handshake_complete() {
    let complete = HandshakeComplete {
        handshake_time_to_complete: 123_456_789,
        customer_message: "This session is encrypted using AWS KMS.".to_owned(),
    };
    holds(
        "handshake_complete",
        &output(2, PayloadType::HandshakeComplete, payload::to_bytes(&complete)),
    );
    assert_eq!(
        payload::parse(&decoded("handshake_complete").payload),
        Ok(complete)
    );
}

#[test]
fn encryption_challenge() {
    let question = EncChallenge {
        challenge: "cXVlc3Rpb24=".to_owned(),
    };
    let answer = EncChallenge {
        challenge: "YW5zd2Vy".to_owned(),
    };
    holds(
        "enc_challenge_request",
        &output(1, PayloadType::EncChallengeRequest, payload::to_bytes(&question)),
    );
    holds(
        "enc_challenge_response",
        &input(1, PayloadType::EncChallengeResponse, payload::to_bytes(&answer)),
    );
    assert_eq!(
        payload::parse(&decoded("enc_challenge_response").payload),
        Ok(answer)
    );
}

#[test]
fn interactive_shell() {
    let content = |drawbridge| ShellContent {
        document_name: "SSM-SessionManagerRunShell".to_owned(),
        document_content: json!({
            "schemaVersion": "1.0",
            "sessionType": "Standard_Stream",
            "inputs": {"kmsKeyId": "", "cloudWatchStreamingEnabled": false},
        }),
        session_id: SESSION.to_owned(),
        parameters: Map::new(),
        run_as_user: String::new(),
        session_owner: "arn:aws:iam::123456789012:user/alice".to_owned(),
        drawbridge,
    };
    let extension = NodeExtension {
        max_payload: 32768,
        cumulative_ack: true,
        client_streams_input: false,
        client_tunnels: false,
        client_commands: false,
    };
    let tunnel = NodeExtension {
        client_tunnels: true,
        ..extension
    };
    let streaming = NodeExtension {
        client_streams_input: true,
        ..extension
    };
    for (name, content) in [
        ("interactive_shell", content(None)),
        ("interactive_shell_drawbridge", content(Some(extension))),
        ("interactive_shell_drawbridge_input", content(Some(streaming))),
        ("interactive_shell_drawbridge_tunnel", content(Some(tunnel))),
    ] {
        let shell = InteractiveShell::new(&content);
        holds(
            name,
            &control(MessageType::InteractiveShell, payload::to_bytes(&shell)),
        );
        let read: InteractiveShell = payload::parse(&decoded(name).payload).unwrap();
        assert_eq!(read.parse_content(), Ok(content));
    }
}

#[test]
fn agent_task() {
    let complete = TaskComplete::new(SESSION, NODE, TaskStatus::Success, "");
    holds(
        "agent_task_complete",
        &control(MessageType::AgentTaskComplete, payload::to_bytes(&complete)),
    );
    assert_eq!(
        payload::parse(&decoded("agent_task_complete").payload),
        Ok(complete)
    );
    let acknowledge = TaskAcknowledge::new(ACKNOWLEDGED, SESSION);
    let bytes = payload::to_bytes(&acknowledge);
    holds(
        "agent_task_acknowledge",
        &control(MessageType::AgentTaskAcknowledge, bytes),
    );
    assert_eq!(
        payload::parse(&decoded("agent_task_acknowledge").payload),
        Ok(acknowledge)
    );
}

#[test]
fn hello() {
    let hello = Hello {
        capabilities: Capabilities {
            large_frames: 32768,
            cumulative_ack: true,
            exit_code: true,
            end_of_input: true,
            notices: true,
            tunnels: true,
            signals: true,
            commands: true,
            sealed_commands: true,
            confirms_end: true,
        },
        input_sequence: 0,
        role: Role::Owner,
        max_payload: 32768,
        command: None,
    };
    holds(
        "drawbridge_hello",
        &control(MessageType::DrawbridgeHello, payload::to_bytes(&hello)),
    );
    assert_eq!(payload::parse(&decoded("drawbridge_hello").payload), Ok(hello));
    // An older end names less, and cannot do what it does not name.
    let capabilities = Capabilities {
        sealed_commands: false,
        confirms_end: false,
        ..hello.capabilities
    };
    let older = decoded("drawbridge_hello_before_sealed_commands").payload;
    assert_eq!(
        payload::parse(&older),
        Ok(Hello {
            capabilities,
            ..hello
        })
    );
}

#[test]
fn notice() {
    let notice = Notice {
        text: "This session ends in 60 s.".to_owned(),
    };
    holds(
        "drawbridge_notice",
        &control(MessageType::DrawbridgeNotice, payload::to_bytes(&notice)),
    );
    assert_eq!(payload::parse(&decoded("drawbridge_notice").payload), Ok(notice));
}

/// Messages that this version does not act on still pass through unchanged.
#[test]
fn messages_that_are_only_carried() {
    for (name, message_type) in [
        ("agent_telemetry", MessageType::AgentTelemetry),
        ("agent_update_result", MessageType::AgentUpdateResult),
        ("agent_job", MessageType::AgentJob),
        ("agent_job_ack", MessageType::AgentJobAck),
        ("agent_job_reply", MessageType::AgentJobReply),
        ("agent_job_reply_ack", MessageType::AgentJobReplyAck),
        (
            "unknown_message",
            MessageType::parse("tomorrows_message").unwrap(),
        ),
    ] {
        let frame = decoded(name);
        assert_eq!(frame.message_type, message_type);
        assert_eq!(frame.encode(), vector(name));
    }
    assert!(matches!(
        decoded("unknown_message").message_type,
        MessageType::Unknown(_)
    ));
}

#[test]
fn open_data_channel() {
    let client = OpenDataChannel {
        message_schema_version: "1.0".to_owned(),
        request_id: ID.to_string(),
        token_value: Token::new("opaque"),
        client_instance_id: None,
        client_id: ACKNOWLEDGED.to_string(),
        client_version: Some("1.2.650.0".to_owned()),
        capabilities: None,
    };
    let ours = OpenDataChannel {
        client_version: Some("1.2.800.0".to_owned()),
        capabilities: Some(Capabilities::OURS),
        ..client.clone()
    };
    let node = OpenDataChannel {
        client_instance_id: Some(NODE.to_owned()),
        client_id: String::new(),
        client_version: None,
        ..client.clone()
    };
    for (text, open) in [
        (include_str!("vectors/open_data_channel_client.json"), client),
        (
            include_str!("vectors/open_data_channel_drawbridge_client.json"),
            ours,
        ),
        (include_str!("vectors/open_data_channel_node.json"), node),
    ] {
        assert_eq!(payload::to_text(&open), text.trim_end());
        assert_eq!(OpenDataChannel::parse(text), Ok(open));
    }
}

#[test]
fn open_control_channel() {
    let aws = OpenControlChannel {
        cookie: (),
        message_schema_version: "1.0".to_owned(),
        request_id: ID.to_string(),
        token_value: Token::new("opaque"),
        agent_version: "3.3.987.0".to_owned(),
        platform_type: "linux".to_owned(),
        capabilities: None,
    };
    let ours = OpenControlChannel {
        capabilities: Some(Capabilities::OURS),
        ..aws.clone()
    };
    for (text, open) in [
        (include_str!("vectors/open_control_channel.json"), aws),
        (include_str!("vectors/open_control_channel_drawbridge.json"), ours),
    ] {
        assert_eq!(payload::to_text(&open), text.trim_end());
        assert_eq!(OpenControlChannel::parse(text), Ok(open));
    }
}

/// Every vector decodes, and none is left without a test above that gives its meaning.
#[test]
fn every_vector_is_a_frame() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let hex_files: Vec<_> = names
        .filter_map(|name| name.to_str()?.strip_suffix(".hex").map(str::to_owned))
        .collect();
    assert!(hex_files.len() >= 37);
    for name in hex_files {
        assert_eq!(decoded(&name).encode(), vector(&name), "{name}");
        let source = include_str!("vectors.rs");
        assert!(
            source.contains(&format!("\"{name}\"")),
            "{name} is not named in a test"
        );
    }
}

fn holds(name: &str, frame: &Frame) {
    assert_eq!(hex::encode(frame.encode()), hex::encode(vector(name)), "{name}");
    assert_eq!(decoded(name), *frame, "{name}");
}

fn decoded(name: &str) -> Frame {
    Frame::decode(vector(name).into()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/vectors/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    hex::decode(digits).unwrap()
}

fn output(sequence: i64, payload_type: PayloadType, payload: impl Into<Bytes>) -> Frame {
    let flags = u64::from(sequence == 0);
    Frame {
        sequence,
        payload_type,
        flags,
        ..control(MessageType::OutputStreamData, payload)
    }
}

fn input(sequence: i64, payload_type: PayloadType, payload: impl Into<Bytes>) -> Frame {
    Frame {
        sequence,
        payload_type,
        ..control(MessageType::InputStreamData, payload)
    }
}

fn control(message_type: MessageType, payload: impl Into<Bytes>) -> Frame {
    Frame::control(
        message_type,
        ID,
        payload.into(),
        Time::new(Default::default(), CREATED_MS),
    )
}
