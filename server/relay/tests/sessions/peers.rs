//! The two ends of a session, and a node's agent, as their own cores play them.

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::control_channel::node::{self as control, NodeControl, NodeControlConfig};
use drawbridge_protocol::data_channel::client::{self, ClientConfig, ClientEnd};
use drawbridge_protocol::data_channel::node::{self, KeyExchange, NodeConfig, NodeEnd};
use drawbridge_protocol::encryption::{Challenge, Cipher, DataKey};
use drawbridge_protocol::payload::ShellContent;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{Capabilities, MessageIds, NodeExtension, Time, Token, Transmit};
use drawbridge_relay::socket::{MemorySocket, Message};
use drawbridge_session::{Clock, Random, SystemClock, SystemRandom};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::task::unconstrained;

/// What the cores of all three have in common.
pub(crate) trait Core {
    fn message(&mut self, bytes: Bytes, now: Time);
    fn pong(&mut self, now: Time);
    fn timeout(&mut self, now: Time);
    fn transmit(&mut self, now: Time) -> Option<Transmit>;
    fn deadline(&self) -> Option<Duration>;
    fn connected(&mut self, now: Time);
    fn disconnected(&mut self, now: Time);
    /// Takes note of what happened.
    fn absorb(&mut self);
}

/// Passes on what all cores take by the same names.
macro_rules! drive {
    ($core:ident) => {
        fn message(&mut self, bytes: Bytes, now: Time) {
            self.$core
                .handle_message(bytes, now)
                .expect("the relay keeps the rules");
        }
        fn pong(&mut self, now: Time) {
            self.$core.handle_pong(now);
        }
        fn timeout(&mut self, now: Time) {
            self.$core.handle_timeout(now);
        }
        fn transmit(&mut self, now: Time) -> Option<Transmit> {
            self.$core.poll_transmit(now)
        }
        fn deadline(&self) -> Option<Duration> {
            self.$core.poll_timeout()
        }
        fn connected(&mut self, now: Time) {
            let token = Token::new("taken by the gateway");
            self.$core.handle_connected(token, now);
        }
        fn disconnected(&mut self, now: Time) {
            self.$core.handle_disconnected(now);
        }
    };
}

/// A core and its present connection.
pub(crate) struct Peer<C> {
    pub(crate) core: C,
    /// Every binary message that passed here, as whoever is between the ends sees it.
    pub(crate) passed: Vec<Bytes>,
    socket: Option<MemorySocket>,
    clock: SystemClock,
}

impl<C: Core> Peer<C> {
    pub(crate) fn new(core: C) -> Peer<C> {
        Peer {
            core,
            passed: Vec::new(),
            socket: None,
            clock: SystemClock::new(),
        }
    }

    /// Connects anew; the server's side of the socket, and the text frame that a gateway would have taken.
    pub(crate) fn connect(&mut self) -> (MemorySocket, String) {
        self.cut();
        let (near, far) = MemorySocket::pair(1 << 17);
        self.socket = Some(near);
        self.core.connected(self.now());
        let Some(Transmit::Text(opening)) = self.core.transmit(self.now()) else {
            panic!("opens with text")
        };
        self.flush();
        (far, opening)
    }

