//! A managed node with something to print.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::node::{Event, NodeConfig, NodeEnd, State};
use drawbridge_protocol::payload::SessionType;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{Capabilities, MessageIds, NodeExtension, PeerMisbehaved, Time, Token, Transmit};

use crate::agent::Agent;
use crate::chance::{Chance, scramble};
use crate::pipe::Message;

/// Is what an end tells its program.
#[derive(Debug)]
pub(crate) enum NodeEvent {
    Input(Bytes),
    Closed,
}

/// Is one session on a managed node, with its program.
#[derive(Debug)]
pub(crate) struct Node {
    core: Core,
    session_type: SessionType,
    plan: VecDeque<(Duration, usize)>,
    print_at: Option<Duration>,
    pub(crate) printed: Vec<u8>,
    pub(crate) received: Vec<u8>,
    pub(crate) phase: Phase,
}

/// Is how far the node has come with ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// The program has ended; AWS's agent waits for its output to be acknowledged, ours for the relay's word.
    Finishing,
    /// The socket is to be closed and the end reported.
    Finished,
}

#[derive(Debug)]
enum Core {
    Ours(Box<NodeEnd>),
    Agent(Box<Agent>),
}

impl Node {
    pub(crate) fn ours(
        session_type: SessionType,
        plan: VecDeque<(Duration, usize)>,
        extension: NodeExtension,
        mut chance: Chance,
    ) -> Node {
        let config = NodeConfig::new("session", "mi-0123456789abcdef0", "3.3.1000.0", Some(extension));
        let end = NodeEnd::new(config, MessageIds::new(chance.seed()));
        Node::new(Core::Ours(Box::new(end)), session_type, plan)
    }

    pub(crate) fn agent(
        session_type: SessionType,
        plan: VecDeque<(Duration, usize)>,
        chance: Chance,
    ) -> Node {
        Node::new(
            Core::Agent(Box::new(Agent::new(session_type.clone(), chance))),
            session_type,
            plan,
        )
    }

    fn new(core: Core, session_type: SessionType, plan: VecDeque<(Duration, usize)>) -> Node {
        Node {
            core,
            session_type,
            plan,
            print_at: None,
            printed: Vec::new(),
            received: Vec::new(),
            phase: Phase::Running,
        }
    }

    pub(crate) fn capabilities(&self) -> Option<Capabilities> {
        matches!(self.core, Core::Ours(_)).then_some(Capabilities::OURS)
    }

    pub(crate) fn connected(&mut self, now: Time) {
        match &mut self.core {
            Core::Ours(end) => {
                end.handle_connected(Token::new("token"), now);
                end.send_state(State::Connected);
                if self.session_type.needs_handshake() {
                    end.begin_handshake(self.session_type.clone(), serde_json::Value::Null, now);
                }
            }
            Core::Agent(agent) => agent.connected(now),
        }
        self.print_at.get_or_insert(now.monotonic);
    }

    pub(crate) fn disconnected(&mut self, now: Time) {
        match &mut self.core {
            Core::Ours(end) => end.handle_disconnected(now),
            Core::Agent(agent) => agent.disconnected(),
        }
    }

    pub(crate) fn received(&mut self, message: Message, now: Time) {
        match (&mut self.core, message) {
            (Core::Agent(agent), message) => agent.received(message, now),
            (Core::Ours(end), Message::Binary(bytes)) => {
                match end.handle_message(bytes, now) {
                    // A filler in the place of lost input, while the node waits for a handshake answer: skipped.
                    Ok(()) | Err(PeerMisbehaved::UnexpectedPayload(PayloadType::Size)) => {}
                    Err(error) => panic!("the relay breaks a rule: {error}"),
                }
            }
            (Core::Ours(end), Message::Pong(_)) => end.handle_pong(now),
            (Core::Ours(_), Message::Ping(_) | Message::Text) => {}
        }
    }

