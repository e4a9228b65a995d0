//! The server around the relay: its journal, its sockets, its control channel.

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::Time;
use drawbridge_protocol::data_channel::relay::{Effect, FlowReport, RelayCore, RelayState};
use drawbridge_protocol::payload::{TaskComplete, TaskStatus};
use drawbridge_protocol::wire::{Frame, MessageType};

use super::World;
use crate::node::Phase;
use crate::pipe::Message;
use crate::trace::show_effect;

/// Checks that a pause is always the last word to the node: everything else lets AWS's agent go on.
#[derive(Debug, Default)]
pub(super) struct PauseWatch {
    paused: bool,
    goes_on: bool,
}

impl PauseWatch {
    /// A reconnect ends a pause; whether it is still wanted, the relay says again.
    pub(super) fn node_connected(&mut self) {
        self.paused = false;
    }

    pub(super) fn is_broken(&self) -> bool {
        self.paused && self.goes_on
    }

    fn sent(&mut self, bytes: &Bytes) {
        let frame = Frame::decode(bytes.clone()).expect("the relay sends whole frames");
        match frame.message_type {
            MessageType::PausePublication => (self.paused, self.goes_on) = (true, false),
            MessageType::StartPublication => self.paused = false,
            MessageType::Acknowledge | MessageType::InputStreamData => self.goes_on = true,
            // An ending session pauses nobody.
            MessageType::ChannelClosed => self.paused = false,
            _ => {}
        }
    }
}

impl World {
    pub(super) fn run_server(&mut self) {
        if let Some(through) = self.journal.sync(self.now) {
            self.with_relay(|relay, now| relay.handle_durable(through, now));
        }
        let due: Vec<_> = self.reads.extract_if(.., |(at, ..)| *at <= self.now).collect();
        for (_, reader, frames) in due {
            self.with_relay(|relay, now| relay.handle_journal_read(reader, frames, now));
        }
        if self.report_at.is_some_and(|at| at <= self.now) {
            // The report is acknowledged once a crash cannot forget it; until then the agent repeats it.
            let acknowledged = self.outcome.is_some() || self.journal.knows_the_end();
            self.report_at = (!acknowledged).then(|| self.now + Duration::from_millis(1000));
            let complete = TaskComplete::new("session", "node", TaskStatus::Success, "");
            self.with_relay(|relay, now| relay.handle_task_complete(&complete, now));
        }
        let timeout = self.relay.as_ref().and_then(RelayCore::poll_timeout);
        if timeout.is_some_and(|at| at <= self.now) {
            self.with_relay(RelayCore::handle_timeout);
        }
    }

    pub(super) fn with_relay(&mut self, act: impl FnOnce(&mut RelayCore, Time)) {
        let now = self.time();
        if let Some(relay) = &mut self.relay {
            act(relay, now);
            self.after_relay();
        }
    }

    pub(super) fn after_relay(&mut self) {
        while let Some(effect) = self.relay.as_mut().and_then(RelayCore::poll_effect) {
            self.carry_out(effect);
        }
        if let Some(relay) = &self.relay {
            self.faults = relay.faults();
        }
    }

    pub(super) fn carry_out(&mut self, effect: Effect) {
        self.trace(|| format!("relay: {}", show_effect(&effect)));
        assert!(self.outcome.is_none(), "{effect:?} came after the end");
        match effect {
            Effect::ToClient { conn, bytes } => self.send_down(conn.0, Message::Binary(bytes)),
            Effect::ToNode { conn, bytes } => {
                self.pause_watch.sent(&bytes);
                self.send_down(conn.0, Message::Binary(bytes));
            }
            Effect::PingClient { conn, payload } => self.send_down(conn.0, Message::Ping(payload)),
            Effect::CloseClient { conn } | Effect::CloseNode { conn } => {
                if let Some(connection) = self.connections.get_mut(&conn.0) {
                    connection.closing = true;
                    if connection.down.next_at().is_none() {
                        self.cut(conn.0, None);
                    }
                }
            }
            Effect::Append { id, record, .. } => {
                self.journal.append(id, &record, self.now);
                self.appends += 1;
                if let Some((append, delay, downtime)) = self.scenario.crash_on_append
                    && append == self.appends
                {
                    self.crashes.push_front((self.now + delay, downtime));
                }
            }
            Effect::StateChanged(RelayState::Terminating) => self.pause_watch = PauseWatch::default(),
            Effect::ReadJournal {
                reader,
                from_sequence,
                max_bytes,
            } => {
                let frames = self.journal.read(from_sequence, max_bytes);
                self.reads
                    .push((self.now + self.chance.millis(0..10), reader, frames));
            }
            Effect::StartOnNode => {
                if self.node_conn.is_none() && self.node.printed.is_empty() {
                    self.node_dials_at
                        .get_or_insert(self.now + Duration::from_millis(20));
                }
            }
            Effect::TerminateOnNode => self.node.phase = Phase::Finished,
            Effect::StateChanged(_) => {}
            Effect::Flows(report) => self.hear_of_flows(&report),
            Effect::Ended { outcome } => self.outcome = Some(outcome),
        }
    }

    fn hear_of_flows(&mut self, report: &FlowReport) {
        if let Some([to_node, from_node]) = &mut self.told {
            *to_node += report.flows.iter().map(|flow| flow.to_node).sum::<u64>();
            *from_node += report.flows.iter().map(|flow| flow.from_node).sum::<u64>();
            *to_node += report.rest.map_or(0, |rest| rest.to_node);
            *from_node += report.rest.map_or(0, |rest| rest.from_node);
        }
    }
}
