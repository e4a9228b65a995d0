//! The connections of a tunnel, as somebody sees them who only looks on.
//!
//! [`Flows`] is fed every stream frame of both directions, each once and in order, and knows who was connected to what,
//! when, and how many bytes went each way. It belongs to neither end and trusts neither: what breaks the rules of its
//! protocol is counted all the same, and nothing that is sent makes it hold more than [`MAX_STREAMS`] connections. Of a
//! message between our own ends only the header is read, unless it carries a document; of smux only headers. No content is
//! kept or copied.
//!
//! Connections of one tunnel that cannot be told apart are counted together, as its [`Rest`]:
//!
//! - those that were there before a restart of the server: where smux continues in the middle of a message nobody knows,
//! - those beyond [`MAX_STREAMS`] at one time,
//! - bytes for a connection that is gone or never was, and whatever else is against the rules,
//! - everything that programs of AWS send which are too old to multiplex.
//!
//! A session without multiplexing is one connection, from its handshake to its end.

mod record;
mod smux_reader;
mod table;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

pub use record::{Flow, FlowOutcome, Rest};

use super::kind::Kind;
use super::{Accepted, HEADER_BYTES, MAX_STREAMS, Opening, Refusal, Reset, Side};
use crate::wire::PayloadType;
use record::Way;
use smux_reader::{Piece, SmuxReader};
use table::{Dialect, Key, Table};

/// Looks on at the connections of one tunnel.
#[derive(Debug)]
pub struct Flows {
    is_multiplexed: bool,
    table: Table,
    /// Those of our own ends count up from 1.
    next: u32,
    smux_to_node: SmuxReader,
    smux_from_node: SmuxReader,
    rest: Option<Rest>,
    ended: VecDeque<Flow>,
}

impl Flows {
    /// Looks on from the beginning.
    pub fn new(is_multiplexed: bool) -> Flows {
        Flows {
            is_multiplexed,
            table: Table::default(),
            next: 1,
            smux_to_node: SmuxReader::new(),
            smux_from_node: SmuxReader::new(),
            rest: None,
            ended: VecDeque::new(),
        }
    }

    /// Looks on from somewhere in the middle: what is there already cannot be told apart.
    pub fn resumed(is_multiplexed: bool, at_ms: u64) -> Flows {
        let mut flows = Flows {
            smux_to_node: SmuxReader::lost(),
            smux_from_node: SmuxReader::lost(),
            ..Flows::new(is_multiplexed)
        };
        if is_multiplexed {
            flows.rest = Some(Rest::since(at_ms));
        } else {
            flows.open_only(at_ms);
        }
        flows
    }

    /// Takes the next frame of one end, in the order of its sequence numbers.
    pub fn observe(&mut self, from: Side, payload_type: PayloadType, payload: &[u8], at_ms: u64) {
        let way = Way::from(from);
        match payload_type {
            PayloadType::HandshakeComplete if !self.is_multiplexed => self.open_only(at_ms),
            PayloadType::Output | PayloadType::Multiplexed if !self.is_multiplexed => {
                self.open_only(at_ms);
                self.count(ONLY, way, payload.len(), at_ms);
            }
            PayloadType::Output => self.smux(way, payload, at_ms),
            PayloadType::Multiplexed => self.credited(way, payload, at_ms),
            _ => {}
        }
    }

    /// Returns the next connection that has ended.
    pub fn poll_ended(&mut self) -> Option<Flow> {
        self.ended.pop_front()
    }

    /// Takes what was counted of connections that cannot be told apart, since it was last taken.
    pub fn take_rest(&mut self) -> Option<Rest> {
        self.rest.take()
    }

    /// Counts a connection that has ended among those that are not told apart.
    pub fn fold(&mut self, flow: &Flow) {
        let rest = self.rest.get_or_insert(Rest::since(flow.opened_ms));
        rest.connections += 1;
        rest.to_node += flow.to_node;
        rest.from_node += flow.from_node;
        rest.first_ms = rest.first_ms.min(flow.opened_ms);
        rest.last_ms = rest.last_ms.max(flow.ended_ms);
    }

    /// Ends every connection that is still there.
    pub fn finish(&mut self, outcome: &FlowOutcome, at_ms: u64) {
        let left = std::mem::take(&mut self.table).into_flows(outcome, at_ms);
        self.ended.extend(left);
    }

    /// Returns how many connections there are.
    pub fn live(&self) -> usize {
        self.table.len()
    }

    fn open_only(&mut self, at_ms: u64) {
        if self.table.live(ONLY).is_none() {
            self.table.open(ONLY, 0, at_ms);
        }
    }

