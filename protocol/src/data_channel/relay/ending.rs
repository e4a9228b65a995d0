//! How a session ends.

use std::time::Duration;

use super::frames::Told;
use super::owner::Presence;
use super::recorder::Promise;
use super::stage::{Draining, Stage};
use super::{ConnectionId, Effect, EndCause, JournalRecord, Outcome, RelayCore};
use crate::Time;

impl RelayCore {
    /// Begins to end the session, unless it has begun already: the first cause counts.
    pub(super) fn begin_end(&mut self, cause: EndCause, output: String, exit_code: Option<i32>, now: Time) {
        self.begin_draining(
            Outcome {
                cause,
                output,
                exit_code,
            },
            false,
            now,
        );
    }

    /// Begins to end the session because the node said so behind its last output.
    pub(super) fn begin_end_in_order(&mut self, exit_code: Option<i32>, now: Time) {
        let outcome = Outcome {
            cause: EndCause::Finished,
            output: String::new(),
            exit_code,
        };
        self.begin_draining(outcome, true, now);
    }

    /// Goes on with an end that another relay began.
    pub(super) fn resume_end(&mut self, outcome: Outcome, now: Time) {
        self.begin_draining(outcome, true, now);
    }

    pub(super) fn output_lost(&mut self, now: Time) {
        let output = "The recording of this session cannot be read, so it was ended.";
        self.begin_end(EndCause::JournalFailed, output.to_owned(), None, now);
        self.give_up_draining(now);
    }

    pub(super) fn journal_failed(&mut self, reason: &str, now: Time) {
        let broken = self.recorder.fail();
        for promise in broken {
            self.break_promise(promise, now);
        }
        if !self.config.fail_open {
            let output = format!("The session cannot be recorded, so it was ended: {reason}");
            self.begin_end(EndCause::JournalFailed, output, None, now);
        }
    }

    fn begin_draining(&mut self, outcome: Outcome, in_order: bool, now: Time) {
        if !self.stage.is_live() {
            if let Stage::Draining(draining) = &mut self.stage {
                // The report over the control channel may overtake the one that knows the code.
                draining.outcome.exit_code = draining.outcome.exit_code.or(outcome.exit_code);
            }
            return;
        }
        let ended_by_node = matches!(outcome.cause, EndCause::Finished | EndCause::Failed);
        if !ended_by_node {
            self.tell_node(now);
        }
        // Of a tunnel the node still holds what no client has. After a crash it comes back with that, and with its word; so
        // the end is recorded when nothing of it is left.
        let record_now = !(in_order && self.acknowledges_on_delivery());
        if record_now {
            self.append(JournalRecord::Ending(outcome.clone()), Promise::Nothing, now);
        }
        let timers = &self.config.timers;
        self.stage = Stage::Draining(Draining {
            outcome,
            recorded: record_now,
            in_order,
            end: (!ended_by_node).then(|| self.intake.next()),
            since: now.monotonic,
            patience_until: now.monotonic + timers.drain_within,
            deadline: now.monotonic + timers.client_return_within + timers.drain_within * MOST_PATIENCE,
            cursor: self.owner.reader.cursor(),
        });
    }

    /// Goes on with an end that has begun.
    pub(super) fn advance_end(&mut self, now: Time) {
        self.renew_patience(now);
        let drained = matches!(&self.stage, Stage::Draining(draining) if self.is_drained(draining, now));
        if drained && self.end_is_recorded(now) {
            self.close_clients(now);
        }
        if let Stage::Lingering { deadline, .. } = &self.stage
            && (now.monotonic >= *deadline || self.node.conn().is_none())
        {
            self.over(now);
        }
    }

    /// Ends everything.
    pub(super) fn over(&mut self, now: Time) {
        if let Some(conn) = self.node.conn() {
            self.effects.push_back(Effect::CloseNode { conn });
        }
        if let Stage::Lingering { outcome, .. } = std::mem::replace(&mut self.stage, Stage::Over) {
            self.report_last_flows(&outcome, now);
            self.effects.push_back(Effect::Ended { outcome });
        }
    }

    /// Ends the session at the node, over both channels: either may be down.
    fn tell_node(&mut self, now: Time) {
        if self.ledger.facts.start_requested {
            self.effects.push_back(Effect::TerminateOnNode);
            self.close_node_session(now);
        }
    }

    fn close_node_session(&mut self, now: Time) {
        if let Some(conn) = self.node.conn() {
            let (node, session) = (&self.config.node_id, &self.config.session_id);
            let bytes = self.frames.channel_closed(node, session, Told::default(), now);
            self.effects.push_back(Effect::ToNode { conn, bytes });
        }
    }

