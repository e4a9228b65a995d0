//! The node's end of a data channel.
//!
//! ```text
//!               begin_handshake               HandshakeResponse, all done
//!  NotStarted ───────────────────▶ AwaitingResponse ──────────────────────▶ Complete
//!  (a shell stays here)                  │
//!                                        │ an action refused, or 30 s passed
//!                                        ▼
//!                                      Failed
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

mod config;
mod event;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::connection::{Connection, Unresponsive};
use crate::payload::{
    self, Acknowledge, ActionStatus, AgentSessionState, ClientAction, HandshakeComplete, HandshakeRequest,
    HandshakeResponse, OpenDataChannel, SessionState, SessionType, Size, flag,
};
use crate::stream::{Arrival, Inbound, Outbound};
use crate::wire::{FLAG_ACKNOWLEDGE, Frame, MessageType, PayloadType};
use crate::{Capabilities, DEFAULT_MAX_PAYLOAD, MessageIds, Notice, PeerMisbehaved, Time, Token, Transmit};

pub use config::NodeConfig;
pub use event::{Event, State};

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
    connected_state: StateReport,
    terminating: Option<Terminating>,
    events: VecDeque<Event>,
    ignored: u64,
}

#[derive(Debug)]
enum Handshake {
    NotStarted,
    AwaitingResponse { since: Duration },
    Complete,
    Failed,
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
        if let Handshake::AwaitingResponse { since } = self.handshake
            && now.monotonic >= since + HANDSHAKE_TIMEOUT
        {
            self.fail_handshake(HANDSHAKE_TIMED_OUT.to_owned());
        }
        if let Some(Unresponsive) = self.connection.handle_timeout(now) {
            self.events.push_back(Event::Unresponsive);
        }
    }

    /// Asks the client to prepare for a session that is not a plain shell (see [`SessionType::needs_handshake`]).
    ///
    /// The answer comes as [`Event::HandshakeDone`] or [`Event::HandshakeFailed`], at most 30 s later. Asking twice is
    /// asking once.
    pub fn begin_handshake(&mut self, session_type: SessionType, properties: Value, now: Time) {
        if !matches!(self.handshake, Handshake::NotStarted) {
            return;
        }
        self.handshake = Handshake::AwaitingResponse { since: now.monotonic };
        let request = HandshakeRequest {
            agent_version: self.config.agent_version.clone(),
            requested_client_actions: vec![ClientAction::session_type(session_type, properties)],
        };
        self.outbound
            .push(PayloadType::HandshakeRequest, payload::to_bytes(&request));
    }

    /// Sends bytes to the client, cut as it can take them.
    ///
    /// Ask [`output_capacity`](NodeEnd::output_capacity) first; what exceeds it is sent all the same, later.
    pub fn send_output(&mut self, payload_type: PayloadType, bytes: Bytes) {
        let max_payload = self
            .config
            .extension
            .map_or(DEFAULT_MAX_PAYLOAD, |extension| extension.max_payload());
        match payload_type {
            // One frame carries one message.
            PayloadType::Multiplexed => {
                self.outbound.push(payload_type, bytes);
            }
            _ => self.outbound.push_cut(payload_type, bytes, max_payload),
        }
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
        match (&self.publication, &self.handshake) {
            (Publication::Paused, _) | (_, Handshake::AwaitingResponse { .. } | Handshake::Failed) => 0,
            (Publication::Flowing, Handshake::NotStarted | Handshake::Complete) => self.outbound.capacity(),
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
        let handshake = match self.handshake {
            Handshake::AwaitingResponse { since } => Some(since + HANDSHAKE_TIMEOUT),
            Handshake::NotStarted | Handshake::Complete | Handshake::Failed => None,
        };
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
            let Handshake::AwaitingResponse { since } = self.handshake else {
                return Err(PeerMisbehaved::UnexpectedPayload(payload_type));
            };
            let response = HandshakeResponse::parse(&frame.payload).map_err(unreadable)?;
            self.finish_handshake(response, now.monotonic.saturating_sub(since));
            return Ok(());
        }
        if !self.takes_input() {
            // Nobody can have meant this for a session whose kind the client does not know yet.
            return Err(PeerMisbehaved::UnexpectedPayload(payload_type));
        }
        match payload_type {
            PayloadType::Output => {
                if !frame.payload.is_empty() {
                    self.events.push_back(Event::Input(frame.payload));
                }
            }
            PayloadType::Multiplexed => self.events.push_back(Event::Multiplexed(frame.payload)),
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
        match self.handshake {
            Handshake::NotStarted | Handshake::Complete => true,
            Handshake::AwaitingResponse { .. } | Handshake::Failed => false,
        }
    }

    fn finish_handshake(&mut self, response: HandshakeResponse, took: Duration) {
        let refused = response
            .processed_client_actions
            .into_iter()
            .find(|action| action.action_status != ActionStatus::Success);
        if let Some(action) = refused {
            let (action_type, status) = (action.action_type, u32::from(action.action_status));
            self.fail_handshake(format!(
                "{action_type} failed on client with status {status} error: {}",
                action.error
            ));
            return;
        }
        self.handshake = Handshake::Complete;
        let complete = HandshakeComplete {
            handshake_time_to_complete: i64::try_from(took.as_nanos()).unwrap_or(i64::MAX),
            customer_message: String::new(),
        };
        self.outbound
            .push(PayloadType::HandshakeComplete, payload::to_bytes(&complete));
        self.events.push_back(Event::HandshakeDone {
            client_version: response.client_version,
        });
    }

    fn fail_handshake(&mut self, why: String) {
        self.handshake = Handshake::Failed;
        self.events.push_back(Event::HandshakeFailed(why));
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

/// Returns the signal that a frame asks for, if it does.
fn signal_of(frame: &Frame) -> Option<u32> {
    if frame.payload_type != PayloadType::Flag {
        return None;
    }
    let number = flag::parse(&frame.payload).ok()?;
    flag::is_signal(number).then_some(number)
}

/// How long a client may take to answer: twice what AWS's agent allows (`protocol.md` 5.6), for the sake of slow paths.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// What AWS's agent reports then; people search for it.
const HANDSHAKE_TIMED_OUT: &str =
    "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.";
