//! A client with something to type.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::client::{ClientConfig, ClientEnd, Event};
use drawbridge_protocol::payload::Size;
use drawbridge_protocol::{Capabilities, MessageIds, Role, Time, Token, Transmit};
use uuid::Uuid;

use crate::chance::{Chance, scramble};
use crate::pipe::Message;
use crate::plugin::Plugin;

/// Is what an end tells its user.
#[derive(Debug)]
pub(crate) enum ClientEvent {
    Established,
    Output(Bytes),
    Closed { output: String, exit_code: Option<i32> },
}

/// Is one client process with its user.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: Uuid,
    core: Core,
    /// Marks this client's input among that of others.
    mark: u8,
    /// What is typed: how long after the one before, and how many bytes.
    plan: VecDeque<(Duration, usize)>,
    type_at: Option<Duration>,
    pub(crate) typed: Vec<u8>,
    pub(crate) received: Vec<u8>,
    pub(crate) closed: Option<(String, Option<i32>)>,
    pub(crate) role: Option<Role>,
}

#[derive(Debug)]
enum Core {
    Ours(Box<ClientEnd>),
    Plugin(Box<Plugin>),
}

impl Client {
    pub(crate) fn ours(mark: u8, plan: VecDeque<(Duration, usize)>, mut chance: Chance) -> Client {
        let id = Uuid::from_u128(u128::from(mark) + 1);
        let config = ClientConfig::new(id, "1.2.700.0");
        let end = ClientEnd::new(config, MessageIds::new(chance.seed()));
        Client::new(id, Core::Ours(Box::new(end)), mark, plan)
    }

    pub(crate) fn plugin(
        mark: u8,
        plan: VecDeque<(Duration, usize)>,
        multiplexed: bool,
        chance: Chance,
    ) -> Client {
        let id = Uuid::from_u128(u128::from(mark) + 1);
        Client::new(
            id,
            Core::Plugin(Box::new(Plugin::new(multiplexed, chance))),
            mark,
            plan,
        )
    }

    fn new(id: Uuid, core: Core, mark: u8, plan: VecDeque<(Duration, usize)>) -> Client {
        Client {
            id,
            core,
            mark,
            plan,
            type_at: None,
            typed: Vec::new(),
            received: Vec::new(),
            closed: None,
            role: None,
        }
    }

    pub(crate) fn capabilities(&self) -> Option<Capabilities> {
        matches!(self.core, Core::Ours(_)).then_some(Capabilities::OURS)
    }

    pub(crate) fn connected(&mut self, now: Time) {
        match &mut self.core {
            Core::Ours(end) => end.handle_connected(Token::new("token"), now),
            Core::Plugin(plugin) => plugin.connected(),
        }
    }

    pub(crate) fn disconnected(&mut self, now: Time) {
        match &mut self.core {
            Core::Ours(end) => end.handle_disconnected(now),
            Core::Plugin(plugin) => plugin.disconnected(),
        }
    }

    /// Takes a message; returns what the end's socket answers by itself.
    pub(crate) fn received(&mut self, message: Message, now: Time) -> Option<Message> {
        match (&mut self.core, message) {
            (Core::Plugin(plugin), message) => plugin.received(message, now),
            (Core::Ours(end), Message::Binary(bytes)) => {
                end.handle_message(bytes, now).expect("the relay breaks no rule");
            }
            (Core::Ours(end), Message::Pong(_)) => end.handle_pong(now),
            (Core::Ours(_), Message::Ping(payload)) => return Some(Message::Pong(payload)),
            (Core::Ours(_), Message::Text) => panic!("the server sends no text"),
        }
        None
    }

    /// Does what is due, and takes note of what the end says.
    pub(crate) fn advance(&mut self, now: Time) {
        match &mut self.core {
            Core::Ours(end) => end.handle_timeout(now),
            Core::Plugin(plugin) => plugin.timeout(now),
        }
        while let Some(event) = self.event() {
            match event {
                ClientEvent::Established => self.schedule(now),
                ClientEvent::Output(bytes) => self.received.extend_from_slice(&bytes),
                ClientEvent::Closed { output, exit_code } => self.closed = Some((output, exit_code)),
            }
        }
        while self.type_at.is_some_and(|at| now.monotonic >= at) && self.closed.is_none() {
            self.type_next(now);
        }
    }

    pub(crate) fn next_at(&self) -> Option<Duration> {
        if self.closed.is_some() {
            return None;
        }
        let core = match &self.core {
            Core::Ours(end) => end.poll_timeout(),
            Core::Plugin(plugin) => plugin.next_at(),
        };
        core.into_iter().chain(self.type_at).min()
    }

    pub(crate) fn transmit(&mut self, now: Time) -> Option<Message> {
        match &mut self.core {
            Core::Plugin(plugin) => plugin.transmit(),
            Core::Ours(end) => Some(match end.poll_transmit(now)? {
                Transmit::Text(_) => Message::Text,
                Transmit::Binary(bytes) => Message::Binary(bytes),
                Transmit::Ping(payload) => Message::Ping(payload),
            }),
        }
    }

    /// Says whether everything was typed and has reached the node.
    pub(crate) fn has_said_all(&self) -> bool {
        let drained = match &self.core {
            Core::Ours(end) => end.is_drained(),
            Core::Plugin(plugin) => plugin.is_drained(),
        };
        self.plan.is_empty() && drained
    }

    fn event(&mut self) -> Option<ClientEvent> {
        let end = match &mut self.core {
            Core::Plugin(plugin) => return plugin.event(),
            Core::Ours(end) => end,
        };
        loop {
            match end.poll_event()? {
                Event::Established { .. } => {
                    end.send_size(Size { cols: 80, rows: 24 });
                    return Some(ClientEvent::Established);
                }
                Event::Output { bytes, .. } => return Some(ClientEvent::Output(bytes)),
                Event::Closed {
                    output, exit_code, ..
                } => {
                    return Some(ClientEvent::Closed { output, exit_code });
                }
                Event::Hello(hello) => self.role = Some(hello.role),
                Event::DataKeyWanted { .. } => panic!("nobody encrypts here"),
                Event::Message(_) | Event::Unresponsive => {}
            }
        }
    }

    fn schedule(&mut self, now: Time) {
        self.type_at = self.plan.front().map(|(delay, _)| now.monotonic + *delay);
    }

    fn type_next(&mut self, now: Time) {
        let blocked = match &self.core {
            Core::Ours(end) => end.input_capacity() == 0,
            Core::Plugin(_) => false,
        };
        if blocked {
            self.type_at = Some(now.monotonic + Duration::from_millis(20));
            return;
        }
        let Some((_, length)) = self.plan.pop_front() else {
            return;
        };
        let start = self.typed.len();
        self.typed
            .extend((start..start + length).map(|place| input_byte(self.mark, place)));
        let bytes = Bytes::copy_from_slice(&self.typed[start..]);
        match &mut self.core {
            Core::Ours(end) => end.send_input(bytes),
            Core::Plugin(plugin) => plugin.input(&bytes, now),
        }
        self.schedule(now);
    }
}

/// Returns what a client types at a place: recognisable as its own, and never a newline, which ends rewrite.
fn input_byte(mark: u8, place: usize) -> u8 {
    64 + mark * 64 + (scramble(place as u64) % 64) as u8
}
