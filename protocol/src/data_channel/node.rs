//! The node's end of a data channel.
//!
//! ```text
//!               begin_handshake               HandshakeResponse, all done
//!  NotStarted ───────────────────▶ AwaitingResponse ──────────────────────▶ Complete
//!  (a shell stays here)                  │     │                              ▲
//!                                        │     │ with a wrapped data key      │ EncChallengeResponse
//!                                        │     ▼                  key         │
//!                                        │   AwaitingDataKey ─────────▶ AwaitingChallenge
//!                                        │     │                              │
//!                                        ▼     ▼                              ▼
//!                                      Failed: an action refused, no key, or 30 s passed in a state
//! ```
//!
//! Publication is a second, independent state: `pause_publication` stops stream frames; `start_publication`, any input,
//! any acknowledgement or a reconnect lets them flow again (`protocol.md` 4.6). Acknowledgements flow always.
//!
//! ```text
//!              pause_publication
//!     Flowing ◀─────────────────▶ Paused
//!              everything else
//! ```
//!
//! A connection may come and go in every state without changing it, but for the pause.
//!
//! Where a data key was agreed on, nothing that anybody typed or printed is taken or sent in the clear. A frame that does not
//! decrypt is not acknowledged.

mod config;
mod event;
mod handshake;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::connection::{Connection, Unresponsive};
use crate::encryption::Secrecy;
use crate::payload::{self, Acknowledge, AgentSessionState, OpenDataChannel, SessionState, Size, flag};
use crate::port_mux::{Meaning, Passing};
use crate::stream::{Arrival, Inbound, Outbound};
use crate::wire::{FLAG_ACKNOWLEDGE, Frame, MessageType, PayloadType};
use crate::{Capabilities, DEFAULT_MAX_PAYLOAD, MessageIds, Notice, PeerMisbehaved, Time, Token, Transmit};

pub use config::{KeyExchange, NodeConfig};
pub use event::{Event, State};

use handshake::Handshake;

/// Runs the node's end of one session over any number of connections.
///
/// Feed it with the `handle_` methods and the commands; after each, take what it wants done from
/// [`poll_transmit`](NodeEnd::poll_transmit) and [`poll_event`](NodeEnd::poll_event) until both are empty, then sleep
/// until [`poll_timeout`](NodeEnd::poll_timeout). While the socket cannot take more, do not poll for transmits.
#[derive(Debug)]
pub struct NodeEnd {
    config: NodeConfig,
    ids: MessageIds,
    connection: Connection,
    handshake: Handshake,
    publication: Publication,
    outbound: Outbound,
    inbound: Inbound,
    secrecy: Secrecy,
    connected_state: StateReport,
    terminating: Option<Terminating>,
    events: VecDeque<Event>,
    ignored: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Publication {
    Flowing,
    Paused,
}

#[derive(Debug, PartialEq, Eq)]
enum StateReport {
    NotAsked,
    Due,
    Sent,
}

#[derive(Debug)]
struct Terminating {
    exit_code: Option<i32>,
    report: StateReport,
}

impl NodeEnd {
    /// Starts a session that has no connection yet.
    pub fn new(config: NodeConfig, ids: MessageIds) -> NodeEnd {
        let mut inbound = Inbound::new(MessageType::InputStreamData, config.limits);
        inbound.set_cumulative(config.extension.is_some_and(|extension| extension.cumulative_ack));
        NodeEnd {
            ids,
            connection: Connection::new(config.keepalive.clone()),
            handshake: Handshake::NotStarted,
            publication: Publication::Flowing,
            outbound: Outbound::new(MessageType::OutputStreamData, config.window),
            inbound,
            secrecy: Secrecy::of_node(),
            connected_state: StateReport::NotAsked,
            terminating: None,
            events: VecDeque::new(),
            ignored: 0,
            config,
        }
    }

