//! AWS's agent, as far as a relay can tell it from ours.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::payload::{
    self, Acknowledge, AgentSessionState, ClientAction, HandshakeComplete, HandshakeRequest, SessionState,
    SessionType,
};
use drawbridge_protocol::wire::{FLAG_ACKNOWLEDGE, Frame, MessageType, PayloadType};
use drawbridge_protocol::{MessageIds, Time};

use crate::aws::{AwsSender, acknowledge};
use crate::chance::Chance;
use crate::node::NodeEvent;
use crate::pipe::Message;

/// Does what the agent's session worker does with frames.
#[derive(Debug)]
pub(crate) struct Agent {
    ids: MessageIds,
    sender: AwsSender,
    expected: i64,
    early: BTreeMap<i64, Frame>,
    handshake: Handshake,
    /// Input is refused, unacknowledged, until the session's handler exists.
    ready_at: Option<Duration>,
    set_up_ms: u64,
    /// Whether the handshake answer is acknowledged before the handshake is completed and after, or only after.
    acknowledges_twice: bool,
    paused: bool,
    online: bool,
    /// Built while paused, to be sent when the pause ends.
    queued: VecDeque<Bytes>,
    introduced: bool,
    transmits: VecDeque<Message>,
    events: VecDeque<NodeEvent>,
}

#[derive(Debug, PartialEq, Eq)]
enum Handshake {
    Needed(SessionType),
    AwaitingResponse,
    Done,
}

