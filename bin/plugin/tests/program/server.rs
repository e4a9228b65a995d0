//! A server that does what the test says: websockets and API calls on one port.

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::payload::{Acknowledge, ChannelClosed, OpenDataChannel, Size, flag};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{Capabilities, Hello, MessageIds, Time};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Generous: nothing here takes a second unless the machine is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const SESSION: &str = "alice-0a1b2c3d4e5f67890";

pub(crate) struct Server {
    port: u16,
    sockets: mpsc::UnboundedReceiver<WebSocketStream<TcpStream>>,
    calls: mpsc::UnboundedReceiver<Call>,
}

/// One API call that was made.
pub(crate) struct Call {
    pub(crate) target: String,
    pub(crate) body: Value,
    pub(crate) authorization: String,
}

/// The server's end of one data channel.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    pub(crate) open: OpenDataChannel,
    ids: MessageIds,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (socket_sender, sockets) = mpsc::unbounded_channel();
        let (call_sender, calls) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, socket_sender.clone(), call_sender.clone()));
            }
        });
        Self { port, sockets, calls }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What the CLI would hand over.
    pub(crate) fn response(&self) -> String {
        let url = format!(
            "ws://127.0.0.1:{}/v1/data-channel/{SESSION}?role=publish_subscribe",
            self.port
        );
        json!({ "SessionId": SESSION, "TokenValue": "s3cret-token", "StreamUrl": url }).to_string()
    }

    pub(crate) async fn accept(&mut self) -> Peer {
        let socket = timeout(PATIENCE, self.sockets.recv())
            .await
            .expect("a connection")
            .unwrap();
        let mut peer = Peer {
            socket,
            open: OpenDataChannel::default(),
            ids: MessageIds::new([3; 16]),
        };
        let first = peer.message().await;
        peer.open = OpenDataChannel::parse(first.to_text().unwrap()).unwrap();
        peer
    }

    /// The next connection, on which our server has said hello and the node has begun a session of this type.
    pub(crate) async fn begun(&mut self, session_type: &str, properties: Value) -> Peer {
        let mut peer = self.accept().await;
        let hello = Hello {
            capabilities: Capabilities::OURS,
            max_payload: Capabilities::OURS.large_frames,
            ..Hello::default()
        };
        let hello = peer.frame_of(MessageType::DrawbridgeHello, serde_json::to_vec(&hello).unwrap());
        peer.send(hello).await;
        let request = json!({ "AgentVersion": "3.3.987.0", "RequestedClientActions": [
            { "ActionType": "SessionType", "ActionParameters": { "SessionType": session_type, "Properties": properties } }
        ] });
        peer.stream(PayloadType::HandshakeRequest, 0, request.to_string())
            .await;
        assert_eq!(peer.input().await.payload_type, PayloadType::HandshakeResponse);
        let complete = json!({ "HandshakeTimeToComplete": 1, "CustomerMessage": "" });
        peer.stream(PayloadType::HandshakeComplete, 1, complete.to_string())
            .await;
        peer
    }

    /// The next connection, with a shell that has shown its prompt, and the size that was reported.
    pub(crate) async fn shell(&mut self) -> (Peer, Size) {
        let mut peer = self.accept().await;
        peer.output(0, "$ ").await;
        let size = peer.size().await;
        (peer, size)
    }

    pub(crate) async fn call(&mut self) -> Call {
        timeout(PATIENCE, self.calls.recv())
            .await
            .expect("a call")
            .unwrap()
    }
}

impl Peer {
    pub(crate) async fn output(&mut self, sequence: i64, text: impl Into<Bytes>) {
        self.stream(PayloadType::Output, sequence, text).await;
    }

    pub(crate) async fn stream(
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
        self.send(frame).await;
    }

    pub(crate) async fn close(&mut self, output: &str) {
        self.close_with(output, None).await;
    }

