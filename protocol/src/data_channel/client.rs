//! The client's end of a data channel.
//!
//! ```text
//!                      HandshakeRequest               HandshakeComplete
//!  AwaitingFirstMessage ───────────────▶ AwaitingHandshakeComplete ───────────────▶ Established
//!        │        │  │                      ▲      │
//!        │        │  │ that wants a key     │ key  │
//!        │        │  └────▶ AwaitingDataKey ┘      │ request that we cannot fulfil
//!        │        │             │ no key            ▼
//!        │        │             └───────────────▶ Refused
//!        │        └── any other payload: a shell, or a session that began before this client came ─▶ Established
//!        └───────────── channel_closed, from every state ──▶ Closed
//! ```
//!
//! A connection may come and go in every state without changing it: counters, buffers and handshake outlive it
//! (`protocol.md` 4.7).
//!
//! Towards AWS's agent this end does what AWS's plugin does, except that it acknowledges duplicates again, that a lone
//! newline stays what it is, and that nothing is read from the user before the session is established. Once it has a data key,
//! nothing that anybody typed or printed is taken or sent in the clear, and `HandshakeComplete` counts only when the node has
//! proved that it has the same key.

mod answer;
mod config;
mod event;
mod handshake;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::connection::{Connection, Unresponsive};
use crate::encryption::{self, Cipher, Secrecy};
use crate::payload::{
    self, Acknowledge, ChannelClosed, OpenDataChannel, SessionType, SessionTypeParameters, Size, flag,
};
use crate::stream::{Arrival, Inbound, Outbound, Window};
use crate::wire::{Frame, MessageType, PayloadType};
use crate::{
    CommandKind, DEFAULT_MAX_PAYLOAD, Hello, LARGEST_MAX_PAYLOAD, MessageIds, Notice, PeerMisbehaved, Role,
    Time, Token, Transmit,
};

pub use config::ClientConfig;
pub use event::Event;

use answer::Answer;

/// Runs the client's end of one session over any number of connections.
///
/// Feed it with the `handle_` methods and the commands; after each, take what it wants done from
/// [`poll_transmit`](ClientEnd::poll_transmit) and [`poll_event`](ClientEnd::poll_event) until both are empty, then sleep
/// until [`poll_timeout`](ClientEnd::poll_timeout). While the socket cannot take more, do not poll for transmits.
#[derive(Debug)]
pub struct ClientEnd {
    config: ClientConfig,
    ids: MessageIds,
    connection: Connection,
    phase: Phase,
    role: Role,
    /// Which kind of command our server says the session is.
    command: Option<CommandKind>,
    max_payload: usize,
    outbound: Outbound,
    inbound: Inbound,
    secrecy: Secrecy,
    /// Input given before the session was established.
    held: VecDeque<(PayloadType, Bytes)>,
    /// The newest size, when the window had no room for it.
    late_size: Option<Size>,
    /// What the server still waits for, when the session is over.
    farewell: Option<Bytes>,
    events: VecDeque<Event>,
    ignored: u64,
}

#[derive(Debug)]
enum Phase {
    AwaitingFirstMessage,
    AwaitingDataKey(Answer),
    AwaitingHandshakeComplete {
        session: SessionTypeParameters,
        agent_version: String,
        /// Whether the node must still prove that it has the data key.
        proof_is_due: bool,
    },
    Refused,
    Established,
    Closed,
}

impl ClientEnd {
    /// Starts a session that has no connection yet.
    pub fn new(config: ClientConfig, ids: MessageIds) -> ClientEnd {
        ClientEnd {
            ids,
            connection: Connection::new(config.keepalive.clone()),
            phase: Phase::AwaitingFirstMessage,
            role: Role::Owner,
            command: None,
            max_payload: DEFAULT_MAX_PAYLOAD,
            outbound: Outbound::new(MessageType::InputStreamData, config.window),
            inbound: Inbound::new(MessageType::OutputStreamData, config.limits),
            secrecy: Secrecy::of_client(),
            held: VecDeque::new(),
            late_size: None,
            farewell: None,
            events: VecDeque::new(),
            ignored: 0,
            config,
        }
    }

