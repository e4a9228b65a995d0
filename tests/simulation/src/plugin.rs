//! AWS's plugin, as far as a relay can tell it from ours.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::payload::{
    self, Acknowledge, ActionType, ChannelClosed, HandshakeResponse, ProcessedAction, Size,
};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{MessageIds, Time};

use crate::aws::{AwsSender, acknowledge};
use crate::chance::Chance;
use crate::client::ClientEvent;
use crate::pipe::Message;

/// Does what the plugin does with frames: ignores copies, refuses what its handler is not ready for, dies in its set-up.
#[derive(Debug)]
pub(crate) struct Plugin {
    ids: MessageIds,
    sender: AwsSender,
    expected: i64,
    early: BTreeMap<i64, Frame>,
    state: State,
    multiplexed: bool,
    set_up_ms: u64,
    online: bool,
    transmits: VecDeque<Message>,
    events: VecDeque<ClientEvent>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    AwaitingFirstMessage,
    AwaitingComplete,
    SettingUp { ready_at: Duration },
    Ready,
    Closed,
}

impl Plugin {
    pub(crate) fn new(multiplexed: bool, mut chance: Chance) -> Plugin {
        Plugin {
            ids: MessageIds::new(chance.seed()),
            sender: AwsSender::new(MessageType::InputStreamData, false, chance.fork()),
            expected: 0,
            early: BTreeMap::new(),
            state: State::AwaitingFirstMessage,
            multiplexed,
            set_up_ms: chance.within(1..400),
            online: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn connected(&mut self) {
        self.online = true;
        self.transmits.clear();
        // Its first ping may overtake the first text frame.
        self.transmits
            .push_back(Message::Ping(Bytes::from_static(b"keepalive")));
        self.transmits.push_back(Message::Text);
    }

    pub(crate) fn disconnected(&mut self) {
        self.online = false;
        self.transmits.clear();
    }

    pub(crate) fn received(&mut self, message: Message, now: Time) {
        match message {
            Message::Binary(bytes) => self.frame(bytes, now),
            Message::Ping(payload) => self.transmits.push_back(Message::Pong(payload)),
            Message::Pong(_) => {}
            Message::Text => panic!("a text frame kills the plugin"),
        }
    }

    pub(crate) fn timeout(&mut self, now: Time) {
        if let State::SettingUp { ready_at } = self.state
            && now.monotonic >= ready_at
        {
            self.state = State::Ready;
            self.send(PayloadType::Size, Size { cols: 120, rows: 40 }.to_bytes(), now);
            self.events.push_back(ClientEvent::Established);
        }
        if let Some(bytes) = self.sender.tick(now.monotonic)
            && self.online
        {
            self.transmits.push_back(Message::Binary(bytes));
        }
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        let set_up = match self.state {
            State::SettingUp { ready_at } => Some(ready_at),
            State::Closed => return None,
            _ => None,
        };
        set_up.into_iter().chain(self.sender.next_at()).min()
    }

    pub(crate) fn input(&mut self, bytes: &Bytes, now: Time) {
        for chunk in bytes.chunks(1024) {
            self.send(PayloadType::Output, Bytes::copy_from_slice(chunk), now);
        }
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.sender.is_empty()
    }

    pub(crate) fn transmit(&mut self) -> Option<Message> {
        self.transmits.pop_front()
    }

    pub(crate) fn event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    fn send(&mut self, payload_type: PayloadType, payload: Bytes, now: Time) {
        let bytes = self.sender.send(payload_type, payload, &mut self.ids, now);
        if self.online {
            self.transmits.push_back(Message::Binary(bytes));
        }
    }

    fn frame(&mut self, bytes: Bytes, now: Time) {
        let frame = Frame::decode(bytes).expect("the relay sends whole frames");
        if self.multiplexed && matches!(self.state, State::SettingUp { .. }) {
            panic!("`{}` arrived while multiplexing was set up", frame.message_type);
        }
        match frame.message_type {
            MessageType::OutputStreamData => self.output(frame, now),
            MessageType::Acknowledge => {
                let acknowledge = Acknowledge::parse(&frame.payload).expect("the relay acknowledges well");
                assert!(
                    !acknowledge.cumulative,
                    "the plugin does not know cumulative acknowledgements"
                );
                self.sender.acknowledged(acknowledge.sequence, now.monotonic);
            }
            MessageType::ChannelClosed => {
                let closed: ChannelClosed = payload::parse(&frame.payload).expect("a readable end");
                self.state = State::Closed;
                self.events.push_back(ClientEvent::Closed {
                    output: closed.output,
                    exit_code: None,
                });
            }
            MessageType::StartPublication | MessageType::PausePublication => {}
            other => panic!("`{other}` is not for the plugin"),
        }
    }

    fn output(&mut self, frame: Frame, now: Time) {
        if self.state == State::Closed || frame.sequence < self.expected {
            return;
        }
        if frame.sequence > self.expected {
            self.acknowledge(&frame, now);
            self.early.insert(frame.sequence, frame);
            return;
        }
        if !self.process(&frame, now) {
            return;
        }
        self.expected += 1;
        while let Some(frame) = self.early.remove(&self.expected) {
            assert!(
                !is_handshake(&frame),
                "a handshake frame out of order is shown to the user"
            );
            assert!(
                self.takes_output(),
                "output in the buffer is lost when the handler is not ready"
            );
            self.events.push_back(ClientEvent::Output(frame.payload));
            self.expected += 1;
        }
    }

    /// Processes the expected frame and acknowledges it, unless it is refused.
    fn process(&mut self, frame: &Frame, now: Time) -> bool {
        let ready_at = now.monotonic + Duration::from_millis(self.set_up_ms);
        match (frame.payload_type, &self.state) {
            (PayloadType::HandshakeRequest, State::AwaitingFirstMessage) => {
                self.acknowledge(frame, now);
                let answer = HandshakeResponse {
                    client_version: "1.2.650.0".to_owned(),
                    processed_client_actions: vec![ProcessedAction::success(ActionType::SessionType)],
                    errors: None,
                };
                self.send(PayloadType::HandshakeResponse, payload::to_bytes(&answer), now);
                self.state = State::AwaitingComplete;
            }
            (PayloadType::HandshakeComplete, State::AwaitingComplete) => {
                self.acknowledge(frame, now);
                self.state = State::SettingUp { ready_at };
            }
            (_, State::AwaitingFirstMessage) => {
                self.events.push_back(ClientEvent::Output(frame.payload.clone()));
                self.acknowledge(frame, now);
                self.state = State::SettingUp { ready_at };
            }
            (_, State::Ready) => {
                self.events.push_back(ClientEvent::Output(frame.payload.clone()));
                self.acknowledge(frame, now);
            }
            _ => return false,
        }
        true
    }

    fn takes_output(&self) -> bool {
        self.state == State::Ready
    }

    fn acknowledge(&mut self, frame: &Frame, now: Time) {
        let bytes = acknowledge(frame, &mut self.ids, now);
        self.transmits.push_back(Message::Binary(bytes));
    }
}

fn is_handshake(frame: &Frame) -> bool {
    matches!(
        frame.payload_type,
        PayloadType::HandshakeRequest | PayloadType::HandshakeComplete
    )
}
