//! How clients and watchers come and go.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::frames::Told;
use super::link::ClientLink;
use super::owner::Presence;
use super::reader::Reader;
use super::recorder::Promise;
use super::stage::Stage;
use super::{
    AttachKind, ClientAttachment, ConnectionId, Effect, JournalFrame, JournalRecord, Outcome, Owner,
    Position, RelayCore, SessionKind, WatcherAttachment,
};
use crate::{Capabilities, DEFAULT_MAX_PAYLOAD, Hello, Role, Time};

/// Is a client that only looks.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) link: ClientLink,
    pub(super) reader: Reader,
}

impl RelayCore {
    pub(super) fn client_connected(&mut self, client: ClientAttachment, now: Time) {
        if self.tell_again(&client, now) {
            return;
        }
        if let Stage::Lingering(lingering) = &self.stage {
            let outcome = lingering.outcome.clone();
            self.close_client(client.conn, client.capabilities, &outcome, now);
            return;
        }
        let known = self
            .owner
            .identity
            .as_ref()
            .map(|owner| owner.client_id == client.client_id);
        match (client.kind, known) {
            (_, Some(true)) => self.owner_returns(&client, now),
            (AttachKind::Start | AttachKind::Resume, None) => self.first_owner(&client, now),
            (AttachKind::Start | AttachKind::Resume, Some(false)) => {
                self.turn_away(client.conn, "The session was taken over by another client.", now);
            }
            (AttachKind::Attach { .. }, _) if self.config.kind.is_port() => {
                self.turn_away(client.conn, "A tunnel cannot be taken over.", now);
            }
            (AttachKind::Attach { .. }, _)
                if self.config.encrypted && !self.ledger.facts.handshake_complete =>
            {
                // Only the client that made the data key can prove to the node that it has it.
                self.turn_away(client.conn, "The session is not encrypted yet.", now);
            }
            (AttachKind::Attach { .. }, _) if !self.stage.is_live() => {
                self.turn_away(client.conn, "The session is ending.", now);
            }
            (AttachKind::Attach { from }, _) => self.take_over(client, from, now),
        }
    }

    pub(super) fn watcher_connected(&mut self, watcher: WatcherAttachment, now: Time) {
        if self.config.kind.is_port() {
            return self.turn_away(watcher.conn, "A tunnel cannot be watched.", now);
        }
        if self.watchers.len() >= self.config.limits.watchers {
            return self.turn_away(watcher.conn, "Too many clients watch this session.", now);
        }
        if let Stage::Lingering(lingering) = &self.stage {
            let outcome = lingering.outcome.clone();
            return self.close_client(watcher.conn, watcher.capabilities, &outcome, now);
        }
        let base = self.place(watcher.from);
        let mut reader = Reader::new(base, 0);
        reader.connected(watcher.capabilities.is_some());
        let link = ClientLink::new(
            watcher.conn,
            watcher.capabilities,
            self.assume_handler_at(now),
            now,
        );
        self.greet(&link, Role::Watcher, now);
        self.watchers.insert(watcher.conn, Watcher { link, reader });
    }

    pub(super) fn client_message(&mut self, conn: ConnectionId, message: Bytes, now: Time) {
        if self.confirm_end(conn, &message) {
            return;
        }
        if self.watchers.contains_key(&conn) {
            return self.watcher_message(conn, &message, now);
        }
        match &mut self.owner.presence {
            Presence::Here(link) if link.conn == conn => {
                link.heard(now);
                self.owner_message(message, now);
            }
            Presence::Waiting { link, messages } if link.conn == conn => {
                link.heard(now);
                if messages.len() < MOST_WAITING {
                    messages.push_back(message);
                }
            }
            Presence::Here(_) | Presence::Waiting { .. } | Presence::Gone { .. } => {
                self.faults.stale_connection += 1;
            }
        }
    }

    pub(super) fn client_pong(&mut self, conn: ConnectionId, payload: &[u8], now: Time) {
        if let Some(watcher) = self.watchers.get_mut(&conn) {
            watcher.link.ponged(&mut watcher.reader, payload, now);
        } else if let Presence::Here(link) = &mut self.owner.presence
            && link.conn == conn
        {
            link.ponged(&mut self.owner.reader, payload, now);
        }
    }

    pub(super) fn client_disconnected(&mut self, conn: ConnectionId, now: Time) {
        if self.watchers.remove(&conn).is_none()
            && self.owner.any_link().is_some_and(|link| link.conn == conn)
        {
            self.owner.leave(now);
        }
        self.farewell_disconnected(conn, now);
    }