    /// Loses the connection without a word.
    pub(crate) fn cut(&mut self) {
        if self.socket.take().is_some() {
            self.core.disconnected(self.now());
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    /// Waits for the next message or deadline and handles it. Cancelling it loses nothing.
    pub(crate) async fn step(&mut self) {
        self.flush();
        let wait = self.core.deadline().map_or(Duration::from_secs(3600), |at| {
            at.saturating_sub(self.clock.monotonic())
        });
        let message = async {
            match &mut self.socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = message => self.hear(message.and_then(Result::ok)),
            () = tokio::time::sleep(wait) => self.core.timeout(self.now()),
        }
        self.flush();
    }

    pub(crate) fn now(&self) -> Time {
        Time::new(self.clock.monotonic(), self.clock.epoch_ms())
    }

    pub(crate) fn flush(&mut self) {
        self.core.absorb();
        let now = self.now();
        let Some(socket) = &mut self.socket else { return };
        while let Some(transmit) = self.core.transmit(now) {
            let message = match transmit {
                Transmit::Text(_) => panic!("only the first message is text"),
                Transmit::Binary(bytes) => {
                    self.passed.push(bytes.clone());
                    Message::Binary(bytes)
                }
                Transmit::Ping(payload) => Message::Ping(payload),
            };
            // A server that is gone is noticed by reading.
            let _ = unconstrained(socket.feed(message))
                .now_or_never()
                .expect("the pair is large enough");
        }
    }

    fn hear(&mut self, message: Option<Message>) {
        match message {
            Some(Message::Binary(bytes)) => {
                self.passed.push(bytes.clone());
                self.core.message(bytes, self.now());
            }
            Some(Message::Pong(_)) => self.core.pong(self.now()),
            Some(Message::Ping(payload)) => {
                let pong = Message::Pong(payload);
                if let Some(socket) = &mut self.socket {
                    let _ = unconstrained(socket.feed(pong))
                        .now_or_never()
                        .expect("the pair is large enough");
                }
            }
            Some(Message::Text(_)) => panic!("a text frame would kill AWS's programs"),
            Some(Message::Close) | None => self.cut(),
        }
        self.core.absorb();
    }
}

/// The data key of encrypted sessions.
pub(crate) fn data_key() -> DataKey {
    DataKey::new(&[5; 64]).expect("a key")
}

/// The same as its client wrapped it.
pub(crate) const WRAPPED_KEY: &[u8] = b"wrapped data key";

/// The user's end.
pub(crate) struct Client {
    pub(crate) end: ClientEnd,
    pub(crate) output: Vec<u8>,
    pub(crate) established: bool,
    pub(crate) closed: Option<(String, Option<i32>)>,
}

impl Client {
    pub(crate) fn plain() -> Peer<Client> {
        Client::with(None)
    }

    pub(crate) fn ours() -> Peer<Client> {
        Client::with(Some(Capabilities::OURS))
    }

    pub(crate) fn with(capabilities: Option<Capabilities>) -> Peer<Client> {
        // The relay knows a client that comes back by its id.
        let id = SystemRandom.uuid();
        let config = ClientConfig {
            capabilities,
            ..ClientConfig::new(id, "1.2.764.0")
        };
        let end = ClientEnd::new(config, MessageIds::new([1; 16]));
        Peer::new(Client {
            end,
            output: Vec::new(),
            established: false,
            closed: None,
        })
    }
}

impl Core for Client {
    drive!(end);

    fn absorb(&mut self) {
        while let Some(event) = self.end.poll_event() {
            match event {
                client::Event::Established { .. } => self.established = true,
                client::Event::Output { bytes, .. } => self.output.extend_from_slice(&bytes),
                client::Event::Closed {
                    output, exit_code, ..
                } => self.closed = Some((output, exit_code)),
                client::Event::DataKeyWanted { .. } => {
                    self.end
                        .handle_data_key(Cipher::of_client(&data_key(), [1; 32]), WRAPPED_KEY);
                }
                client::Event::Message(_) | client::Event::Hello(_) => {}
                client::Event::Unresponsive => panic!("the relay answers pings"),
            }
        }
    }
}

/// The node's end of one session.
pub(crate) struct Worker {
    pub(crate) end: NodeEnd,
    pub(crate) input: Vec<u8>,
    /// Messages of a tunnel's multiplexing that came.
    pub(crate) messages: usize,
    /// Whether the client has wrapped a data key.
    pub(crate) wrapped: bool,
    pub(crate) closed: bool,
}

impl Worker {
    pub(crate) fn start(session: &str, node: &str, extension: Option<NodeExtension>) -> Peer<Worker> {
        Worker::of(NodeConfig::new(session, node, "3.3.987.0", extension))
    }

    /// The node's end of an encrypted session.
    pub(crate) fn encrypted(session: &str, node: &str, extension: Option<NodeExtension>) -> Peer<Worker> {
        Worker::of(NodeConfig {
            key_exchange: Some(KeyExchange {
                kms_key_id: "alias/k".to_owned(),
                request_challenge: [1; 16],
                challenge: Challenge::new([2; 64]),
            }),
            ..NodeConfig::new(session, node, "3.3.987.0", extension)
        })
    }

    fn of(config: NodeConfig) -> Peer<Worker> {
        let mut end = NodeEnd::new(config, MessageIds::new([2; 16]));
        end.send_state(node::State::Connected);
        Peer::new(Worker {
            end,
            input: Vec::new(),
            messages: 0,
            wrapped: false,
            closed: false,
        })
    }

    /// Queues as much output as there is room for; how much that was.
    pub(crate) fn print(&mut self, bytes: &[u8]) -> usize {
        let length = bytes.len().min(self.end.output_capacity());
        if length > 0 {
            self.end
                .send_output(PayloadType::Output, Bytes::copy_from_slice(&bytes[..length]));
        }
        length
    }
}

impl Core for Worker {
    drive!(end);

    fn absorb(&mut self) {
        while let Some(event) = self.end.poll_event() {
            match event {
                node::Event::Input(bytes) => self.input.extend_from_slice(&bytes),
                node::Event::Multiplexed(_) => self.messages += 1,
                node::Event::ChannelClosed => self.closed = true,
                node::Event::DataKeyWrapped(wrapped) => {
                    assert_eq!(wrapped, WRAPPED_KEY);
                    self.wrapped = true;
                }
                node::Event::HandshakeFailed(reason) => panic!("{reason}"),
                node::Event::Size(_)
                | node::Event::Flag(_)
                | node::Event::HandshakeDone { .. }
                | node::Event::Notice(_)
                | node::Event::Paused
                | node::Event::Resumed => {}
                node::Event::Unresponsive => panic!("the relay answers pings"),
            }
        }
    }
}

/// A node's control channel.
pub(crate) struct Agent {
    pub(crate) control: NodeControl,
    pub(crate) orders: Vec<ShellContent>,
    pub(crate) terminated: Vec<String>,
    pub(crate) acknowledged: usize,
}

impl Agent {
    pub(crate) fn ours() -> Peer<Agent> {
        Self::with(NodeControlConfig::new("3.3.987.0", "linux"))
    }

    /// AWS's, which names no capabilities.
    pub(crate) fn awss() -> Peer<Agent> {
        Self::with(NodeControlConfig {
            capabilities: None,
            ..NodeControlConfig::new("3.3.987.0", "linux")
        })
    }

    /// Ours, which can do this.
    pub(crate) fn capable_of(capabilities: Capabilities) -> Peer<Agent> {
        Self::with(NodeControlConfig {
            capabilities: Some(capabilities),
            ..NodeControlConfig::new("3.3.987.0", "linux")
        })
    }

    fn with(config: NodeControlConfig) -> Peer<Agent> {
        let control = NodeControl::new(config, MessageIds::new([3; 16]));
        Peer::new(Agent {
            control,
            orders: Vec::new(),
            terminated: Vec::new(),
            acknowledged: 0,
        })
    }
}

impl Core for Agent {
    drive!(control);

    fn absorb(&mut self) {
        while let Some(event) = self.control.poll_event() {
            match event {
                control::Event::StartSession(content) => self.orders.push(*content),
                control::Event::Terminate(session) => self.terminated.push(session),
                control::Event::CompletionAcknowledged(_) => self.acknowledged += 1,
                control::Event::Unresponsive => panic!("the relay answers pings"),
            }
        }
    }
}
