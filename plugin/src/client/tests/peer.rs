//! The server's end of a data channel, driven by hand.

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::payload::{Acknowledge, ChannelClosed, OpenDataChannel, Size, flag};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{Capabilities, Hello, MessageIds, Role, Time};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role as Side;

/// One accepted connection, its first text frame read.
pub(super) struct Peer {
    pub(super) socket: WebSocketStream<DuplexStream>,
    pub(super) open: OpenDataChannel,
    ids: MessageIds,
}

pub(super) const HELLO: Hello = Hello {
    capabilities: Capabilities::OURS,
    input_sequence: 0,
    role: Role::Owner,
    max_payload: 32 * 1024,
    command: None,
};

impl Peer {
    pub(super) async fn accept(stream: DuplexStream) -> Self {
        let mut socket = WebSocketStream::from_raw_socket(stream, Side::Server, None).await;
        let first = timeout(LONG, socket.next())
            .await
            .expect("a first message")
            .unwrap()
            .unwrap();
        let open = OpenDataChannel::parse(first.to_text().unwrap()).unwrap();
        Self {
            socket,
            open,
            ids: MessageIds::new([9; 16]),
        }
    }

    /// Sends terminal output as the frame with this number.
    pub(super) async fn output(&mut self, sequence: i64, text: impl Into<Bytes>) {
        self.stream(PayloadType::Output, sequence, text).await;
    }

    pub(super) async fn stream(
        &mut self,
        payload_type: PayloadType,
        sequence: i64,
        payload: impl Into<Bytes>,
    ) {
        let frame = Frame {
            sequence,
            payload_type,
            ..self.frame_of(MessageType::OutputStreamData, payload)
        };
        self.send(frame.encode()).await;
    }

    pub(super) async fn hello(&mut self, hello: Hello) {
        let payload = serde_json::to_vec(&hello).unwrap();
        let frame = self.frame_of(MessageType::DrawbridgeHello, payload);
        self.send(frame.encode()).await;
    }

    pub(super) async fn notice(&mut self, text: &str) {
        let frame = self.frame_of(MessageType::DrawbridgeNotice, json!({ "Text": text }).to_string());
        self.send(frame.encode()).await;
    }

    pub(super) async fn close(&mut self, output: &str) {
        self.close_with(output, None).await;
    }

    pub(super) async fn close_with(&mut self, output: &str, exit_code: Option<i32>) {
        let closed = ChannelClosed {
            exit_code,
            ..ChannelClosed::new(self.ids.next(), "", "", output, NOW)
        };
        let frame = self.frame_of(MessageType::ChannelClosed, serde_json::to_vec(&closed).unwrap());
        self.send(frame.encode()).await;
    }

    /// Sends a request for this session type and reads the answer, without completing the handshake.
    pub(super) async fn handshake(&mut self, session_type: &str) -> Frame {
        self.handshake_with(session_type, Value::Null).await
    }

    pub(super) async fn handshake_with(&mut self, session_type: &str, properties: Value) -> Frame {
        self.handshake_from("3.3.987.0", session_type, properties).await
    }

    pub(super) async fn handshake_from(
        &mut self,
        agent_version: &str,
        session_type: &str,
        properties: Value,
    ) -> Frame {
        let request = json!({ "AgentVersion": agent_version, "RequestedClientActions": [
            { "ActionType": "SessionType", "ActionParameters": { "SessionType": session_type, "Properties": properties } }
        ] });
        self.stream(PayloadType::HandshakeRequest, 0, request.to_string())
            .await;
        self.input().await
    }

    pub(super) async fn complete_handshake(&mut self, message: &str) {
        let complete = json!({ "HandshakeTimeToComplete": 1, "CustomerMessage": message });
        self.stream(PayloadType::HandshakeComplete, 1, complete.to_string())
            .await;
    }

    pub(super) async fn acknowledge(&mut self, frame: &Frame) {
        let ack = Acknowledge::new(frame.message_type, frame.message_id, frame.sequence);
        let frame = self.frame_of(MessageType::Acknowledge, ack.to_bytes());
        self.send(frame.encode()).await;
    }

    /// The next frame that is not stream data is skipped; stream data is returned unacknowledged.
    pub(super) async fn unacknowledged(&mut self) -> Frame {
        loop {
            let frame = self.frame().await;
            if frame.message_type == MessageType::InputStreamData {
                return frame;
            }
        }
    }

    /// The next stream data, acknowledged.
    pub(super) async fn input(&mut self) -> Frame {
        let frame = self.unacknowledged().await;
        self.acknowledge(&frame).await;
        frame
    }

    /// The next bytes typed, as text.
    pub(super) async fn typed(&mut self) -> String {
        loop {
            let frame = self.input().await;
            if frame.payload_type == PayloadType::Output {
                return String::from_utf8(frame.payload.to_vec()).unwrap();
            }
        }
    }

    pub(super) async fn size(&mut self) -> Size {
        let frame = self.input().await;
        assert_eq!(frame.payload_type, PayloadType::Size);
        Size::parse(&frame.payload).unwrap()
    }

    /// Reads and acknowledges stream data until one is a flag; returns the bytes before it and its number.
    pub(super) async fn until_flag(&mut self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::new();
        loop {
            let frame = self.input().await;
            match frame.payload_type {
                PayloadType::Output => bytes.extend_from_slice(&frame.payload),
                PayloadType::Flag => return (bytes, flag::parse(&frame.payload).unwrap()),
                other => panic!("unexpected {other}"),
            }
        }
    }

    /// Reads until output up to this number is acknowledged, one by one or together.
    pub(super) async fn acknowledged(&mut self, sequence: i64) {
        loop {
            let frame = self.frame().await;
            if frame.message_type == MessageType::Acknowledge
                && Acknowledge::parse(&frame.payload).unwrap().sequence == sequence
            {
                return;
            }
        }
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> Frame {
        loop {
            let message = timeout(LONG, self.socket.next())
                .await
                .expect("a message")
                .unwrap()
                .unwrap();
            if let Message::Binary(bytes) = message {
                return Frame::decode(bytes).unwrap();
            }
        }
    }

    /// Says whether the client hangs up or falls silent for `how_long`, and not a frame before.
    pub(super) async fn is_quiet_for(&mut self, how_long: Duration) -> bool {
        let speaks = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Binary(_) | Message::Text(_))) => return,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => std::future::pending().await,
                }
            }
        };
        timeout(how_long, speaks).await.is_err()
    }

    pub(super) async fn send(&mut self, bytes: Bytes) {
        self.socket.send(Message::Binary(bytes)).await.unwrap();
    }

    pub(super) fn frame_of(&mut self, message_type: MessageType, payload: impl Into<Bytes>) -> Frame {
        Frame::control(message_type, self.ids.next(), payload.into(), NOW)
    }
}

const NOW: Time = Time::new(Duration::ZERO, 1_800_000_000_000);

/// Far beyond every wait of the client; passes at once under the paused clock.
const LONG: Duration = Duration::from_secs(3600);