    /// Joins a session whose ends have a data key already.
    pub fn join_encrypted(&mut self, cipher: Cipher) {
        self.secrecy.join(cipher);
    }

    /// Takes a fresh websocket into use; `token` is the newest one.
    pub fn handle_connected(&mut self, token: Token, now: Time) {
        let open = OpenDataChannel {
            message_schema_version: "1.0".to_owned(),
            request_id: self.ids.next().to_string(),
            token_value: token,
            client_instance_id: None,
            client_id: self.config.client_id.to_string(),
            client_version: Some(self.config.client_version.clone()),
            capabilities: self.config.capabilities,
        };
        self.connection.open(payload::to_text(&open), now);
        // What was agreed was agreed with whoever answered before; a new answer comes with its own hello.
        self.agree(None, now);
        self.outbound.handle_connected();
    }

    /// Notes that the websocket is gone.
    pub fn handle_disconnected(&mut self, _now: Time) {
        self.connection.close();
        self.outbound.handle_disconnected();
    }

    /// Takes one binary message.
    ///
    /// # Errors
    ///
    /// The server or the node broke a rule. The offending message changed nothing (a stream frame with an unusable
    /// payload is acknowledged and skipped), so the session can go on.
    pub fn handle_message(&mut self, message: Bytes, now: Time) -> Result<(), PeerMisbehaved> {
        self.connection.heard(now);
        if matches!(self.phase, Phase::Closed) {
            return Ok(());
        }
        let frame = Frame::decode(message)?;
        let message_type = frame.message_type;
        let unreadable = |source| PeerMisbehaved::Payload { message_type, source };
        match message_type {
            MessageType::OutputStreamData => return self.handle_stream_frame(frame),
            MessageType::Acknowledge => {
                let acknowledge = Acknowledge::parse(&frame.payload).map_err(unreadable)?;
                if acknowledge.cumulative {
                    self.outbound
                        .handle_cumulative_acknowledge(acknowledge.sequence, now);
                } else {
                    self.outbound.handle_acknowledge(acknowledge.sequence, now);
                }
            }
            MessageType::ChannelClosed => {
                let closed: ChannelClosed = payload::parse(&frame.payload).map_err(unreadable)?;
                self.phase = Phase::Closed;
                if closed.confirm {
                    self.farewell = Some(self.confirmation(&closed, now));
                }
                self.events.push_back(Event::Closed {
                    output: closed.output,
                    exit_code: closed.exit_code,
                    node_failed: closed.node_failed,
                });
            }
            MessageType::DrawbridgeHello => {
                let hello: Hello = payload::parse(&frame.payload).map_err(unreadable)?;
                self.agree(Some(hello), now);
                self.events.push_back(Event::Hello(hello));
            }
            MessageType::DrawbridgeNotice => {
                let notice: Notice = payload::parse(&frame.payload).map_err(unreadable)?;
                self.events.push_back(Event::Message(notice.text));
            }
            MessageType::InputStreamData => return Err(PeerMisbehaved::UnexpectedMessage(message_type)),
            MessageType::PausePublication
            | MessageType::StartPublication
            | MessageType::AgentSessionState
            | MessageType::InteractiveShell
            | MessageType::AgentTaskComplete
            | MessageType::AgentTaskAcknowledge
            | MessageType::AgentJob
            | MessageType::AgentJobAck
            | MessageType::AgentJobReply
            | MessageType::AgentJobReplyAck
            | MessageType::AgentTelemetry
            | MessageType::AgentUpdateResult
            | MessageType::Unknown(_) => self.ignored += 1,
        }
        Ok(())
    }

    /// Notes that a ping was answered.
    pub fn handle_pong(&mut self, now: Time) {
        self.connection.pong(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        self.outbound.handle_timeout(now);
        if let Some(Unresponsive) = self.connection.handle_timeout(now) {
            self.events.push_back(Event::Unresponsive);
        }
    }

    /// Sends what the user typed, or what a tunnel's local side wrote, cut as the node can take it.
    ///
    /// Ask [`input_capacity`](ClientEnd::input_capacity) first; what exceeds it is sent all the same, later. A watcher's
    /// input goes nowhere.
    pub fn send_input(&mut self, bytes: Bytes) {
        self.send(PayloadType::Output, bytes);
    }

    /// Says whether what the user types and sees is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.secrecy.has_begun()
    }

