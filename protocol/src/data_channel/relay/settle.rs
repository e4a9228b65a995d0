//! What follows from whatever happened: everything that became possible is done, in one place and one order.

use std::time::Duration;

use super::link::Surroundings;
use super::owner::Presence;
use super::recorder::Promise;
use super::stage::Stage;
use super::{Effect, EndCause, Facts, JournalRecord, Positions, RelayCore, RelayState};
use crate::Time;

/// Keeps the positions that a crash must not lose, and what of them is on record.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) facts: Facts,
    /// Positions in the last record.
    recorded: Positions,
    /// Whether that record is not durable yet: one at a time, so that a busy session writes one per group commit.
    in_flight: bool,
    /// When positions that nobody waits for are recorded all the same.
    due_at: Option<Duration>,
    /// Whether an output frame was just appended, so that a record of positions costs no sync of its own.
    pub(super) output_appended: bool,
}

impl Ledger {
    pub(super) fn recovered(positions: Positions) -> Ledger {
        Ledger {
            facts: positions.facts,
            recorded: positions,
            ..Ledger::default()
        }
    }
}

impl RelayCore {
    pub(super) fn settle(&mut self, now: Time) {
        self.now = now;
        self.drop_dead_clients(now);
        self.check_deadlines(now);
        self.record_positions(now);
        self.feed_node(now);
        self.deliver(now);
        self.hold_node_output(now);
        self.forget_output();
        self.report_flows(now);
        self.advance_end(now);
        self.note_state();
    }

    /// Does what had to wait for an append.
    pub(super) fn keep_promise(&mut self, promise: Promise, now: Time) {
        match promise {
            Promise::Output(frame) => {
                self.store
                    .mark_durable(frame.sequence, self.config.limits.tail_bytes);
                self.intake.promise(frame);
            }
            Promise::Owner => self.owner_is_durable(now),
            Promise::Positions(positions) => self.positions_are_durable(positions, now),
            Promise::Nothing => {}
        }
    }