    /// A client that keeps confirming, however slowly, gets everything.
    fn renew_patience(&mut self, now: Time) {
        let cursor = self.owner.reader.cursor();
        if let Stage::Draining(draining) = &mut self.stage
            && cursor > draining.cursor
        {
            draining.cursor = cursor;
            draining.patience_until = now.monotonic + self.config.timers.drain_within;
        }
    }

    /// Gives a client that has come back for the end as long as one that was there all the time.
    pub(super) fn wait_for_the_returned(&mut self, now: Time) {
        if let Stage::Draining(draining) = &mut self.stage {
            draining.patience_until = now.monotonic + self.config.timers.drain_within;
        }
    }

    /// Returns when nobody is waited for any longer.
    pub(super) fn gives_up_at(&self, draining: &Draining) -> Duration {
        let patience = match self.owner.presence {
            Presence::Gone { since: Some(since) } => {
                since.monotonic.max(draining.since) + self.return_for_end_within(&draining.outcome)
            }
            Presence::Gone { since: None } | Presence::Waiting { .. } | Presence::Here(_) => {
                draining.patience_until
            }
        };
        patience.min(draining.deadline)
    }

    /// Returns how long a client that is away may take to come back for an end.
    ///
    /// What ended by itself has last words and perhaps an exit code, which nobody could ask for again. Who had a session
    /// ended, or let it lie, waits for neither; nor does a plain client of a tunnel, which leaves without a word.
    fn return_for_end_within(&self, outcome: &Outcome) -> Duration {
        let timers = &self.config.timers;
        let has_more_to_say = matches!(outcome.cause, EndCause::Finished | EndCause::Failed);
        if has_more_to_say && (self.owner.says_goodbye || self.config.kind.is_recorded()) {
            timers.client_return_within
        } else {
            timers.drain_within
        }
    }

    fn is_drained(&self, draining: &Draining, now: Time) -> bool {
        if self.owner.link().is_some_and(|link| link.is_quiet(now)) {
            // Even the good-bye would kill AWS's plugin at this moment.
            return false;
        }
        if now.monotonic >= self.gives_up_at(draining) {
            return true;
        }
        // The report of an end takes another way than the output before it, unless it came in order. A node that has hung up
        // has been read to its last byte.
        let node_may_send_more = draining.end.is_none()
            && self.node.conn().is_some()
            && (!draining.in_order || self.intake.has_gaps() || self.intake.next() <= self.refused);
        let end = draining.end.unwrap_or_else(|| self.intake.next());
        let owner_has_all = match &self.owner.presence {
            Presence::Here(_) => self.owner.reader.cursor() >= end,
            Presence::Waiting { .. } | Presence::Gone { since: None } => true,
            Presence::Gone { since: Some(_) } if self.owner.said_goodbye => true,
            // It may be about to resume, and would be told that there is nothing left.
            Presence::Gone { since: Some(_) } => {
                self.owner.reader.cursor() >= end && draining.outcome.exit_code.is_none()
            }
        };
        let watchers_have_all = self
            .watchers
            .values()
            .all(|watcher| watcher.reader.cursor() >= end);
        let recorded = self.recorder.is_synced() || self.recorder.has_failed();
        owner_has_all && watchers_have_all && recorded && !node_may_send_more
    }

    /// Says whether the end is on record; sees to it that it will be.
    fn end_is_recorded(&mut self, now: Time) -> bool {
        if let Stage::Draining(draining) = &mut self.stage
            && !std::mem::replace(&mut draining.recorded, true)
        {
            let outcome = draining.outcome.clone();
            self.append(JournalRecord::Ending(outcome), Promise::Nothing, now);
            return self.recorder.is_synced();
        }
        true
    }

    fn give_up_draining(&mut self, now: Time) {
        if let Stage::Draining(draining) = &mut self.stage {
            draining.deadline = now.monotonic;
        }
    }

    fn close_clients(&mut self, now: Time) {
        let Stage::Draining(draining) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        let outcome = draining.outcome;
        if let Some(link) = self.owner.leave(now) {
            self.close_client(link.conn, link.capabilities, &outcome, now);
        }
        for (conn, watcher) in std::mem::take(&mut self.watchers) {
            self.close_client(conn, watcher.link.capabilities, &outcome, now);
        }
        if self.config.node.is_some() {
            // Our agent waits for this before it hangs up, so that its last words cannot be lost with the connection.
            self.close_node_session(now);
        }
        let deadline = now.monotonic + self.config.timers.linger;
        self.stage = Stage::Lingering { outcome, deadline };
    }

    /// Returns who is connected as a client, for tests and for shutting down.
    pub fn client_connections(&self) -> Vec<ConnectionId> {
        let owner = self.owner.any_link().map(|link| link.conn);
        owner.into_iter().chain(self.watchers.keys().copied()).collect()
    }
}

/// Times the patience without progress after which even a client that confirms is given up.
const MOST_PATIENCE: u32 = 24;
