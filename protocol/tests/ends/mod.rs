//! The ends of both channels, ready to be driven by hand, and the frames that their peers would send.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "every test file uses its own part of it")]

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::control_channel::node::NodeControlConfig;
use drawbridge_protocol::control_channel::{NodeControl, ServerControl};
use drawbridge_protocol::data_channel::client::{self, ClientConfig, ClientEnd};
use drawbridge_protocol::data_channel::node::{self, NodeConfig, NodeEnd};
use drawbridge_protocol::payload::{
    self, Acknowledge, ActionType, ClientAction, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    InteractiveShell, ProcessedAction, SessionType, ShellContent,
};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{Capabilities, Hello, MessageIds, NodeExtension, Time, Token, Transmit};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const SESSION: &str = "alice-0a1b2c3d4e5f67890";
pub(crate) const NODE: &str = "mi-0123456789abcdef0";

pub(crate) fn at(ms: u64) -> Time {
    Time::new(Duration::from_millis(ms), 1_700_000_000_000 + ms)
}

/// A client of AWS's service, connected, its text frame sent.
pub(crate) fn client() -> ClientEnd {
    let config = ClientConfig {
        capabilities: None,
        ..ClientConfig::new(Uuid::from_u128(1), "1.2.800.0")
    };
    connected_client(config)
}

/// A client of our server, connected, its text frame sent and the server's hello received.
pub(crate) fn our_client() -> ClientEnd {
    let mut client = connected_client(ClientConfig::new(Uuid::from_u128(1), "1.2.800.0"));
    client
        .handle_message(
            hello(Hello {
                capabilities: Capabilities::OURS,
                max_payload: 32768,
                ..Hello::default()
            }),
            at(0),
        )
        .unwrap();
    assert!(matches!(client.poll_event(), Some(client::Event::Hello(_))));
    client
}

pub(crate) fn connected_client(config: ClientConfig) -> ClientEnd {
    let mut client = ClientEnd::new(config, MessageIds::new([1; 16]));
    client.handle_connected(Token::new("token"), at(0));
    assert!(matches!(client.poll_transmit(at(0)), Some(Transmit::Text(_))));
    client
}

/// A client that is already in a shell: one frame of output came, and was acknowledged.
pub(crate) fn shell_client() -> ClientEnd {
    let mut client = client();
    client.handle_message(output(0, "$ "), at(0)).unwrap();
    assert!(matches!(
        client.poll_event(),
        Some(client::Event::Established { .. })
    ));
    assert!(matches!(client.poll_event(), Some(client::Event::Output { .. })));
    assert_eq!(client_frames(&mut client, at(0)).len(), 1);
    client
}

/// A node towards AWS's service, connected, its text frame sent.
pub(crate) fn node() -> NodeEnd {
    connected_node(None)
}

/// A node towards our server, connected, its text frame sent.
pub(crate) fn our_node() -> NodeEnd {
    connected_node(Some(NodeExtension {
        max_payload: 32768,
        cumulative_ack: true,
        client_streams_input: true,
        client_tunnels: true,
        client_commands: true,
    }))
}

fn connected_node(extension: Option<NodeExtension>) -> NodeEnd {
    let config = NodeConfig::new(SESSION, NODE, "3.3.987.0", extension);
    let mut node = NodeEnd::new(config, MessageIds::new([2; 16]));
    node.handle_connected(Token::new("token"), at(0));
    assert!(matches!(node.poll_transmit(at(0)), Some(Transmit::Text(_))));
    node
}

pub(crate) fn node_control() -> NodeControl {
    let config = NodeControlConfig::new("3.3.987.0", "linux");
    let mut control = NodeControl::new(config, MessageIds::new([3; 16]));
    control.handle_connected(Token::new("token"), at(0));
    assert!(matches!(control.poll_transmit(at(0)), Some(Transmit::Text(_))));
    control
}

/// A server whose node has just been let in, at time 0.
pub(crate) fn server_control(open: &str) -> ServerControl {
    let mut control = ServerControl::new(MessageIds::new([4; 16]), at(0));
    control.handle_text(open, at(0)).unwrap();
    assert!(control.poll_event().is_some());
    control.accept(at(0));
    control
}

pub(crate) const AWS_NODE_OPENS: &str = include_str!("../vectors/open_control_channel.json");
pub(crate) const OUR_NODE_OPENS: &str = include_str!("../vectors/open_control_channel_drawbridge.json");

pub(crate) fn client_frames(client: &mut ClientEnd, now: Time) -> Vec<Frame> {
    frames(std::iter::from_fn(|| client.poll_transmit(now)))
}

pub(crate) fn node_frames(node: &mut NodeEnd, now: Time) -> Vec<Frame> {
    frames(std::iter::from_fn(|| node.poll_transmit(now)))
}

pub(crate) fn client_events(client: &mut ClientEnd) -> Vec<client::Event> {
    std::iter::from_fn(|| client.poll_event()).collect()
}

pub(crate) fn node_events(node: &mut NodeEnd) -> Vec<node::Event> {
    std::iter::from_fn(|| node.poll_event()).collect()
}