    /// Takes a fresh websocket into use; `token` is the one that CreateDataChannel gave for it.
    pub fn handle_connected(&mut self, token: Token, now: Time) {
        let open = OpenDataChannel {
            message_schema_version: "1.0".to_owned(),
            request_id: self.ids.next().to_string(),
            token_value: token,
            client_instance_id: Some(self.config.node_id.clone()),
            client_id: String::new(),
            client_version: None,
            capabilities: self.config.extension.map(|_| Capabilities::OURS),
        };
        self.connection.open(payload::to_text(&open), now);
        self.outbound.handle_connected();
        self.resume();
        if let Some(Terminating {
            report: report @ StateReport::Sent,
            ..
        }) = &mut self.terminating
        {
            // The server acts on it and it is not acknowledged, so the connection may have taken it along.
            *report = StateReport::Due;
        }
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
    /// The server or the client broke a rule. The offending message changed nothing (a stream frame with an unusable
    /// payload is acknowledged and skipped), so the session can go on.
    pub fn handle_message(&mut self, message: Bytes, now: Time) -> Result<(), PeerMisbehaved> {
        self.connection.heard(now);
        let frame = Frame::decode(message)?;
        let message_type = frame.message_type;
        match message_type {
            MessageType::InputStreamData => {
                self.resume();
                return self.handle_stream_frame(frame, now);
            }
            MessageType::Acknowledge => {
                let acknowledge = Acknowledge::parse(&frame.payload)
                    .map_err(|source| PeerMisbehaved::Payload { message_type, source })?;
                if acknowledge.cumulative {
                    self.outbound
                        .handle_cumulative_acknowledge(acknowledge.sequence, now);
                } else {
                    self.outbound.handle_acknowledge(acknowledge.sequence, now);
                }
                self.resume();
            }
            MessageType::PausePublication => {
                if self.publication == Publication::Flowing {
                    self.publication = Publication::Paused;
                    self.events.push_back(Event::Paused);
                }
            }
            MessageType::StartPublication => self.resume(),
            MessageType::ChannelClosed => self.events.push_back(Event::ChannelClosed),
            MessageType::DrawbridgeNotice => {
                let notice: Notice = payload::parse(&frame.payload)
                    .map_err(|source| PeerMisbehaved::Payload { message_type, source })?;
                self.events.push_back(Event::Notice(notice.text));
            }
            MessageType::OutputStreamData => return Err(PeerMisbehaved::UnexpectedMessage(message_type)),
            MessageType::AgentSessionState
            | MessageType::InteractiveShell
            | MessageType::AgentTaskComplete
            | MessageType::AgentTaskAcknowledge
            | MessageType::AgentJob
            | MessageType::AgentJobAck
            | MessageType::AgentJobReply
            | MessageType::AgentJobReplyAck
            | MessageType::AgentTelemetry
            | MessageType::AgentUpdateResult
            | MessageType::DrawbridgeHello
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
        if self.publication == Publication::Flowing {
            self.outbound.handle_timeout(now);
        }
        if let Some((deadline, words)) = self.handshake.deadline()
            && now.monotonic >= deadline
        {
            self.fail_handshake(words.to_owned());
        }
        if let Some(Unresponsive) = self.connection.handle_timeout(now) {
            self.events.push_back(Event::Unresponsive);
        }
    }

    /// Sends bytes to the client, cut as it can take them.
    ///
    /// Ask [`output_capacity`](NodeEnd::output_capacity) first; what exceeds it is sent all the same, later.
    pub fn send_output(&mut self, payload_type: PayloadType, bytes: Bytes) {
        let max_payload = self
            .config
            .extension
            .map_or(DEFAULT_MAX_PAYLOAD, |extension| extension.max_payload());
        self.secrecy
            .push(&mut self.outbound, payload_type, bytes, max_payload);
    }

    /// Tells the server where the session stands.
    pub fn send_state(&mut self, state: State) {
        match state {
            State::Connected => {
                if self.connected_state == StateReport::NotAsked {
                    self.connected_state = StateReport::Due;
                }
            }
            State::Terminating { exit_code } => {
                self.terminating.get_or_insert(Terminating {
                    exit_code,
                    report: StateReport::Due,
                });
            }
        }
    }

    /// Returns how many bytes of output may be given; 0 means to stop reading the terminal or the connection.
    pub fn output_capacity(&self) -> usize {
        match self.publication {
            Publication::Flowing if self.handshake.is_over() => self.outbound.capacity(),
            Publication::Flowing | Publication::Paused => 0,
        }
    }

    /// Returns how many bytes of output were given and never sent.
    pub fn unsent_output(&self) -> usize {
        self.outbound.unsent_bytes()
    }

    /// Says whether the server has acknowledged all output.
    pub fn is_drained(&self) -> bool {
        self.outbound.is_drained()
    }

    /// Returns the next message to send at `now`; nothing while disconnected.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        if let Some(transmit) = self.connection.poll_transmit() {
            return Some(transmit);
        }
        if !self.connection.is_up() {
            return None;
        }
        if self.connected_state == StateReport::Due {
            self.connected_state = StateReport::Sent;
            return Some(self.state_frame(SessionState::Connected, None, now));
        }
        if let Some(acknowledge) = self.inbound.poll_acknowledge(now, &mut self.ids) {
            return Some(Transmit::Binary(acknowledge));
        }
        if self.publication == Publication::Flowing
            && let Some(frame) = self.outbound.poll(now, &mut self.ids)
        {
            return Some(Transmit::Binary(frame));
        }
        match &mut self.terminating {
            Some(Terminating { exit_code, report })
                if *report == StateReport::Due && self.outbound.is_sent() =>
            {
                *report = StateReport::Sent;
                let exit_code = *exit_code;
                Some(self.state_frame(SessionState::Terminating, exit_code, now))
            }
            _ => None,
        }
    }