    pub(crate) fn advance(&mut self, now: Time) {
        match &mut self.core {
            Core::Ours(end) => end.handle_timeout(now),
            Core::Agent(agent) => agent.timeout(now),
        }
        while let Some(event) = self.event() {
            match event {
                NodeEvent::Input(bytes) => self.received.extend_from_slice(&bytes),
                NodeEvent::Closed => self.phase = Phase::Finished,
            }
        }
        while self.phase == Phase::Running && self.print_at.is_some_and(|at| now.monotonic >= at) {
            self.print_next(now);
        }
        if let Core::Agent(agent) = &self.core
            && self.phase == Phase::Finishing
            && agent.is_drained()
        {
            self.phase = Phase::Finished;
        }
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        if self.phase == Phase::Finished {
            return None;
        }
        let core = match &self.core {
            Core::Ours(end) => end.poll_timeout(),
            Core::Agent(agent) => agent.next_at(),
        };
        core.into_iter()
            .chain(self.print_at.filter(|_| self.phase == Phase::Running))
            .min()
    }

    pub(crate) fn transmit(&mut self, now: Time) -> Option<Message> {
        match &mut self.core {
            Core::Agent(agent) => agent.transmit(),
            Core::Ours(end) => Some(match end.poll_transmit(now)? {
                Transmit::Text(_) => Message::Text,
                Transmit::Binary(bytes) => Message::Binary(bytes),
                Transmit::Ping(payload) => Message::Ping(payload),
            }),
        }
    }

    pub(crate) fn has_printed_all(&self) -> bool {
        self.plan.is_empty()
    }

    /// Ends the program.
    pub(crate) fn finish(&mut self, now: Time) {
        if self.phase != Phase::Running {
            return;
        }
        match &mut self.core {
            Core::Ours(end) => end.send_state(State::Terminating {
                exit_code: Some(EXIT_CODE),
            }),
            // AWS's agent gives up after 2 s; here it waits, for what it would lose is not the relay's fault.
            Core::Agent(agent) if !agent.is_drained() => return,
            Core::Agent(agent) => agent.terminating(now),
        }
        self.phase = Phase::Finishing;
    }

    fn event(&mut self) -> Option<NodeEvent> {
        let end = match &mut self.core {
            Core::Agent(agent) => return agent.event(),
            Core::Ours(end) => end,
        };
        loop {
            match end.poll_event()? {
                Event::Input(bytes) => return Some(NodeEvent::Input(bytes)),
                Event::ChannelClosed => return Some(NodeEvent::Closed),
                Event::DataKeyWrapped(_) => panic!("nobody encrypts here"),
                Event::HandshakeFailed(reason) => panic!("the handshake failed: {reason}"),
                Event::Size(_)
                | Event::Flag(_)
                | Event::Multiplexed(_)
                | Event::HandshakeDone { .. }
                | Event::Notice(_)
                | Event::Paused
                | Event::Resumed
                | Event::Unresponsive => {}
            }
        }
    }

    fn print_next(&mut self, now: Time) {
        let blocked = match &self.core {
            Core::Ours(end) => end.output_capacity() == 0,
            Core::Agent(agent) => !agent.takes_output(),
        };
        if blocked {
            self.print_at = Some(now.monotonic + Duration::from_millis(20));
            return;
        }
        let Some((_, length)) = self.plan.pop_front() else {
            self.print_at = None;
            return;
        };
        let start = self.printed.len();
        self.printed.extend((start..start + length).map(output_byte));
        let bytes = Bytes::copy_from_slice(&self.printed[start..]);
        match &mut self.core {
            Core::Ours(end) => end.send_output(PayloadType::Output, bytes),
            Core::Agent(agent) => agent.output(&bytes, now),
        }
        self.print_at = self.plan.front().map(|(delay, _)| now.monotonic + *delay);
    }
}

/// How the program on the node exits.
pub(crate) const EXIT_CODE: i32 = 7;

fn output_byte(place: usize) -> u8 {
    scramble(place as u64 + 0x1000) as u8
}
