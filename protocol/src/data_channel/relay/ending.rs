//! How a session ends.

use std::time::Duration;

use super::frames::Told;
use super::owner::Presence;
use super::recorder::Promise;
use super::stage::{Draining, Lingering, Stage};
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
                draining.in_order |= in_order;
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
        let patience = self.return_for_end_within(&outcome);
        self.stage = Stage::Draining(Draining {
            outcome,
            recorded: record_now,
            in_order,
            end: (!ended_by_node).then(|| self.intake.next()),
            since: now.monotonic,
            others_until: now.monotonic + self.config.timers.drain_within,
            patience_until: now.monotonic + patience,
            deadline: self.most_patient_until(now),
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
        if let Stage::Lingering(lingering) = &self.stage
            && now.monotonic >= lingering.deadline(self.node.conn().is_some())
        {
            self.over(now);
        }
    }

    /// Waits no longer for the node to hang up, which has said that it is done.
    pub(super) fn node_is_done(&mut self, now: Time) {
        if let Stage::Lingering(lingering) = &mut self.stage {
            lingering.node_until = now.monotonic;
        }
    }

    /// Ends everything.
    fn over(&mut self, now: Time) {
        if let Some(conn) = self.node.conn() {
            self.effects.push_back(Effect::CloseNode { conn });
        }
        self.give_up_farewell();
        if let Stage::Lingering(Lingering { outcome, .. }) = std::mem::replace(&mut self.stage, Stage::Over) {
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
        if matches!(&self.stage, Stage::Draining(draining) if cursor > draining.cursor) {
            self.be_patient_anew(now);
        }
    }

    /// Gives a client that has come back for the end, or has taken some of it, as long as one that was there all the time.
    pub(super) fn be_patient_anew(&mut self, now: Time) {
        let Stage::Draining(draining) = &self.stage else {
            return;
        };
        let patience_until = now.monotonic + self.return_for_end_within(&draining.outcome);
        if let Stage::Draining(draining) = &mut self.stage {
            draining.cursor = self.owner.reader.cursor();
            draining.others_until = now.monotonic + self.config.timers.drain_within;
            draining.patience_until = patience_until;
        }
    }

    /// Returns when an end that begins now is over whatever its client does.
    pub(super) fn most_patient_until(&self, now: Time) -> Duration {
        let timers = &self.config.timers;
        now.monotonic + timers.client_return_within + timers.drain_within * MOST_PATIENCE
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

    /// Returns when the next of those who are waited for is given up.
    pub(super) fn next_patience_end(&self, draining: &Draining) -> Duration {
        [Some(draining.others_until), self.node_awaited_until(draining)]
            .into_iter()
            .flatten()
            .filter(|at| *at > self.now.monotonic)
            .chain([self.gives_up_at(draining)])
            .min()
            .unwrap_or(draining.deadline)
    }

    /// Returns how long a client may take to come back for an end, or to take it: one that is silent may be away, too, and
    /// nobody knows yet.
    ///
    /// What ended by itself has last words and perhaps an exit code, which nobody could ask for again. Who had a session
    /// ended, or let it lie, waits for neither; nor does a plain client of a tunnel, which leaves without a word.
    pub(super) fn return_for_end_within(&self, outcome: &Outcome) -> Duration {
        let timers = &self.config.timers;
        let has_more_to_say = matches!(outcome.cause, EndCause::Finished | EndCause::Failed);
        if has_more_to_say && (self.owner.says_goodbye() || self.config.kind.is_recorded()) {
            timers.client_return_within
        } else {
            timers.drain_within
        }
    }

    /// Returns how long the node is waited for, if it may have more to send.
    pub(super) fn node_awaited_until(&self, draining: &Draining) -> Option<Duration> {
        if draining.end.is_some() {
            return None;
        }
        if draining.in_order {
            // What arrived out of order, or found no room, is sent again: also by a node that has to connect anew first.
            let is_missing = self.intake.has_gaps() || self.intake.next() <= self.refused;
            let until = draining.since + self.config.timers.node_return_within;
            return is_missing.then_some(until);
        }
        // The report of an end takes another way than the output before it. A node that has hung up has been read to its last
        // byte.
        self.node.conn().map(|_here| draining.others_until)
    }

    fn is_drained(&self, draining: &Draining, now: Time) -> bool {
        if self.owner.link().is_some_and(|link| link.is_quiet(now)) {
            // Even the good-bye would kill AWS's plugin at this moment.
            return false;
        }
        if now.monotonic >= self.gives_up_at(draining) {
            return true;
        }
        let node_may_send_more = self
            .node_awaited_until(draining)
            .is_some_and(|until| now.monotonic < until);
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
        let watchers_have_all = now.monotonic >= draining.others_until
            || self
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
        let farewell = self.part_with_owner(&outcome, now);
        for (conn, watcher) in std::mem::take(&mut self.watchers) {
            self.close_client(conn, watcher.link.capabilities, &outcome, now);
        }
        if self.config.node.is_some() {
            // Our agent waits for this before it hangs up, so that its last words cannot be lost with the connection.
            self.close_node_session(now);
        }
        self.stage = Stage::Lingering(Lingering {
            outcome,
            node_until: now.monotonic + self.config.timers.linger,
            farewell,
        });
    }

    /// Returns who is connected as a client, for tests and for shutting down.
    pub fn client_connections(&self) -> Vec<ConnectionId> {
        let owner = self.owner.any_link().map(|link| link.conn);
        owner.into_iter().chain(self.watchers.keys().copied()).collect()
    }
}

/// Times the patience without progress after which even a client that confirms is given up.
const MOST_PATIENCE: u32 = 24;
