//! The connections that are there.

use std::collections::BTreeMap;

use super::record::{Flow, FlowOutcome, Way, plain};

/// Names a connection. The two kinds of multiplexing are kept apart: an end that mixes them must not confuse who looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) Dialect, pub(super) u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    Single,
    Credited,
    Smux,
}

/// Holds connections; whoever opens them sees to it that they are not too many.
#[derive(Debug, Default)]
pub(super) struct Table {
    live: BTreeMap<Key, Live>,
    /// Those that one end has closed, by the order of that.
    closing: BTreeMap<u64, Key>,
    closed: u64,
}

#[derive(Debug)]
pub(super) struct Live {
    destination: u16,
    address: Option<String>,
    opened_ms: u64,
    to_node: u64,
    from_node: u64,
    client_finished: bool,
    node_finished: bool,
    closed: Option<Closed>,
}

/// Says that one end has closed a connection for both.
#[derive(Debug)]
struct Closed {
    order: u64,
    at_ms: u64,
}

impl Table {
    pub(super) fn open(&mut self, key: Key, destination: u16, at_ms: u64) {
        let live = Live {
            destination,
            address: None,
            opened_ms: at_ms,
            to_node: 0,
            from_node: 0,
            client_finished: false,
            node_finished: false,
            closed: None,
        };
        self.live.insert(key, live);
    }

    pub(super) fn live(&mut self, key: Key) -> Option<&mut Live> {
        self.live.get_mut(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Notes that one end has closed a connection for both.
    pub(super) fn close(&mut self, key: Key, at_ms: u64) {
        if let Some(live) = self.live.get_mut(&key).filter(|live| !live.is_closing()) {
            let order = self.closed;
            self.closed += 1;
            live.closed = Some(Closed { order, at_ms });
            self.closing.insert(order, key);
        }
    }

    /// Ends the connection that has been closing for longest.
    pub(super) fn take_closing(&mut self) -> Option<Flow> {
        let (_, key) = self.closing.pop_first()?;
        let live = self.live.remove(&key)?;
        let at_ms = live.closed.as_ref().map_or(live.opened_ms, |closed| closed.at_ms);
        Some(live.into_flow(FlowOutcome::Ended, at_ms))
    }

    pub(super) fn end(&mut self, key: Key, outcome: &FlowOutcome, at_ms: u64) -> Option<Flow> {
        let live = self.live.remove(&key)?;
        if let Some(closed) = &live.closed {
            self.closing.remove(&closed.order);
        }
        Some(live.into_flow(outcome.clone(), at_ms))
    }

    /// Ends all that are left; what an end has closed is over.
    pub(super) fn into_flows(self, outcome: &FlowOutcome, at_ms: u64) -> impl Iterator<Item = Flow> {
        self.live.into_values().map(move |live| match &live.closed {
            Some(closed) => {
                let at_ms = closed.at_ms;
                live.into_flow(FlowOutcome::Ended, at_ms)
            }
            None => live.into_flow(outcome.clone(), at_ms),
        })
    }
}

impl Live {
    pub(super) fn count(&mut self, way: Way, length: usize) {
        match way {
            Way::ToNode => self.to_node += length as u64,
            Way::FromNode => self.from_node += length as u64,
        }
    }

    /// Notes what the node says it reached; the first time counts.
    pub(super) fn accepted(&mut self, address: &str) {
        self.address.get_or_insert_with(|| plain(address));
    }

    /// Notes that an end has finished; returns whether both have.
    pub(super) fn finished(&mut self, way: Way) -> bool {
        match way {
            Way::ToNode => self.client_finished = true,
            Way::FromNode => self.node_finished = true,
        }
        self.client_finished && self.node_finished
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.address.is_some()
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closed.is_some()
    }

    fn into_flow(self, outcome: FlowOutcome, ended_ms: u64) -> Flow {
        Flow {
            destination: self.destination,
            address: self.address.filter(|address| !address.is_empty()),
            opened_ms: self.opened_ms,
            ended_ms,
            to_node: self.to_node,
            from_node: self.from_node,
            outcome,
        }
    }
}
