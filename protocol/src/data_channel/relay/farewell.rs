//! The owner's word that it has heard of the end.
//!
//! A connection that breaks at the last moment takes the goodbye along, and with it the exit code. A client that confirms it
//! is told again when it comes back.

use std::time::Duration;

use bytes::Bytes;

use super::frames::Told;
use super::stage::Stage;
use super::{ClientAttachment, ConnectionId, Effect, Outcome, RelayCore};
use crate::Time;
use crate::wire::MessageType;

/// Waits for the owner's confirmation.
#[derive(Debug)]
pub(super) struct Farewell {
    /// Where the owner was told last, while that connection stands.
    conn: Option<ConnectionId>,
    /// When an owner that says nothing is given up.
    pub(super) until: Duration,
    /// When it is given up however often it comes back.
    last: Duration,
}

impl RelayCore {
    /// Tells the owner of the end, if it is there; returns what has to be waited for then.
    pub(super) fn part_with_owner(&mut self, outcome: &Outcome, now: Time) -> Option<Farewell> {
        let link = self.owner.leave(now)?;
        let confirms = link.capabilities.is_some_and(|can| can.confirms_end);
        if !confirms || self.owner.said_goodbye {
            self.close_client(link.conn, link.capabilities, outcome, now);
            return None;
        }
        self.ask_to_confirm(link.conn, outcome, now);
        Some(Farewell {
            conn: Some(link.conn),
            until: now.monotonic + self.return_for_end_within(outcome),
            last: self.most_patient_until(now),
        })
    }

    /// Tells an owner that comes back of the end once more; says whether the client is one that is waited for.
    pub(super) fn tell_again(&mut self, client: &ClientAttachment, now: Time) -> bool {
        let is_owner = self
            .owner
            .identity
            .as_ref()
            .is_some_and(|owner| owner.client_id == client.client_id);
        let confirms = client.capabilities.is_some_and(|can| can.confirms_end);
        let Some(outcome) = self.unconfirmed_end().filter(|_| is_owner && confirms) else {
            return false;
        };
        let until = now.monotonic + self.return_for_end_within(&outcome);
        if let Some(farewell) = self.farewell() {
            farewell.until = until.min(farewell.last);
            if let Some(old) = farewell.conn.replace(client.conn) {
                self.effects.push_back(Effect::CloseClient { conn: old });
            }
        }
        self.ask_to_confirm(client.conn, &outcome, now);
        true
    }

    /// Takes what a client says that was asked to confirm; says whether it is one.
    pub(super) fn confirm_end(&mut self, conn: ConnectionId, message: &Bytes) -> bool {
        if self.farewell().is_none_or(|farewell| farewell.conn != Some(conn)) {
            return false;
        }
        // What was on its way when the session ended means nothing any more.
        let frame = self.read_frame(message);
        if frame.is_some_and(|frame| frame.message_type == MessageType::ChannelClosed) {
            self.effects.push_back(Effect::CloseClient { conn });
            if let Stage::Lingering(lingering) = &mut self.stage {
                lingering.farewell = None;
            }
        }
        true
    }

    /// Waits for the owner's return, if it was its connection that broke.
    pub(super) fn farewell_disconnected(&mut self, conn: ConnectionId, now: Time) {
        let Some(outcome) = self.unconfirmed_end() else {
            return;
        };
        let until = now.monotonic + self.return_for_end_within(&outcome);
        if let Some(farewell) = self.farewell()
            && farewell.conn == Some(conn)
        {
            farewell.conn = None;
            farewell.until = until.min(farewell.last);
        }
    }

    /// Closes the connection of an owner that is waited for no longer.
    pub(super) fn give_up_farewell(&mut self) {
        if let Some(conn) = self.farewell().and_then(|farewell| farewell.conn.take()) {
            self.effects.push_back(Effect::CloseClient { conn });
        }
    }

    fn ask_to_confirm(&mut self, conn: ConnectionId, outcome: &Outcome, now: Time) {
        let told = Told {
            confirm: true,
            ..Told::everything(outcome)
        };
        self.say_goodbye(conn, told, now);
    }

    fn unconfirmed_end(&self) -> Option<Outcome> {
        match &self.stage {
            Stage::Lingering(lingering) if lingering.farewell.is_some() => Some(lingering.outcome.clone()),
            _ => None,
        }
    }

    fn farewell(&mut self) -> Option<&mut Farewell> {
        match &mut self.stage {
            Stage::Lingering(lingering) => lingering.farewell.as_mut(),
            _ => None,
        }
    }
}
