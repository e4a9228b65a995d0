//! What is known of a tunnel's connections, on its way to the audit trail.
//!
//! Frames are looked at once each, where they come to stand in order: before they leave, so that nothing passes unseen. What
//! ends is reported in batches. Somebody who opens and closes connections all day long fills nobody's disk: beyond what a
//! session may list, connections are counted together.

use std::collections::VecDeque;
use std::time::Duration;

use super::frames::payload_type_of;
use super::{Effect, EndCause, Outcome, RelayCore, SessionKind};
use crate::Time;
use crate::port_mux::{Flow, FlowOutcome, Flows, Rest, Side};
use crate::wire::PAYLOAD_OFFSET;

/// Tells of connections of a tunnel that have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowReport {
    /// At most [`MOST_FLOWS`].
    pub flows: Vec<Flow>,
    /// What passed, since the last report, on connections that are not told apart.
    pub rest: Option<Rest>,
    /// Whether the session went on from another relay, so that what was there before is not in any report of this one.
    pub is_resumed: bool,
}

/// Connections in one report.
pub const MOST_FLOWS: usize = 64;

/// Keeps what is not yet reported.
#[derive(Debug)]
pub(super) struct FlowLog {
    /// `None` for a session that is no tunnel, and once everything is told.
    flows: Option<Flows>,
    is_resumed: bool,
    pending: VecDeque<Flow>,
    due_at: Option<Duration>,
    allowance: Allowance,
}

/// Says how many more connections may be listed one by one.
#[derive(Debug)]
struct Allowance {
    left: u64,
    since: Duration,
}

impl FlowLog {
    pub(super) fn new(kind: SessionKind, now: Time) -> FlowLog {
        let flows = kind.is_port().then(|| Flows::new(kind.is_multiplexed()));
        FlowLog::of(flows, false, now)
    }

    /// Goes on in the middle of a session.
    pub(super) fn resumed(kind: SessionKind, now: Time) -> FlowLog {
        let flows = kind
            .is_port()
            .then(|| Flows::resumed(kind.is_multiplexed(), now.epoch_ms));
        FlowLog::of(flows, true, now)
    }

    fn of(flows: Option<Flows>, is_resumed: bool, now: Time) -> FlowLog {
        FlowLog {
            flows,
            is_resumed,
            pending: VecDeque::new(),
            due_at: None,
            allowance: Allowance {
                left: LISTED_AT_ONCE,
                since: now.monotonic,
            },
        }
    }

    /// Returns when a report is due.
    pub(super) fn due_at(&self) -> Option<Duration> {
        self.due_at
    }

    fn is_watching(&self) -> bool {
        self.flows.is_some()
    }

    /// Looks at the next frame of one end, encoded.
    fn observe(&mut self, from: Side, frame: &[u8], now: Time) {
        if let (Some(flows), Some(payload)) = (&mut self.flows, frame.get(PAYLOAD_OFFSET..)) {
            flows.observe(from, payload_type_of(frame), payload, now.epoch_ms);
            self.collect(now);
        }
    }

    fn collect(&mut self, now: Time) {
        let Some(flows) = &mut self.flows else { return };
        while let Some(flow) = flows.poll_ended() {
            if !self.allowance.take(now) {
                flows.fold(&flow);
                continue;
            }
            self.pending.push_back(flow);
            self.due_at.get_or_insert(now.monotonic + REPORT_WITHIN);
        }
    }

    /// Reports what is due.
    fn report(&mut self, now: Time, effects: &mut VecDeque<Effect>) {
        while self.pending.len() >= MOST_FLOWS {
            self.report_some(effects);
        }
        if self.due_at.is_some_and(|at| now.monotonic >= at) {
            self.report_some(effects);
        }
    }

    /// Reports everything that is left; connections that are there get this outcome.
    fn finish(&mut self, outcome: &FlowOutcome, now: Time, effects: &mut VecDeque<Effect>) {
        if let Some(flows) = &mut self.flows {
            flows.finish(outcome, now.epoch_ms);
            self.collect(now);
        }
        while !self.pending.is_empty() {
            self.report_some(effects);
        }
        self.report_some(effects);
        self.flows = None;
    }

    fn report_some(&mut self, effects: &mut VecDeque<Effect>) {
        let count = self.pending.len().min(MOST_FLOWS);
        let flows: Vec<Flow> = self.pending.drain(..count).collect();
        if self.pending.is_empty() {
            self.due_at = None;
        }
        let rest = self.flows.as_mut().and_then(Flows::take_rest);
        if !flows.is_empty() || rest.is_some() {
            effects.push_back(Effect::Flows(FlowReport {
                flows,
                rest,
                is_resumed: self.is_resumed,
            }));
        }
    }
}

impl Allowance {
    fn take(&mut self, now: Time) -> bool {
        let periods = now.monotonic.saturating_sub(self.since).as_micros() / LISTED_EVERY.as_micros();
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.since = self.since.saturating_add(LISTED_EVERY.saturating_mul(periods));
        self.left = (self.left + u64::from(periods)).min(LISTED_AT_ONCE);
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

impl RelayCore {
    /// Looks at the output that has come to stand in order from `first` on.
    pub(super) fn watch_output(&mut self, first: i64, now: Time) {
        if self.flow_log.is_watching() {
            for sequence in first..self.intake.next() {
                // Of a tunnel every frame is in memory until its client has it.
                if let Some(frame) = self.store.frame(sequence) {
                    self.flow_log.observe(Side::Node, frame, now);
                }
            }
        }
    }

    /// Looks at the input that has come to stand in order from `first` on.
    pub(super) fn watch_input(&mut self, first: i64, now: Time) {
        if self.flow_log.is_watching() {
            for sequence in first..self.input.next() {
                if let Some(frame) = self.input.frame(sequence) {
                    self.flow_log.observe(Side::Client, frame, now);
                }
            }
        }
    }

    pub(super) fn report_flows(&mut self, now: Time) {
        self.flow_log.report(now, &mut self.effects);
    }

    /// Reports all that is left, because the session is over.
    pub(super) fn report_last_flows(&mut self, outcome: &Outcome, now: Time) {
        let left = match (self.config.kind, outcome.cause) {
            // The one connection is the session.
            (SessionKind::Port { multiplexed: false }, EndCause::Finished) => FlowOutcome::Ended,
            (SessionKind::Port { multiplexed: false }, EndCause::Failed) => {
                FlowOutcome::reset(&outcome.output)
            }
            _ => FlowOutcome::Open,
        };
        self.flow_log.finish(&left, now, &mut self.effects);
    }

    /// Reports all that is left, because this server lets go of the session, which goes on elsewhere.
    pub(super) fn report_interrupted_flows(&mut self, now: Time) {
        self.flow_log
            .finish(&FlowOutcome::Interrupted, now, &mut self.effects);
    }
}

/// Longest time from the end of a connection to its report.
const REPORT_WITHIN: Duration = Duration::from_secs(10);

/// Connections of one session that are listed one by one, however fast they come.
const LISTED_AT_ONCE: u64 = 16_384;

/// Period at which one more is.
const LISTED_EVERY: Duration = Duration::from_millis(10);
