//! The node's end of a control channel.
//!
//! A report of a session's end goes out up to three times, a second apart, under one message id, until it is
//! acknowledged. One that never was is kept and goes out again on the next connection, which AWS's agent does not do.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::connection::{Connection, Unresponsive};
use crate::payload::{
    self, ChannelClosed, InteractiveShell, OpenControlChannel, ShellContent, TaskAcknowledge, TaskComplete,
};
use crate::wire::{Frame, MessageType};
use crate::{Capabilities, Keepalive, MessageIds, PeerMisbehaved, Time, Token, Transmit};

/// Says who the node is and what it can do.
#[derive(Clone, Debug)]
pub struct NodeControlConfig {
    /// Version to report, four numbers.
    pub agent_version: String,
    /// `linux`, `windows` or `macos`.
    pub platform_type: String,
    /// What to name in the first frame; `None` towards AWS's own service.
    pub capabilities: Option<Capabilities>,
    /// When to ping and when to give a connection up.
    pub keepalive: Keepalive,
}

impl NodeControlConfig {
    /// Fills in the defaults for a node of our own server.
    pub fn new(agent_version: impl Into<String>, platform_type: impl Into<String>) -> NodeControlConfig {
        NodeControlConfig {
            agent_version: agent_version.into(),
            platform_type: platform_type.into(),
            capabilities: Some(Capabilities::OURS),
            keepalive: Keepalive::NODE,
        }
    }
}

/// Tells the node's shell what the server wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Start this session; a repeated order for a running one is to be ignored.
    StartSession(Box<ShellContent>),
    /// End the session with this id.
    Terminate(String),
    /// The report with this message id has arrived.
    CompletionAcknowledged(Uuid),
    /// The connection is dead although nothing was closed: replace it.
    Unresponsive,
}

/// Runs the node's end of the control channel over any number of connections.
///
/// Feed it with the `handle_` methods and [`complete`](NodeControl::complete); after each, take what it wants done from
/// [`poll_transmit`](NodeControl::poll_transmit) and [`poll_event`](NodeControl::poll_event) until both are empty, then
/// sleep until [`poll_timeout`](NodeControl::poll_timeout).
#[derive(Debug)]
pub struct NodeControl {
    config: NodeControlConfig,
    ids: MessageIds,
    connection: Connection,
    reports: VecDeque<Report>,
    events: VecDeque<Event>,
    ignored: u64,
}

#[derive(Debug)]
struct Report {
    message_id: Uuid,
    complete: TaskComplete,
    /// Sendings on the present connection.
    sent: u32,
    /// When it goes out next; `None` once it has gone out often enough.
    due: Option<Duration>,
}

impl NodeControl {
    /// Starts without a connection.
    pub fn new(config: NodeControlConfig, ids: MessageIds) -> NodeControl {
        NodeControl {
            ids,
            connection: Connection::new(config.keepalive.clone()),
            reports: VecDeque::new(),
            events: VecDeque::new(),
            ignored: 0,
            config,
        }
    }

    /// Takes a fresh websocket into use; `token` is the one that CreateControlChannel gave for it.
    pub fn handle_connected(&mut self, token: Token, now: Time) {
        let open = OpenControlChannel {
            cookie: (),
            message_schema_version: "1.0".to_owned(),
            request_id: self.ids.next().to_string(),
            token_value: token,
            agent_version: self.config.agent_version.clone(),
            platform_type: self.config.platform_type.clone(),
            capabilities: self.config.capabilities,
        };
        self.connection.open(payload::to_text(&open), now);
        for report in &mut self.reports {
            (report.sent, report.due) = (0, Some(now.monotonic));
        }
    }

    /// Notes that the websocket is gone.
    pub fn handle_disconnected(&mut self, _now: Time) {
        self.connection.close();
    }