/// Reads the frames among these messages; pings are left out, text is a failure.
pub(crate) fn frames(transmits: impl Iterator<Item = Transmit>) -> Vec<Frame> {
    transmits
        .filter_map(|transmit| match transmit {
            Transmit::Binary(bytes) => Some(Frame::decode(bytes).unwrap()),
            Transmit::Ping(_) => None,
            Transmit::Text(text) => panic!("expected only frames, found the text {text}"),
        })
        .collect()
}

/// Lists the sequence numbers that these frames acknowledge.
pub(crate) fn acknowledged(frames: &[Frame]) -> Vec<i64> {
    let acknowledges = frames
        .iter()
        .filter(|frame| frame.message_type == MessageType::Acknowledge);
    acknowledges
        .map(|frame| Acknowledge::parse(&frame.payload).unwrap().sequence)
        .collect()
}

/// Leaves out everything but stream data.
pub(crate) fn stream_data(frames: Vec<Frame>) -> Vec<Frame> {
    frames
        .into_iter()
        .filter(|frame| frame.message_type.is_stream_data())
        .collect()
}

pub(crate) fn output(sequence: i64, payload: impl Into<Bytes>) -> Bytes {
    stream_frame(
        MessageType::OutputStreamData,
        sequence,
        PayloadType::Output,
        payload,
    )
}

pub(crate) fn input(sequence: i64, payload: impl Into<Bytes>) -> Bytes {
    stream_frame(
        MessageType::InputStreamData,
        sequence,
        PayloadType::Output,
        payload,
    )
}

pub(crate) fn stream_frame(
    message_type: MessageType,
    sequence: i64,
    payload_type: PayloadType,
    payload: impl Into<Bytes>,
) -> Bytes {
    let id = Uuid::from_u128(0xbeef_0000 + u128::from(sequence.unsigned_abs()));
    let frame = Frame::control(message_type, id, payload.into(), at(0));
    Frame {
        sequence,
        payload_type,
        ..frame
    }
    .encode()
}

pub(crate) fn acknowledge(message_type: MessageType, sequence: i64) -> Bytes {
    message(
        MessageType::Acknowledge,
        Acknowledge::new(message_type, Uuid::nil(), sequence).to_bytes(),
    )
}

pub(crate) fn message(message_type: MessageType, payload: impl Into<Bytes>) -> Bytes {
    Frame::control(message_type, Uuid::from_u128(0xcafe), payload.into(), at(0)).encode()
}

pub(crate) fn hello(hello: Hello) -> Bytes {
    message(MessageType::DrawbridgeHello, payload::to_bytes(&hello))
}

pub(crate) fn channel_closed(output: &str) -> Bytes {
    let closed = json!({"SessionId": SESSION, "Output": output});
    message(MessageType::ChannelClosed, payload::to_bytes(&closed))
}

pub(crate) fn handshake_request(sequence: i64, actions: Vec<ClientAction>) -> Bytes {
    let request = HandshakeRequest {
        agent_version: "3.3.987.0".to_owned(),
        requested_client_actions: actions,
    };
    let payload = payload::to_bytes(&request);
    stream_frame(
        MessageType::OutputStreamData,
        sequence,
        PayloadType::HandshakeRequest,
        payload,
    )
}

pub(crate) fn port_action() -> ClientAction {
    ClientAction::session_type(SessionType::Port, json!({"portNumber": "80"}))
}

pub(crate) fn unknown_action() -> ClientAction {
    ClientAction {
        action_type: ActionType::Unknown("Dance".to_owned()),
        action_parameters: Value::Null,
    }
}

pub(crate) fn kms_action() -> ClientAction {
    let action_parameters = json!({"KMSKeyId": "k", "Challenge": "AAECAwQFBgcICQoLDA0ODw=="});
    ClientAction {
        action_type: ActionType::KmsEncryption,
        action_parameters,
    }
}

pub(crate) fn handshake_complete(sequence: i64, customer_message: &str) -> Bytes {
    let complete = HandshakeComplete {
        handshake_time_to_complete: 1,
        customer_message: customer_message.to_owned(),
    };
    let payload = payload::to_bytes(&complete);
    stream_frame(
        MessageType::OutputStreamData,
        sequence,
        PayloadType::HandshakeComplete,
        payload,
    )
}

pub(crate) fn handshake_response(sequence: i64, processed_client_actions: Vec<ProcessedAction>) -> Bytes {
    let response = HandshakeResponse {
        client_version: "1.2.650.0".to_owned(),
        processed_client_actions,
        errors: None,
    };
    let payload = payload::to_bytes(&response);
    stream_frame(
        MessageType::InputStreamData,
        sequence,
        PayloadType::HandshakeResponse,
        payload,
    )
}

pub(crate) fn interactive_shell(session_id: &str) -> InteractiveShell {
    InteractiveShell::new(&shell_content(session_id))
}

pub(crate) fn shell_content(session_id: &str) -> ShellContent {
    ShellContent {
        document_name: "SSM-SessionManagerRunShell".to_owned(),
        document_content: json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "properties": Value::Null}),
        session_id: session_id.to_owned(),
        ..ShellContent::default()
    }
}
