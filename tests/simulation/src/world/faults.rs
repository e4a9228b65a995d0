//! What goes wrong in a run.

use std::time::Duration;

use drawbridge_protocol::MessageIds;
use drawbridge_protocol::data_channel::relay::{ConnectionId, EndCause, RelayCore};

use super::server::PauseWatch;
use super::{Errand, Who, World};
use crate::node::Phase;
use crate::scenario::Cut;

impl World {
    pub(super) fn do_faults(&mut self) {
        while let Some((_, cut)) = self.cuts.pop_front_if(|(at, _)| *at <= self.now) {
            let conn = match cut {
                Cut::Node => self.node_conn,
                Cut::Client => self.owner().conn,
            };
            if let Some(conn) = conn {
                let relay_notices = Some(self.now + self.chance.millis(0..1500));
                self.cut(conn, relay_notices);
            }
        }
        if let Some((_, downtime)) = self.crashes.pop_front_if(|(at, _)| *at <= self.now) {
            self.crash(downtime);
        }
        if self.up_again_at.take_if(|at| *at <= self.now).is_some() {
            let ids = MessageIds::new(self.chance.seed());
            let recovered = self.journal.recover();
            self.trace(|| {
                format!(
                    "recover at {} {:?}",
                    recovered.next_output(),
                    recovered.positions()
                )
            });
            self.relay = Some(RelayCore::recover(self.config(), recovered, ids, self.time()));
            self.after_relay();
            // It is on record elsewhere that the session was to end.
            self.terminate_at = self.scenario.terminate_at;
        }
        if self.relay.is_some() && self.terminate_at.take_if(|at| *at <= self.now).is_some() {
            self.with_relay(|relay, now| relay.terminate(EndCause::Terminated, "Terminated.", now));
        }
    }

    pub(super) fn crash(&mut self, downtime: Duration) {
        self.trace(|| format!("crash for {downtime:?}"));
        if self.outcome.is_some() {
            return;
        }
        self.relay = None;
        self.told = None;
        self.pause_watch = PauseWatch::default();
        self.reads.clear();
        self.journal.crash();
        self.up_again_at = Some(self.now + downtime);
        let all: Vec<u64> = self.connections.keys().copied().collect();
        for conn in all {
            self.cut(conn, None);
        }
    }

    pub(super) fn cut(&mut self, conn: u64, relay_notices: Option<Duration>) {
        self.trace(|| format!("cut {conn}, relay notices at {relay_notices:?}"));
        let end_notices = self.now + self.chance.millis(0..100);
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        connection.relay_notices = relay_notices;
        if !connection.cut {
            connection.cut = true;
            connection.up.cut();
            connection.down.cut();
            connection.end_notices = Some(end_notices);
        }
    }

    pub(super) fn notice_cuts(&mut self) {
        let all: Vec<u64> = self.connections.keys().copied().collect();
        for conn in all {
            let Some(connection) = self.connections.get_mut(&conn) else {
                continue;
            };
            let who = connection.who;
            let by_relay = connection.relay_notices.take_if(|at| *at <= self.now).is_some();
            let by_end = connection.end_notices.take_if(|at| *at <= self.now).is_some();
            let gone =
                connection.cut && connection.end_notices.is_none() && connection.relay_notices.is_none();
            if gone {
                self.connections.remove(&conn);
            }
            if by_end {
                self.end_is_cut_off(conn, who);
            }
            if by_relay {
                let id = ConnectionId(conn);
                match who {
                    Who::Node => self.with_relay(|relay, now| relay.handle_node_disconnected(id, now)),
                    Who::Person(_) => self.with_relay(|relay, now| relay.handle_client_disconnected(id, now)),
                }
            }
        }
    }

    pub(super) fn end_is_cut_off(&mut self, conn: u64, who: Who) {
        let now = self.time();
        match who {
            Who::Node if self.node_conn == Some(conn) => {
                self.node_conn = None;
                self.node.disconnected(now);
                if self.node.phase != Phase::Finished {
                    self.node_dials_at = Some(self.now + self.chance.millis(1..300));
                }
            }
            Who::Person(index) if self.people[index].conn == Some(conn) => {
                let delay = self.chance.millis(1..600);
                let person = &mut self.people[index];
                person.conn = None;
                person.client.disconnected(now);
                match person.errand {
                    _ if person.client.closed.is_some() => {}
                    // Watchers do not come back: each of their connections is a reader of its own.
                    Errand::Watch(_) => person.client.closed = Some(("cut off".to_owned(), None)),
                    Errand::First | Errand::TakeOver(_) => person.dials_at = Some(self.now + delay),
                }
            }
            Who::Node | Who::Person(_) => {}
        }
    }
}