    pub(super) fn journal_read(&mut self, reader: ConnectionId, frames: Vec<JournalFrame>, now: Time) {
        if let Some(watcher) = self.watchers.get_mut(&reader) {
            if !watcher.reader.read_back(frames) {
                self.drop_watcher(reader, "The recording of this session cannot be read.", now);
            }
        } else if self.owner.link().is_some_and(|link| link.conn == reader)
            && !self.owner.reader.read_back(frames)
        {
            self.output_lost(now);
        }
    }

    /// Lets a new owner begin, now that a crash would not confuse it with the one before.
    pub(super) fn owner_is_durable(&mut self, now: Time) {
        let gone = Presence::Gone { since: Some(now) };
        match std::mem::replace(&mut self.owner.presence, gone) {
            Presence::Waiting { link, messages } => {
                self.welcome(link, now);
                for message in messages {
                    self.owner_message(message, now);
                }
            }
            other => self.owner.presence = other,
        }
    }

    pub(super) fn drop_watcher(&mut self, conn: ConnectionId, output: &str, now: Time) {
        if self.watchers.remove(&conn).is_some() {
            self.turn_away(conn, output, now);
        }
    }

    /// Tells a client how the session ended, as far as it understands.
    pub(super) fn close_client(
        &mut self,
        conn: ConnectionId,
        capabilities: Option<Capabilities>,
        outcome: &Outcome,
        now: Time,
    ) {
        let understands = capabilities.is_some_and(|capabilities| capabilities.exit_code);
        let told = Told {
            exit_code: outcome.exit_code.filter(|_| understands),
            node_failed: capabilities.is_some() && outcome.cause.is_the_nodes(),
            ..Told::everything(outcome)
        };
        self.say_goodbye(conn, told, now);
        self.effects.push_back(Effect::CloseClient { conn });
    }

    /// Tells a client that the session is over for it.
    pub(super) fn turn_away(&mut self, conn: ConnectionId, output: &str, now: Time) {
        let told = Told {
            output,
            ..Told::default()
        };
        self.say_goodbye(conn, told, now);
        self.effects.push_back(Effect::CloseClient { conn });
    }

    /// Only a `channel_closed` ends AWS's plugin in good order.
    pub(super) fn say_goodbye(&mut self, conn: ConnectionId, told: Told<'_>, now: Time) {
        let client = self.owner.identity.as_ref().map_or("", |owner| &owner.client_id);
        let session = &self.config.session_id;
        let bytes = self.frames.channel_closed(client, session, told, now);
        self.effects.push_back(Effect::ToClient { conn, bytes });
    }

    fn first_owner(&mut self, client: &ClientAttachment, now: Time) {
        let identity = Owner {
            client_id: client.client_id.clone(),
            input_base: 0,
            output_base: 0,
        };
        self.owner.identity = Some(identity.clone());
        // Nothing waits for this record: without it, whoever comes after a crash counts as the node counts, as this one does.
        self.append(JournalRecord::Owner(identity), Promise::Nothing, now);
        self.owner_returns(client, now);
    }

    fn owner_returns(&mut self, client: &ClientAttachment, now: Time) {
        let link = ClientLink::new(client.conn, client.capabilities, self.assume_handler_at(now), now);
        if let Some(old) = self.owner.any_link() {
            self.effects.push_back(Effect::CloseClient { conn: old.conn });
        }
        if let Presence::Waiting {
            link: waiting,
            messages,
        } = &mut self.owner.presence
        {
            // Its numbering is still not durable.
            *waiting = link;
            messages.clear();
            return;
        }
        self.welcome(link, now);
    }

    fn take_over(&mut self, client: ClientAttachment, from: Position, now: Time) {
        if let Some(old) = self.owner.leave(now) {
            self.turn_away(old.conn, "The session was taken over by another client.", now);
        }
        let numbers = self.input.take_over();
        let identity = Owner {
            client_id: client.client_id,
            input_base: numbers.end,
            output_base: self.place(from),
        };
        self.fill_input(numbers, now);
        let unconfirmed = match from {
            Position::Start => self.intake.total_bytes(),
            Position::Unconfirmed => self.owner.reader.unconfirmed(),
            Position::Live => 0,
        };
        self.owner.reader = Reader::new(identity.output_base, unconfirmed);
        self.owner.identity = Some(identity.clone());
        let link = ClientLink::new(client.conn, client.capabilities, self.assume_handler_at(now), now);
        self.owner.presence = Presence::Waiting {
            link,
            messages: VecDeque::new(),
        };
        self.append(JournalRecord::Owner(identity), Promise::Owner, now);
    }