impl Agent {
    pub(crate) fn new(session_type: SessionType, mut chance: Chance) -> Agent {
        let handshake = match session_type.needs_handshake() {
            true => Handshake::Needed(session_type),
            false => Handshake::Done,
        };
        Agent {
            ids: MessageIds::new(chance.seed()),
            sender: AwsSender::new(MessageType::OutputStreamData, true, chance.fork()),
            expected: 0,
            early: BTreeMap::new(),
            handshake,
            ready_at: None,
            set_up_ms: chance.within(1..300),
            acknowledges_twice: chance.percent(50),
            paused: false,
            online: false,
            queued: VecDeque::new(),
            introduced: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn connected(&mut self, now: Time) {
        self.online = true;
        self.transmits.clear();
        self.transmits.push_back(Message::Text);
        self.resume();
        if !std::mem::replace(&mut self.introduced, true) {
            self.state(SessionState::Connected, now);
            if let Handshake::Needed(session_type) = std::mem::replace(&mut self.handshake, Handshake::Done) {
                let request = HandshakeRequest {
                    agent_version: "3.3.987.0".to_owned(),
                    requested_client_actions: vec![ClientAction::session_type(
                        session_type,
                        serde_json::Value::Null,
                    )],
                };
                self.send(PayloadType::HandshakeRequest, payload::to_bytes(&request), now);
                self.handshake = Handshake::AwaitingResponse;
            } else {
                self.ready(now);
            }
        }
    }

    pub(crate) fn disconnected(&mut self) {
        self.online = false;
        self.transmits.clear();
    }

    pub(crate) fn received(&mut self, message: Message, now: Time) {
        let Message::Binary(bytes) = message else { return };
        let frame = Frame::decode(bytes).expect("the relay sends whole frames");
        match frame.message_type {
            MessageType::InputStreamData => {
                self.resume();
                self.input(frame, now);
            }
            MessageType::Acknowledge => {
                let acknowledge = Acknowledge::parse(&frame.payload).expect("the relay acknowledges well");
                assert!(
                    !acknowledge.cumulative,
                    "the agent does not know cumulative acknowledgements"
                );
                self.sender.acknowledged(acknowledge.sequence, now.monotonic);
                self.resume();
            }
            MessageType::StartPublication => self.resume(),
            MessageType::PausePublication => self.paused = true,
            MessageType::ChannelClosed => self.events.push_back(NodeEvent::Closed),
            other => panic!("`{other}` is not for the agent"),
        }
    }

    pub(crate) fn timeout(&mut self, now: Time) {
        if self.paused {
            return;
        }
        if let Some(bytes) = self.sender.tick(now.monotonic)
            && self.online
        {
            self.transmits.push_back(Message::Binary(bytes));
        }
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.sender.next_at().filter(|_| !self.paused)
    }

    pub(crate) fn output(&mut self, bytes: &Bytes, now: Time) {
        for chunk in bytes.chunks(1024) {
            self.send(PayloadType::Output, Bytes::copy_from_slice(chunk), now);
        }
    }

    pub(crate) fn takes_output(&self) -> bool {
        self.introduced && self.handshake == Handshake::Done && !self.paused
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.sender.is_empty()
    }

    pub(crate) fn terminating(&mut self, now: Time) {
        self.state(SessionState::Terminating, now);
    }

    pub(crate) fn transmit(&mut self) -> Option<Message> {
        self.transmits.pop_front()
    }

    pub(crate) fn event(&mut self) -> Option<NodeEvent> {
        self.events.pop_front()
    }

    fn resume(&mut self) {
        self.paused = false;
        for bytes in std::mem::take(&mut self.queued) {
            if self.online {
                self.transmits.push_back(Message::Binary(bytes));
            }
        }
    }

    fn send(&mut self, payload_type: PayloadType, payload: Bytes, now: Time) {
        let bytes = self.sender.send(payload_type, payload, &mut self.ids, now);
        if self.paused {
            self.queued.push_back(bytes);
        } else if self.online {
            self.transmits.push_back(Message::Binary(bytes));
        }
    }

    fn state(&mut self, session_state: SessionState, now: Time) {
        let report = AgentSessionState {
            schema_version: 1,
            session_state,
            session_id: "session".to_owned(),
            exit_code: None,
        };
        let control = Frame::control(
            MessageType::AgentSessionState,
            self.ids.next(),
            payload::to_bytes(&report),
            now,
        );
        let bytes = Frame {
            flags: FLAG_ACKNOWLEDGE,
            ..control
        }
        .encode();
        if self.online {
            self.transmits.push_back(Message::Binary(bytes));
        }
    }

    fn ready(&mut self, now: Time) {
        self.ready_at = Some(now.monotonic + Duration::from_millis(self.set_up_ms));
    }

    fn input(&mut self, frame: Frame, now: Time) {
        if frame.sequence < self.expected {
            return self.acknowledge(&frame, now);
        }
        if frame.sequence > self.expected {
            self.acknowledge(&frame, now);
            self.early.insert(frame.sequence, frame);
            return;
        }
        if !self.process(&frame, now) {
            return;
        }
        self.acknowledge(&frame, now);
        self.expected += 1;
        while let Some(frame) = self.early.remove(&self.expected) {
            assert!(
                self.process(&frame, now),
                "input in the buffer is lost when the handler is not ready"
            );
            self.expected += 1;
        }
    }

    fn process(&mut self, frame: &Frame, now: Time) -> bool {
        match (frame.payload_type, &self.handshake) {
            (PayloadType::HandshakeResponse, Handshake::AwaitingResponse) => {
                let complete = HandshakeComplete {
                    handshake_time_to_complete: 1,
                    customer_message: String::new(),
                };
                if self.acknowledges_twice {
                    self.acknowledge(frame, now);
                }
                self.send(PayloadType::HandshakeComplete, payload::to_bytes(&complete), now);
                self.handshake = Handshake::Done;
                self.ready(now);
            }
            (PayloadType::HandshakeResponse, _) => {
                panic!("a second handshake answer blocks the agent for good")
            }
            (_, Handshake::AwaitingResponse) => {} // Acknowledged and thrown away.
            _ if self.ready_at.is_none_or(|at| now.monotonic < at) => return false,
            (PayloadType::Output, _) => self.events.push_back(NodeEvent::Input(frame.payload.clone())),
            _ => {}
        }
        true
    }

    fn acknowledge(&mut self, frame: &Frame, now: Time) {
        let bytes = acknowledge(frame, &mut self.ids, now);
        self.transmits.push_back(Message::Binary(bytes));
    }
}
