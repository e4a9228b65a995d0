//! The server's end of a control channel.
//!
//! ```text
//!                text frame              accept              1 s passed
//!  AwaitingOpen ────────────▶ AwaitingVerdict ───▶ Settling ────────────▶ Ready
//!                                   │                                       ▲
//!                                   └─ accept, the node named capabilities ─┘
//! ```
//!
//! AWS's agent drops what reaches it in the first moment after its text frame (`protocol.md` 8.3), so orders wait while
//! the channel settles. One connection has one of these; there is nothing to keep between two.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::connection::{Connection, Unresponsive};
use crate::payload::{
    self, ChannelClosed, InteractiveShell, OpenControlChannel, TaskAcknowledge, TaskComplete,
};
use crate::wire::{Frame, MessageType};
use crate::{Keepalive, MessageIds, PeerMisbehaved, Time, Transmit};

/// Tells the server's shell what the node said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node wants in: check its token, then [`accept`](ServerControl::accept) or close the socket.
    Opened(OpenControlChannel),
    /// A session is over. A failed session is reported twice, and any report may be repeated: use the first.
    Completed(TaskComplete),
    /// The connection is dead although nothing was closed: close it.
    Unresponsive,
}

/// Runs the server's end of one connection of a control channel.
///
/// Feed it with the `handle_` methods and the commands; after each, take what it wants done from
/// [`poll_transmit`](ServerControl::poll_transmit) and [`poll_event`](ServerControl::poll_event) until both are empty,
/// then sleep until [`poll_timeout`](ServerControl::poll_timeout). Text is never sent: it would kill AWS's agent.
#[derive(Debug)]
pub struct ServerControl {
    ids: MessageIds,
    phase: Phase,
    connection: Connection,
    orders: VecDeque<Order>,
    acknowledgements: VecDeque<TaskAcknowledge>,
    events: VecDeque<Event>,
    ignored: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    AwaitingOpen,
    AwaitingVerdict { names_capabilities: bool },
    Settling { until: Duration },
    Ready,
}

#[derive(Debug)]
enum Order {
    Start(InteractiveShell),
    Terminate { session_id: String },
}

impl ServerControl {
    /// Takes over a websocket that was just accepted.
    pub fn new(ids: MessageIds, now: Time) -> ServerControl {
        let mut connection = Connection::new(PATIENCE);
        connection.accepted(now);
        ServerControl {
            ids,
            phase: Phase::AwaitingOpen,
            connection,
            orders: VecDeque::new(),
            acknowledgements: VecDeque::new(),
            events: VecDeque::new(),
            ignored: 0,
        }
    }

    /// Takes one text message: the first message of the connection, and the only one of its kind.
    ///
    /// # Errors
    ///
    /// The text cannot be read, or another one came before it; close the socket.
    pub fn handle_text(&mut self, text: &str, now: Time) -> Result<(), PeerMisbehaved> {
        self.connection.heard(now);
        let Phase::AwaitingOpen = self.phase else {
            return Err(PeerMisbehaved::UnexpectedText);
        };
        let open = OpenControlChannel::parse(text).map_err(PeerMisbehaved::Open)?;
        self.phase = Phase::AwaitingVerdict {
            names_capabilities: open.capabilities.is_some(),
        };
        self.events.push_back(Event::Opened(open));
        Ok(())
    }

    /// Lets the node in.
    pub fn accept(&mut self, now: Time) {
        if let Phase::AwaitingVerdict { names_capabilities } = self.phase {
            self.phase = if names_capabilities {
                Phase::Ready
            } else {
                Phase::Settling {
                    until: now.monotonic + SETTLING_TIME,
                }
            };
        }
    }