    /// Returns where a client that comes without a past begins.
    ///
    /// At least the last frame is repeated where there is one: a client learns from its first frame that it is in a shell,
    /// and its user sees the prompt.
    fn place(&self, position: Position) -> i64 {
        let last = (self.intake.next() - 1).max(0);
        let place = match position {
            // Without a journal there is nothing to begin with but what the owner has not seen.
            Position::Start if !self.recorder.has_failed() => 0,
            Position::Start | Position::Unconfirmed => self.owner.reader.cursor().min(last),
            Position::Live => last,
        };
        // Nobody can begin in the middle of a handshake. What a second client answers to it does not reach the node.
        let in_handshake = self.ledger.facts.handshake_requested && !self.ledger.facts.handshake_complete;
        if in_handshake || place < self.handshake_end {
            0
        } else {
            place
        }
    }

    /// Starts delivery on a fresh connection of the owner.
    fn welcome(&mut self, mut link: ClientLink, now: Time) {
        self.owner.reader.connected(!link.is_plain());
        self.greet(&link, Role::Owner, now);
        let setting_up = self.ledger.facts.handshake_complete && !self.owner.reader.is_handler_ready();
        if self.config.kind.is_multiplexed() && link.is_plain() && setting_up {
            link.keep_quiet(now.monotonic + self.config.timers.quiet_after_handshake);
        }
        if link.is_plain() && self.owner.reader.is_handler_ready() {
            // Some clients keep input back on a new connection until they hear from the session, which may be waiting for that
            // very input. AWS's plugin ignores the message.
            let bytes = self.frames.start_publication(now);
            let conn = link.conn;
            self.effects.push_back(Effect::ToClient { conn, bytes });
        }
        self.owner.presence = Presence::Here(link);
        self.owner.said_goodbye = false;
        self.be_patient_anew(now);
        if let Stage::AwaitingClient { .. } = self.stage {
            self.request_start(now);
        }
    }

    /// Sends our hello, first on the connection, to a client that can read it.
    fn greet(&mut self, link: &ClientLink, role: Role, now: Time) {
        if link.is_plain() {
            return;
        }
        let node = self.config.node;
        let input_sequence = match role {
            Role::Owner => (self.input.released() - self.owner.input_base()).max(0),
            Role::Watcher => 0,
        };
        let max_payload = node.map_or(DEFAULT_MAX_PAYLOAD, |node| node.max_payload());
        let hello = Hello {
            capabilities: Capabilities {
                exit_code: self.config.server.exit_code && node.is_some_and(|node| node.exit_code),
                end_of_input: self.config.server.end_of_input
                    && node.is_some_and(|node| node.end_of_input)
                    && !self.ledger.facts.input_is_keys,
                tunnels: self.config.server.tunnels && node.is_some_and(|node| node.tunnels),
                signals: self.config.server.signals && node.is_some_and(|node| node.signals),
                commands: self.config.server.commands
                    && node.is_some_and(|node| node.knows_commands(self.config.encrypted)),
                sealed_commands: self.config.server.sealed_commands
                    && node.is_some_and(|node| node.sealed_commands),
                ..self.config.server
            },
            input_sequence,
            role,
            max_payload: u32::try_from(max_payload).unwrap_or(u32::MAX),
            command: self.config.command,
        };
        let bytes = self.frames.hello(&hello, now);
        self.effects.push_back(Effect::ToClient {
            conn: link.conn,
            bytes,
        });
    }

    fn request_start(&mut self, now: Time) {
        self.stage = self.starting(now);
        self.ledger.facts.start_requested = true;
        self.ask_node_to_start();
    }

    /// Asks the node, which is told what the input of its client is.
    pub(super) fn ask_node_to_start(&mut self) {
        if let Some(link) = self.owner.any_link() {
            self.ledger.facts.input_is_keys = !link.streams_input();
        }
        self.effects.push_back(Effect::StartOnNode);
    }

    /// Returns when a plain client's handler counts as ready although it has said nothing: never where the client may
    /// refuse output for as long as it likes, because nobody has connected to its end of the tunnel.
    fn assume_handler_at(&self, now: Time) -> Option<Duration> {
        let may_refuse = self.config.kind == SessionKind::Port { multiplexed: false };
        (!may_refuse).then(|| now.monotonic + self.config.timers.handler_patience)
    }
}

/// Messages kept while a new owner's numbering is not durable; a client sends the rest again.
const MOST_WAITING: usize = 256;