    /// Takes one binary message.
    ///
    /// # Errors
    ///
    /// The server broke a rule; the offending message changed nothing. An order to start that cannot be read is one of
    /// these: there is no way to tell the server, whose start timeout notices.
    pub fn handle_message(&mut self, message: Bytes, now: Time) -> Result<(), PeerMisbehaved> {
        self.connection.heard(now);
        let frame = Frame::decode(message)?;
        let message_type = frame.message_type;
        let unreadable = |source| PeerMisbehaved::Payload { message_type, source };
        match message_type {
            MessageType::InteractiveShell => {
                let shell: InteractiveShell = payload::parse(&frame.payload).map_err(unreadable)?;
                let content = shell.parse_content().map_err(unreadable)?;
                self.events.push_back(Event::StartSession(Box::new(content)));
            }
            MessageType::ChannelClosed => {
                let closed: ChannelClosed = payload::parse(&frame.payload).map_err(unreadable)?;
                self.events.push_back(Event::Terminate(closed.session_id));
            }
            MessageType::AgentTaskAcknowledge => {
                let acknowledge: TaskAcknowledge = payload::parse(&frame.payload).map_err(unreadable)?;
                let id = acknowledge.message_id;
                if let Some(index) = self.reports.iter().position(|report| report.message_id == id) {
                    self.reports.remove(index);
                    self.events.push_back(Event::CompletionAcknowledged(id));
                }
            }
            MessageType::InputStreamData | MessageType::OutputStreamData => {
                return Err(PeerMisbehaved::UnexpectedMessage(message_type));
            }
            MessageType::Acknowledge
            | MessageType::PausePublication
            | MessageType::StartPublication
            | MessageType::AgentSessionState
            | MessageType::AgentTaskComplete
            | MessageType::AgentJob
            | MessageType::AgentJobAck
            | MessageType::AgentJobReply
            | MessageType::AgentJobReplyAck
            | MessageType::AgentTelemetry
            | MessageType::AgentUpdateResult
            | MessageType::DrawbridgeHello
            | MessageType::DrawbridgeNotice
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
        if let Some(Unresponsive) = self.connection.handle_timeout(now) {
            self.events.push_back(Event::Unresponsive);
        }
    }

    /// Reports the end of a session and returns the id that its acknowledgement will name.
    pub fn complete(&mut self, complete: TaskComplete, now: Time) -> Uuid {
        if self.reports.len() == MAX_REPORTS {
            // A server that was gone for this many sessions has long ended the oldest by itself.
            self.reports.pop_front();
        }
        let message_id = self.ids.next();
        self.reports.push_back(Report {
            message_id,
            complete,
            sent: 0,
            due: Some(now.monotonic),
        });
        message_id
    }

    /// Returns how many reports wait for an acknowledgement.
    pub fn unacknowledged_reports(&self) -> usize {
        self.reports.len()
    }

    /// Returns the next message to send at `now`; nothing while disconnected.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        if let Some(transmit) = self.connection.poll_transmit() {
            return Some(transmit);
        }
        if !self.connection.is_up() {
            return None;
        }
        let report = self
            .reports
            .iter_mut()
            .find(|report| report.due.is_some_and(|due| due <= now.monotonic))?;
        report.sent += 1;
        report.due = (report.sent < MAX_SENDINGS).then(|| now.monotonic + REPORT_INTERVAL);
        report.complete.retry_number = report.sent;
        let payload = payload::to_bytes(&report.complete);
        let frame = Frame::control(MessageType::AgentTaskComplete, report.message_id, payload, now);
        Some(Transmit::Binary(frame.encode()))
    }

    /// Returns the next thing the server wants.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when to call [`handle_timeout`](NodeControl::handle_timeout) and to poll next, as a monotonic time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let report = self
            .reports
            .iter()
            .filter_map(|report| report.due)
            .min()
            .filter(|_| self.connection.is_up());
        [report, self.connection.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns how many messages were ignored because this end has no use for their kind.
    pub fn ignored_messages(&self) -> u64 {
        self.ignored
    }
}

/// Sendings of one report per connection, and the time between them (`protocol.md` 8.6).
const MAX_SENDINGS: u32 = 3;
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Reports kept for a server that does not acknowledge.
const MAX_REPORTS: usize = 1024;