    /// Returns the next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when to call [`handle_timeout`](NodeEnd::handle_timeout) next, as a monotonic time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let resend = self
            .outbound
            .poll_timeout()
            .filter(|_| self.publication == Publication::Flowing);
        let handshake = self.handshake.deadline().map(|(deadline, _)| deadline);
        [resend, handshake, self.connection.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns how many messages were ignored because this end has no use for their kind.
    pub fn ignored_messages(&self) -> u64 {
        self.ignored
    }

    fn handle_stream_frame(&mut self, frame: Frame, now: Time) -> Result<(), PeerMisbehaved> {
        let frame = self.decrypt(frame)?;
        let signal = signal_of(&frame);
        match self.inbound.receive(frame)? {
            Arrival::InOrder(frame) => {
                let mut result = self.handle_in_order(frame, now);
                while let Some(frame) = self.inbound.next_in_order() {
                    // What came early has been told.
                    if signal_of(&frame).is_none() {
                        result = result.and(self.handle_in_order(frame, now));
                    }
                }
                return result;
            }
            // The input before it may be what its command does not read, and would wait for for ever.
            Arrival::Early if self.takes_input() => self.events.extend(signal.map(Event::Flag)),
            Arrival::Early | Arrival::Duplicate | Arrival::NoRoom => {}
        }
        Ok(())
    }

    fn handle_in_order(&mut self, frame: Frame, now: Time) -> Result<(), PeerMisbehaved> {
        let payload_type = frame.payload_type;
        let unreadable = |source| PeerMisbehaved::StreamPayload { payload_type, source };
        if payload_type == PayloadType::HandshakeResponse {
            return self.handle_response(&frame.payload, now);
        }
        if payload_type == PayloadType::EncChallengeResponse {
            return self.handle_proof(now);
        }
        if !self.takes_input() || self.secrecy.refuses(payload_type) {
            // Nobody can have meant this for a session whose kind the client does not know yet.
            return Err(PeerMisbehaved::UnexpectedPayload(payload_type));
        }
        match payload_type {
            PayloadType::Output => {
                if !frame.payload.is_empty() {
                    self.events.push_back(Event::Input(frame.payload));
                }
            }
            PayloadType::Multiplexed => {
                let message = self.secrecy.take_message(frame.payload, is_beginning)?;
                self.events.push_back(Event::Multiplexed(message));
            }
            PayloadType::Size => {
                let size = Size::parse(&frame.payload).map_err(unreadable)?;
                self.events.push_back(Event::Size(size));
            }
            PayloadType::Flag => {
                let number = flag::parse(&frame.payload).map_err(unreadable)?;
                self.events.push_back(Event::Flag(number));
            }
            PayloadType::None | PayloadType::Error | PayloadType::Parameter | PayloadType::Unknown(_) => {
                self.ignored += 1;
            }
            PayloadType::HandshakeRequest
            | PayloadType::HandshakeResponse
            | PayloadType::HandshakeComplete
            | PayloadType::EncChallengeRequest
            | PayloadType::EncChallengeResponse
            | PayloadType::StdErr
            | PayloadType::ExitCode => return Err(PeerMisbehaved::UnexpectedPayload(payload_type)),
        }
        Ok(())
    }

    fn takes_input(&self) -> bool {
        self.handshake.is_over()
    }

    fn resume(&mut self) {
        if self.publication == Publication::Paused {
            self.publication = Publication::Flowing;
            self.events.push_back(Event::Resumed);
        }
    }

    fn state_frame(&mut self, session_state: SessionState, exit_code: Option<i32>, now: Time) -> Transmit {
        let state = AgentSessionState {
            schema_version: 1,
            session_state,
            session_id: self.config.session_id.clone(),
            exit_code: exit_code.filter(|_| self.config.extension.is_some()),
        };
        let payload = payload::to_bytes(&state);
        let frame = Frame::control(MessageType::AgentSessionState, self.ids.next(), payload, now);
        Transmit::Binary(
            Frame {
                flags: FLAG_ACKNOWLEDGE,
                ..frame
            }
            .encode(),
        )
    }
}

/// Says whether a message about commands is a client's that begins.
fn is_beginning(message: &Bytes) -> bool {
    Passing::read(message.clone()).is_ok_and(|passing| passing.meaning == Meaning::Begins)
}

/// Returns the signal that a frame asks for, if it does.
fn signal_of(frame: &Frame) -> Option<u32> {
    if frame.payload_type != PayloadType::Flag {
        return None;
    }
    let number = flag::parse(&frame.payload).ok()?;
    flag::is_signal(number).then_some(number)
}