    fn credited(&mut self, way: Way, payload: &[u8], at_ms: u64) {
        let Some(([number, _, _, _, a, b, c, d], body)) = payload.split_first_chunk::<HEADER_BYTES>() else {
            return self.count_rest(way, payload.len(), at_ms);
        };
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        let key = Key(Dialect::Credited, id);
        match (Kind::from_number(*number), way) {
            (Some(Kind::Data), _) => self.count(key, way, body.len(), at_ms),
            (Some(Kind::Open), Way::ToNode) => self.credited_opens(id, body, at_ms),
            (Some(Kind::Accept), Way::FromNode) => {
                if let Some(live) = self.table.live(key)
                    && let Ok(accepted) = Kind::Accept.read::<Accepted>(body)
                {
                    live.accepted(&accepted.address);
                }
            }
            (Some(Kind::Refuse), Way::FromNode) => {
                let is_asked_for = self.table.live(key).is_some_and(|live| !live.is_accepted());
                if is_asked_for && let Ok(refusal) = Kind::Refuse.read::<Refusal>(body) {
                    self.end(key, &FlowOutcome::refused(&refusal), at_ms);
                }
            }
            (Some(Kind::Finish), _) => {
                let is_over = self.table.live(key).is_some_and(|live| live.finished(way));
                if is_over {
                    self.end(key, &FlowOutcome::Ended, at_ms);
                }
            }
            (Some(Kind::Reset), _) => {
                // What cannot be read ends nothing at the other end either.
                if let Ok(reset) = Kind::Reset.read::<Reset>(body) {
                    self.end(key, &FlowOutcome::reset(&reset.reason), at_ms);
                }
            }
            (Some(Kind::Credit | Kind::Signal), _) => {}
            (
                Some(Kind::Open | Kind::Accept | Kind::Refuse | Kind::Errors | Kind::Exit | Kind::Begin)
                | None,
                _,
            ) => {
                self.count_rest(way, payload.len(), at_ms);
            }
        }
    }

    fn credited_opens(&mut self, id: u32, body: &[u8], at_ms: u64) {
        // A node takes no other: neither an old number nor one without a document.
        let opening = Kind::Open.read::<Opening>(body).ok().filter(|_| id >= self.next);
        let Some(opening) = opening else {
            return self.count_rest(Way::ToNode, body.len(), at_ms);
        };
        self.next = id.saturating_add(1);
        self.open(Key(Dialect::Credited, id), opening.destination, at_ms);
    }

    fn smux(&mut self, way: Way, mut bytes: &[u8], at_ms: u64) {
        loop {
            let reader = match way {
                Way::ToNode => &mut self.smux_to_node,
                Way::FromNode => &mut self.smux_from_node,
            };
            let Some(piece) = reader.next(&mut bytes) else {
                return;
            };
            match piece {
                Piece::Open(id) if way == Way::ToNode => self.smux_opens(Key(Dialect::Smux, id), at_ms),
                // Only clients open any.
                Piece::Open(_) => {}
                Piece::Body(id, length) => self.count(Key(Dialect::Smux, id), way, length, at_ms),
                Piece::End(id) => self.smux_ends(Key(Dialect::Smux, id), way, at_ms),
                Piece::Undivided(length) => self.count_rest(way, length, at_ms),
            }
        }
    }

    fn smux_opens(&mut self, key: Key, at_ms: u64) {
        if self.table.live(key).is_none_or(|live| live.is_closing()) {
            self.open(key, 0, at_ms);
        }
    }

    /// The end of one direction is the end of both, but what the other end has sent already is still on its way.
    fn smux_ends(&mut self, key: Key, way: Way, at_ms: u64) {
        let Some(live) = self.table.live(key) else {
            return;
        };
        if live.finished(way) {
            self.end(key, &FlowOutcome::Ended, at_ms);
        } else {
            self.table.close(key, at_ms);
        }
    }

    fn open(&mut self, key: Key, destination: u16, at_ms: u64) {
        // Numbers that are used again are another connection.
        self.end(key, &FlowOutcome::Ended, at_ms);
        if self.table.len() >= MAX_STREAMS {
            // An end that never says its part of the good-bye must not keep the others from being seen.
            match self.table.take_closing() {
                Some(flow) => self.ended.push_back(flow),
                None => return self.rest(at_ms).connections += 1,
            }
        }
        self.table.open(key, destination, at_ms);
    }

    fn end(&mut self, key: Key, outcome: &FlowOutcome, at_ms: u64) {
        if let Some(flow) = self.table.end(key, outcome, at_ms) {
            self.ended.push_back(flow);
        }
    }

    fn count(&mut self, key: Key, way: Way, length: usize, at_ms: u64) {
        match self.table.live(key) {
            Some(live) => live.count(way, length),
            None => self.count_rest(way, length, at_ms),
        }
    }

    fn count_rest(&mut self, way: Way, length: usize, at_ms: u64) {
        let rest = self.rest(at_ms);
        match way {
            Way::ToNode => rest.to_node += length as u64,
            Way::FromNode => rest.from_node += length as u64,
        }
    }

    fn rest(&mut self, at_ms: u64) -> &mut Rest {
        let rest = self.rest.get_or_insert(Rest::since(at_ms));
        rest.last_ms = rest.last_ms.max(at_ms);
        rest
    }
}

/// The connection of a session without multiplexing.
const ONLY: Key = Key(Dialect::Single, 0);