    /// Sends a message of [`Credited`](crate::port_mux::Credited), in a frame of its own.
    ///
    /// In an encrypted session it is encrypted, for a node that has named
    /// [`sealed_commands`](crate::Capabilities::sealed_commands); a client that joined may only say that it begins.
    pub fn send_multiplexed(&mut self, message: Bytes) {
        self.send(PayloadType::Multiplexed, message);
    }

    /// Sends the size of the terminal; only the newest matters when several wait.
    pub fn send_size(&mut self, size: Size) {
        match self.phase {
            Phase::Established if self.outbound.capacity() == 0 => self.late_size = Some(size),
            Phase::Established => {
                self.late_size = None;
                self.send(PayloadType::Size, size.to_bytes());
            }
            _ => {
                self.held
                    .retain(|(payload_type, _)| *payload_type != PayloadType::Size);
                self.send(PayloadType::Size, size.to_bytes());
            }
        }
    }

    /// Sends one of the numbers of [`flag`].
    pub fn send_flag(&mut self, number: u32) {
        self.send(PayloadType::Flag, flag::to_bytes(number));
    }

    /// Returns how many bytes of input may be given; 0 means to stop reading.
    pub fn input_capacity(&self) -> usize {
        match (&self.phase, self.role) {
            (Phase::Established, Role::Owner) => self.outbound.capacity(),
            _ => 0,
        }
    }

    /// Changes how much input is held for the node from now on.
    pub fn set_window(&mut self, window: Window) {
        self.outbound.set_window(window);
    }

    /// Returns how many bytes of input were given and never sent.
    pub fn unsent_input(&self) -> usize {
        self.outbound.unsent_bytes()
    }

    /// Says whether the node has acknowledged all input.
    pub fn is_drained(&self) -> bool {
        self.outbound.is_drained() && self.held.is_empty()
    }