    /// Does what can be done although an append will never be durable.
    pub(super) fn break_promise(&mut self, promise: Promise, now: Time) {
        match promise {
            // The node keeps it until a client has it.
            Promise::Output(_) | Promise::Nothing => {}
            Promise::Owner | Promise::Positions(_) => self.keep_promise(promise, now),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        if self.stage.is_over() {
            return None;
        }
        let timers = &self.config.timers;
        let owner = self
            .owner
            .link()
            .and_then(|link| link.poll_timeout(&self.owner.reader, timers, self.now));
        let watchers = self.watchers.values();
        let watchers =
            watchers.filter_map(|watcher| watcher.link.poll_timeout(&watcher.reader, timers, self.now));
        let input = self.input.resend_at().filter(|_| self.feeds_input());
        [
            owner,
            input,
            self.node.input_gate(self.now.monotonic),
            self.ledger.due_at.filter(|_| !self.ledger.in_flight),
            self.stage_deadline(),
            self.node_deadline(),
            self.client_deadline(),
            self.flow_log.due_at(),
        ]
        .into_iter()
        .flatten()
        .chain(watchers)
        .min()
    }

    fn drop_dead_clients(&mut self, now: Time) {
        let timers = self.config.timers;
        let unread = self.client_input_paused();
        if let Presence::Here(link) = &mut self.owner.presence {
            if unread {
                // Its pongs stand behind input that nobody reads.
                link.heard(now);
            } else if link.is_dead(&timers, now) {
                self.effects.push_back(Effect::CloseClient { conn: link.conn });
                self.owner.leave(now);
            }
        }
        let effects = &mut self.effects;
        self.watchers.retain(|conn, watcher| {
            let dead = watcher.link.is_dead(&timers, now);
            if dead {
                effects.push_back(Effect::CloseClient { conn: *conn });
            }
            !dead
        });
    }

    fn check_deadlines(&mut self, now: Time) {
        let reached = |deadline: Option<Duration>| deadline.is_some_and(|at| now.monotonic >= at);
        match self.stage {
            Stage::AwaitingClient { deadline } if reached(Some(deadline)) => {
                self.begin_end(EndCause::NoClient, String::new(), None, now);
            }
            Stage::Starting { deadline, .. } if reached(Some(deadline)) => {
                let output = "The managed node did not start the session.".to_owned();
                self.begin_end(EndCause::StartTimeout, output, None, now);
            }
            Stage::Starting {
                deadline,
                ask_again_at,
            } if reached(Some(ask_again_at)) => {
                let ask_again_at = now.monotonic + self.config.timers.start_again_every;
                self.stage = Stage::Starting {
                    deadline,
                    ask_again_at,
                };
                self.ask_node_to_start();
            }
            _ => self.check_time_limits(now),
        }
        if reached(self.node_deadline()) {
            let output = "The managed node is gone.".to_owned();
            self.begin_end(EndCause::NodeLost, output, None, now);
        }
        if reached(self.client_deadline()) {
            self.begin_end(EndCause::ClientLost, String::new(), None, now);
        }
    }

    /// Records how far the session has come, where that is not on record and somebody waits for it or it is cheap.
    fn record_positions(&mut self, now: Time) {
        self.ledger.facts.handler_ready = self.owner.reader.is_handler_ready();
        let positions = Positions {
            cursor: self.owner.reader.cursor(),
            input: self.input.acknowledged(),
            input_reserved: self.input.reserve(),
            answer: self.answer,
            facts: self.ledger.facts,
        };
        let output_appended = std::mem::take(&mut self.ledger.output_appended);
        let recorded = self.ledger.recorded;
        if positions == recorded || self.ledger.in_flight {
            return;
        }
        let is_urgent = positions.input_reserved != recorded.input_reserved
            || positions.answer != recorded.answer
            || positions.facts != recorded.facts
            || output_appended;
        let an_end_waits = positions.input != recorded.input
            || (positions.cursor != recorded.cursor && self.acknowledges_on_delivery());
        let timers = &self.config.timers;
        let within = match (is_urgent, an_end_waits) {
            (true, _) => Duration::ZERO,
            (false, true) => timers.acknowledge_within,
            (false, false) => timers.positions_every,
        };
        let due_at = (now.monotonic + within).min(self.ledger.due_at.unwrap_or(Duration::MAX));
        self.ledger.due_at = Some(due_at);
        if now.monotonic < due_at {
            return;
        }
        self.ledger.recorded = positions;
        self.ledger.in_flight = true;
        self.ledger.due_at = None;
        self.append(
            JournalRecord::Positions(positions),
            Promise::Positions(positions),
            now,
        );
    }

    fn positions_are_durable(&mut self, positions: Positions, now: Time) {
        self.ledger.in_flight = false;
        self.input.reserved_through(positions.input_reserved);
        let base = self.owner.input_base();
        while let Some(mut frame) = self.input.poll_released(positions.input) {
            // Frames below the base were another owner's.
            if frame.sequence >= base
                && let Presence::Here(link) = &mut self.owner.presence
            {
                frame.sequence -= base;
                link.acknowledge(frame, now);
            }
        }
        if self.acknowledges_on_delivery() {
            while let Some(frame) = self.store.take_delivered(positions.cursor) {
                self.intake.promise(frame);
            }
        }
    }

    fn feed_node(&mut self, now: Time) {
        let Some(conn) = self.node.conn() else { return };
        let cumulative = self.node_takes_cumulative();
        while let Some(bytes) = self.intake.poll_acknowledge(cumulative, &mut self.frames, now) {
            self.node.sent();
            self.effects.push_back(Effect::ToNode { conn, bytes });
        }
        let only_handshake = self.node.is_input_gated(now.monotonic);
        if self.feeds_input()
            && let Some(bytes) = self.input.resend_oldest(now.monotonic)
        {
            self.node.sent();
            self.effects.push_back(Effect::ToNode { conn, bytes });
        }
        while self.stage.is_live()
            && let Some(bytes) = self.input.poll_transmit(only_handshake, now.monotonic)
        {
            self.node.sent();
            self.effects.push_back(Effect::ToNode { conn, bytes });
        }
    }

    fn deliver(&mut self, now: Time) {
        let around = Surroundings {
            store: &self.store,
            end: self.intake.next(),
            limits: &self.config.limits,
            timers: &self.config.timers,
            multiplexed: self.config.kind.is_multiplexed(),
            answer_is_unacknowledged: self.answer.is_some_and(|answer| answer >= self.input.released()),
        };
        let (frames, effects) = (&mut self.frames, &mut self.effects);
        let mut owner_lost = false;
        if let Presence::Here(link) = &mut self.owner.presence {
            owner_lost = link
                .deliver(&mut self.owner.reader, &around, frames, now, effects)
                .is_err();
        }
        let mut lost = Vec::new();
        for (conn, watcher) in &mut self.watchers {
            if watcher
                .link
                .deliver(&mut watcher.reader, &around, frames, now, effects)
                .is_err()
            {
                lost.push(*conn);
            }
        }
        for conn in lost {
            self.drop_watcher(conn, "The recording of this session cannot be read.", now);
        }
        if owner_lost {
            self.output_lost(now);
        }
    }

    /// Holds the node's output while its client is too far behind.
    fn hold_node_output(&mut self, now: Time) {
        let limits = &self.config.limits;
        let attached = self.owner.is_here();
        let most = match (self.acknowledges_on_delivery(), attached) {
            (true, true) => limits.undelivered_bytes as u64 / 2,
            (true, false) => 0,
            (false, true) => limits.lag_bytes,
            (false, false) => limits.detached_bytes,
        };
        self.owner.reader.compare_with_end(self.intake.next());
        let lag = self.owner.reader.unconfirmed();
        let hold = match (attached, self.acknowledges_on_delivery()) {
            // A tunnel without a client has nowhere to put anything.
            (false, true) => true,
            _ if self.node.is_paused() => lag >= most / 2,
            _ => lag > most,
        };
        self.node.hold_output(hold && self.stage.is_live());
        if let Some(conn) = self.node.take_start_due() {
            let bytes = self.frames.start_publication(now);
            self.effects.push_back(Effect::ToNode { conn, bytes });
        }
        if let Some(conn) = self.node.take_pause_due() {
            let bytes = self.frames.pause_publication(now);
            self.effects.push_back(Effect::ToNode { conn, bytes });
        }
    }

    /// Forgets output that can be read back and that nobody will want next.
    fn forget_output(&mut self) {
        let owner = self.owner.is_here().then(|| self.owner.reader.wanted());
        let watchers = self.watchers.values().map(|watcher| watcher.reader.wanted());
        let floor = watchers.chain(owner).min().unwrap_or(i64::MAX);
        self.store.forget_durable_below(floor);
    }

    fn note_state(&mut self) {
        let both = self.owner.is_here() && self.node.conn().is_some();
        let state = match (&self.stage, self.state) {
            (Stage::Draining(_) | Stage::Lingering(_) | Stage::Over, _) => RelayState::Terminating,
            _ if both => RelayState::Connected,
            (_, RelayState::Connecting) => RelayState::Connecting,
            _ => RelayState::Disconnected,
        };
        if state != self.state {
            self.state = state;
            if !self.stage.is_over() {
                self.effects.push_back(Effect::StateChanged(state));
            }
        }
    }

    /// Says whether input goes to the node at present.
    fn feeds_input(&self) -> bool {
        self.stage.is_live() && self.node.conn().is_some() && !self.node.is_input_gated(self.now.monotonic)
    }

    fn stage_deadline(&self) -> Option<Duration> {
        match &self.stage {
            Stage::AwaitingClient { deadline } => Some(*deadline),
            Stage::Lingering(lingering) => Some(lingering.deadline(self.node.conn().is_some())),
            Stage::Starting {
                deadline,
                ask_again_at,
            } => Some(*deadline.min(ask_again_at)),
            Stage::Running { .. } => self.next_time_limit(),
            Stage::Draining(draining) => {
                let quiet = self.owner.link().filter(|link| link.is_quiet(self.now));
                // The link's own deadline says when it is over.
                quiet.is_none().then(|| self.next_patience_end(draining))
            }
            Stage::Over => None,
        }
    }

    fn node_deadline(&self) -> Option<Duration> {
        let gone_since = self
            .node
            .gone_since
            .filter(|_| matches!(self.stage, Stage::Running { .. }))?;
        Some(gone_since + self.config.timers.node_return_within)
    }

    fn client_deadline(&self) -> Option<Duration> {
        match &self.owner.presence {
            Presence::Gone { since: Some(since) } if self.config.kind.is_port() && self.stage.is_live() => {
                let timers = &self.config.timers;
                let within = match self.config.kind.is_multiplexed() && self.owner.says_goodbye() {
                    true => timers.sleeping_client_return_within,
                    false => timers.client_return_within,
                };
                Some(since.monotonic + within)
            }
            _ => None,
        }
    }
}
