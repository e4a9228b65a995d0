//! Programs that send through a tunnel to something that says everything back, over the same link.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use drawbridge_protocol::data_channel::client::ClientEnd;
use drawbridge_protocol::data_channel::node::NodeEnd;
use drawbridge_protocol::port_mux::{
    Accepted, Credited, Event, HEADER_BYTES, Mux, Opening, Side, Smux, StreamId,
};

use super::{Random, noise};

/// Bytes in one message at most, so that it fits the frames of these tests.
const MOST: usize = 1500;

pub(super) struct Tunnels {
    client: Mux,
    node: Mux,
    programs: BTreeMap<StreamId, Program>,
    echoes: BTreeMap<StreamId, Echo>,
}

struct Program {
    rest: Bytes,
    said: Bytes,
    heard: Vec<u8>,
    unread: usize,
    is_over: bool,
}

#[derive(Default)]
struct Echo {
    waiting: BytesMut,
    has_end: bool,
}

impl Tunnels {
    pub(super) fn new(credited: bool, seed: u64, lengths: &[usize]) -> Tunnels {
        let end = |side| match credited {
            true => Mux::Credited(Credited::new(side)),
            false => Mux::Smux(Smux::new(side)),
        };
        let (mut client, node) = (end(Side::Client), end(Side::Node));
        let mut programs = BTreeMap::new();
        for (at, length) in lengths.iter().enumerate() {
            let said: Bytes = noise(seed + at as u64, *length).collect();
            let program = Program {
                rest: said.clone(),
                said,
                heard: Vec::new(),
                unread: 0,
                is_over: false,
            };
            programs.insert(client.open(&Opening::default()).unwrap(), program);
        }
        Tunnels {
            client,
            node,
            programs,
            echoes: BTreeMap::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.programs.values().all(|program| program.is_over)
            && (self.client.streams(), self.node.streams()) == (0, 0)
    }

    pub(super) fn all_was_said_back(&self) -> bool {
        self.programs
            .values()
            .all(|program| program.heard == program.said && program.rest.is_empty())
    }

    /// Lets programs say as much as there is room for, in random order and pieces.
    pub(super) fn produce(&mut self, client: &mut ClientEnd, node: &mut NodeEnd, random: &mut Random) {
        while let Some(message) = self.client.poll_transmit() {
            to_node(&self.client, client, message);
        }
        while let Some(message) = self.node.poll_transmit() {
            node.send_output(self.node.payload_type(), message);
        }
        let halves = self.client.closes_by_halves();
        for (stream, program) in &mut self.programs {
            if program.unread > 0 && random.percent(50) {
                self.client.consumed(*stream, std::mem::take(&mut program.unread));
            }
            let room = self.client.capacity(*stream).min(client.input_capacity());
            let most = room.min(program.rest.len()).min(MOST);
            if most > 0 && random.percent(70) {
                let piece = program.rest.split_to(random.between(1, most as u64) as usize);
                let message = self.client.wrap(*stream, framed(&piece));
                to_node(&self.client, client, message);
            }
            // Where both directions end together, a program waits for its answer first.
            if program.rest.is_empty() && (halves || program.heard.len() == program.said.len()) {
                self.client.finish(*stream);
            }
        }
        for (stream, echo) in &mut self.echoes {
            let room = self.node.capacity(*stream).min(node.output_capacity());
            let most = room.min(echo.waiting.len()).min(MOST);
            if most > 0 && random.percent(70) {
                let piece = echo.waiting.split_to(random.between(1, most as u64) as usize);
                self.node.consumed(*stream, piece.len());
                let message = self.node.wrap(*stream, framed(&piece));
                node.send_output(self.node.payload_type(), message);
            }
            if echo.has_end && echo.waiting.is_empty() {
                self.node.finish(*stream);
            }
        }
    }

    pub(super) fn client_received(&mut self, bytes: Bytes) {
        self.client.receive(bytes).unwrap();
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Data(stream, bytes) => {
                    let program = self.programs.get_mut(&stream).unwrap();
                    program.heard.extend_from_slice(&bytes);
                    program.unread += bytes.len();
                }
                Event::Closed(stream) => self.programs.get_mut(&stream).unwrap().is_over = true,
                Event::Accepted(..) | Event::Room(_) | Event::Finished(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn node_received(&mut self, bytes: Bytes) {
        self.node.receive(bytes).unwrap();
        while let Some(event) = self.node.poll_event() {
            match event {
                Event::Opened(stream, _) => {
                    self.node.accept(stream, &Accepted::default());
                    self.echoes.insert(stream, Echo::default());
                }
                Event::Data(stream, bytes) => {
                    self.echoes.get_mut(&stream).unwrap().waiting.put_slice(&bytes);
                }
                Event::Finished(stream) => self.echoes.get_mut(&stream).unwrap().has_end = true,
                Event::Closed(_) | Event::Room(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

fn framed(piece: &[u8]) -> BytesMut {
    let mut buffer = BytesMut::zeroed(HEADER_BYTES);
    buffer.put_slice(piece);
    buffer
}

fn to_node(mux: &Mux, client: &mut ClientEnd, message: Bytes) {
    match mux {
        Mux::Credited(_) => client.send_multiplexed(message),
        Mux::Smux(_) => client.send_input(message),
    }
}