    /// Returns the next message to send at `now`; nothing while disconnected.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        if let Some(transmit) = self.connection.poll_transmit() {
            return Some(transmit);
        }
        if !self.connection.is_up() {
            return None;
        }
        if matches!(self.phase, Phase::Closed) {
            return self.farewell.take().map(Transmit::Binary);
        }
        if let Some(acknowledge) = self.inbound.poll_acknowledge(now, &mut self.ids) {
            return Some(Transmit::Binary(acknowledge));
        }
        if self.outbound.capacity() > 0
            && let Some(size) = self.late_size.take()
        {
            self.send(PayloadType::Size, size.to_bytes());
        }
        self.outbound.poll(now, &mut self.ids).map(Transmit::Binary)
    }

    /// Returns the next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when to call [`handle_timeout`](ClientEnd::handle_timeout) next, as a monotonic time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if matches!(self.phase, Phase::Closed) {
            return None;
        }
        [self.outbound.poll_timeout(), self.connection.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns how many messages were ignored because this end has no use for their kind.
    pub fn ignored_messages(&self) -> u64 {
        self.ignored
    }

    /// Writes the answer to an end that is to be confirmed.
    fn confirmation(&mut self, closed: &ChannelClosed, now: Time) -> Bytes {
        let answer = ChannelClosed::new(self.ids.next(), "", &closed.session_id, "", now);
        let payload = payload::to_bytes(&answer);
        Frame::control(MessageType::ChannelClosed, self.ids.next(), payload, now).encode()
    }

    fn handle_stream_frame(&mut self, frame: Frame) -> Result<(), PeerMisbehaved> {
        let mut result = Ok(());
        let challenge = PayloadType::EncChallengeRequest;
        let frame = self.secrecy.decrypt(frame, challenge, encryption::question)?;
        if let Arrival::InOrder(frame) = self.inbound.receive(frame)? {
            result = self.handle_in_order(frame);
            while let Some(frame) = self.inbound.next_in_order() {
                result = result.and(self.handle_in_order(frame));
            }
        }
        result
    }

    fn handle_in_order(&mut self, frame: Frame) -> Result<(), PeerMisbehaved> {
        let payload_type = frame.payload_type;
        if self.secrecy.refuses(payload_type) {
            return Err(PeerMisbehaved::UnexpectedPayload(payload_type));
        }
        if self.has_joined() && is_handshake(payload_type) {
            // It was between others.
            return Ok(());
        }
        match payload_type {
            PayloadType::HandshakeRequest => self.handle_request(&frame.payload)?,
            PayloadType::HandshakeComplete => self.handle_complete(&frame.payload)?,
            PayloadType::EncChallengeRequest => self.prove_key(&frame.payload)?,
            PayloadType::EncChallengeResponse | PayloadType::HandshakeResponse | PayloadType::Size => {
                return Err(PeerMisbehaved::UnexpectedPayload(payload_type));
            }
            PayloadType::None
            | PayloadType::Output
            | PayloadType::Error
            | PayloadType::Parameter
            | PayloadType::Flag
            | PayloadType::StdErr
            | PayloadType::ExitCode
            | PayloadType::Multiplexed
            | PayloadType::Unknown(_) => {
                if matches!(self.phase, Phase::AwaitingFirstMessage) {
                    // A shell, or a session whose handshake was over before this client came.
                    let session_type = self
                        .command
                        .map_or(SessionType::StandardStream, SessionType::from);
                    let session = SessionTypeParameters {
                        session_type,
                        properties: Value::Null,
                    };
                    self.establish(session, String::new());
                }
                let bytes = match payload_type {
                    PayloadType::Multiplexed => self.secrecy.take_message(frame.payload, |_| false)?,
                    _ => frame.payload,
                };
                if !bytes.is_empty() && !matches!(self.phase, Phase::Refused) {
                    self.events.push_back(Event::Output { payload_type, bytes });
                }
            }
        }
        Ok(())
    }

    /// Says whether the session has a key from before this client, which has heard nothing of it yet.
    fn has_joined(&self) -> bool {
        self.secrecy.has_begun() && matches!(self.phase, Phase::AwaitingFirstMessage)
    }

    fn establish(&mut self, session: SessionTypeParameters, agent_version: String) {
        self.phase = Phase::Established;
        self.events.push_back(Event::Established {
            session_type: session.session_type,
            properties: session.properties,
            agent_version,
        });
        for (payload_type, bytes) in std::mem::take(&mut self.held) {
            self.send(payload_type, bytes);
        }
    }

    fn send(&mut self, payload_type: PayloadType, bytes: Bytes) {
        if self.role == Role::Watcher {
            return;
        }
        match &self.phase {
            Phase::AwaitingFirstMessage
            | Phase::AwaitingDataKey(_)
            | Phase::AwaitingHandshakeComplete { .. } => {
                self.held.push_back((payload_type, bytes));
            }
            Phase::Established => {
                self.secrecy
                    .push(&mut self.outbound, payload_type, bytes, self.max_payload);
            }
            Phase::Refused | Phase::Closed => {}
        }
    }

    fn agree(&mut self, hello: Option<Hello>, now: Time) {
        if let Some(hello) = hello {
            // A watcher that reconnects is not an owner in the moment before it is told again.
            self.role = hello.role;
            if !self.outbound.start_at(hello.input_sequence) {
                // Acknowledgements that the last connection took along need not be earned again.
                self.outbound
                    .handle_cumulative_acknowledge(hello.input_sequence.saturating_sub(1), now);
            }
        }
        let hello = hello.unwrap_or_default();
        self.command = hello.command;
        let ours = self.config.capabilities.unwrap_or_default();
        self.inbound
            .set_cumulative(ours.cumulative_ack && hello.capabilities.cumulative_ack);
        self.max_payload = (hello.max_payload as usize).clamp(DEFAULT_MAX_PAYLOAD, LARGEST_MAX_PAYLOAD);
    }
}

fn is_handshake(payload_type: PayloadType) -> bool {
    matches!(
        payload_type,
        PayloadType::HandshakeRequest | PayloadType::EncChallengeRequest | PayloadType::HandshakeComplete
    )
}