    pub(crate) async fn close_with(&mut self, output: &str, exit_code: Option<i32>) {
        let closed = ChannelClosed {
            exit_code,
            ..ChannelClosed::new(self.ids.next(), "", SESSION, output, NOW)
        };
        let frame = self.frame_of(MessageType::ChannelClosed, serde_json::to_vec(&closed).unwrap());
        self.send(frame).await;
    }

    pub(crate) async fn size(&mut self) -> Size {
        loop {
            let frame = self.input().await;
            if frame.payload_type == PayloadType::Size {
                return Size::parse(&frame.payload).unwrap();
            }
        }
    }

    /// Reads what is typed until there is as much as `expected`, which it must be.
    pub(crate) async fn expect_typed(&mut self, expected: &str) {
        let mut typed = Vec::new();
        while typed.len() < expected.len() {
            let frame = self.input().await;
            if frame.payload_type == PayloadType::Output {
                typed.extend_from_slice(&frame.payload);
            }
        }
        assert_eq!(String::from_utf8_lossy(&typed), expected);
    }

    /// Reads bytes until a flag comes; returns them and its number.
    pub(crate) async fn until_flag(&mut self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::new();
        loop {
            let frame = self.input().await;
            if frame.payload_type == PayloadType::Flag {
                return (bytes, flag::parse(&frame.payload).unwrap());
            }
            bytes.extend_from_slice(&frame.payload);
        }
    }

    /// The next stream data, acknowledged.
    pub(crate) async fn input(&mut self) -> Frame {
        loop {
            let Message::Binary(bytes) = self.message().await else {
                continue;
            };
            let frame = Frame::decode(bytes).unwrap();
            if frame.message_type == MessageType::InputStreamData {
                let ack = Acknowledge::new(frame.message_type, frame.message_id, frame.sequence);
                let ack = self.frame_of(MessageType::Acknowledge, ack.to_bytes());
                self.send(ack).await;
                return frame;
            }
        }
    }

    async fn message(&mut self) -> Message {
        loop {
            let message = timeout(PATIENCE, self.socket.next())
                .await
                .expect("a message")
                .unwrap()
                .unwrap();
            if matches!(message, Message::Binary(_) | Message::Text(_)) {
                return message;
            }
        }
    }

    async fn send(&mut self, frame: Frame) {
        self.socket.send(Message::Binary(frame.encode())).await.unwrap();
    }

    fn frame_of(&mut self, message_type: MessageType, payload: impl Into<Bytes>) -> Frame {
        Frame::control(message_type, self.ids.next(), payload.into(), NOW)
    }
}

async fn serve(
    mut stream: TcpStream,
    sockets: mpsc::UnboundedSender<WebSocketStream<TcpStream>>,
    calls: mpsc::UnboundedSender<Call>,
) {
    let mut method = [0; 4];
    while let Ok(length) = stream.peek(&mut method).await {
        match &method[..length] {
            b"GET " => {
                if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                    let _ = sockets.send(socket);
                }
                return;
            }
            b"POST" => {
                let Some(call) = read_call(&mut stream).await else {
                    return;
                };
                let answer = json!({ "SessionId": SESSION, "TokenValue": "renewed-token" }).to_string();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length:";
                let answer = format!("{head} {}\r\n\r\n{answer}", answer.len());
                let _ = calls.send(call);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            b"" => return,
            _ => tokio::task::yield_now().await,
        }
    }
}

async fn read_call(stream: &mut TcpStream) -> Option<Call> {
    let mut request = Vec::new();
    let head_length = loop {
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        request.push(stream.read_u8().await.ok()?);
    };
    let head = String::from_utf8(request[..head_length].to_vec()).ok()?;
    let header = |name: &str| {
        let line = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let mut body = vec![0; header("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Call {
        target: header("x-amz-target")?,
        body: serde_json::from_slice(&body).ok()?,
        authorization: header("authorization").unwrap_or_default(),
    })
}

const NOW: Time = Time::new(Duration::ZERO, 1_800_000_000_000);