    /// Takes one binary message.
    ///
    /// # Errors
    ///
    /// The node broke a rule; the offending message changed nothing.
    pub fn handle_message(&mut self, message: Bytes, now: Time) -> Result<(), PeerMisbehaved> {
        self.connection.heard(now);
        let frame = Frame::decode(message)?;
        let message_type = frame.message_type;
        if let Phase::AwaitingOpen | Phase::AwaitingVerdict { .. } = self.phase {
            return Err(PeerMisbehaved::UnexpectedMessage(message_type));
        }
        match message_type {
            MessageType::AgentTaskComplete => {
                let complete: TaskComplete = payload::parse(&frame.payload)
                    .map_err(|source| PeerMisbehaved::Payload { message_type, source })?;
                // They wait while the channel settles. A report that draws no answer is repeated.
                if self.acknowledgements.len() < MOST_OWED {
                    self.acknowledgements
                        .push_back(TaskAcknowledge::new(frame.message_id, complete.task_id.as_str()));
                }
                self.events.push_back(Event::Completed(complete));
            }
            MessageType::InputStreamData
            | MessageType::OutputStreamData
            | MessageType::InteractiveShell
            | MessageType::AgentTaskAcknowledge => {
                return Err(PeerMisbehaved::UnexpectedMessage(message_type));
            }
            MessageType::Acknowledge
            | MessageType::ChannelClosed
            | MessageType::PausePublication
            | MessageType::StartPublication
            | MessageType::AgentSessionState
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

    /// Notes a ping of the node; the websocket layer answers it.
    pub fn handle_ping(&mut self, now: Time) {
        self.connection.heard(now);
    }

    /// Notes that a ping of ours was answered.
    pub fn handle_pong(&mut self, now: Time) {
        self.connection.pong(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        if let Phase::Settling { until } = self.phase
            && now.monotonic >= until
        {
            self.phase = Phase::Ready;
        }
        if let Some(Unresponsive) = self.connection.handle_timeout(now) {
            self.events.push_back(Event::Unresponsive);
        }
    }

    /// Orders the node to start a session, as soon as it can hear it.
    pub fn start(&mut self, shell: InteractiveShell) {
        self.orders.push_back(Order::Start(shell));
    }

    /// Orders the node to end a session, as soon as it can hear it.
    pub fn terminate(&mut self, session_id: impl Into<String>) {
        self.orders.push_back(Order::Terminate {
            session_id: session_id.into(),
        });
    }

    /// Returns the next message to send at `now`.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        if let Some(transmit) = self.connection.poll_transmit() {
            return Some(transmit);
        }
        let Phase::Ready = self.phase else { return None };
        if let Some(acknowledge) = self.acknowledgements.pop_front() {
            let payload = payload::to_bytes(&acknowledge);
            return Some(self.frame(MessageType::AgentTaskAcknowledge, payload, now));
        }
        match self.orders.pop_front()? {
            Order::Start(shell) => {
                Some(self.frame(MessageType::InteractiveShell, payload::to_bytes(&shell), now))
            }
            Order::Terminate { session_id } => {
                let id = self.ids.next();
                let closed = ChannelClosed::new(id, "", session_id, "", now);
                let frame = Frame::control(MessageType::ChannelClosed, id, payload::to_bytes(&closed), now);
                Some(Transmit::Binary(frame.encode()))
            }
        }
    }

    /// Returns the next thing the node said.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns when to call [`handle_timeout`](ServerControl::handle_timeout) next, as a monotonic time.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let settled = match self.phase {
            Phase::Settling { until } => Some(until),
            Phase::AwaitingOpen | Phase::AwaitingVerdict { .. } | Phase::Ready => None,
        };
        [settled, self.connection.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns how many messages were ignored because this end has no use for their kind.
    pub fn ignored_messages(&self) -> u64 {
        self.ignored
    }

    fn frame(&mut self, message_type: MessageType, payload: Bytes, now: Time) -> Transmit {
        Transmit::Binary(Frame::control(message_type, self.ids.next(), payload, now).encode())
    }
}

/// Acknowledgements that may wait: a node has no more sessions that end in one second.
const MOST_OWED: usize = 256;

/// How long AWS's agent needs after its text frame before it hears orders.
const SETTLING_TIME: Duration = Duration::from_secs(1);

/// A node pings every 54 s; one that answers ours and then says nothing for two such periods is gone.
const PATIENCE: Keepalive = Keepalive::new(Duration::from_secs(50), Duration::from_secs(110));
