//! Connections, and what passes them.

use drawbridge_protocol::data_channel::relay::{
    AttachKind, ClientAttachment, ConnectionId, WatcherAttachment,
};

use super::{Connection, Errand, Who, World};
use crate::pipe::{Message, Path, Pipe};
use crate::trace::show;

impl World {
    pub(super) fn do_dials(&mut self) {
        for index in 0..self.people.len() {
            if self.people[index]
                .dials_at
                .take_if(|at| *at <= self.now)
                .is_none()
            {
                continue;
            }
            if self.outcome.is_some() {
                // Like a ResumeSession without a token.
                self.people[index].client.closed = Some(("timed out".to_owned(), None));
                continue;
            }
            let conn = self.connect(Who::Person(index), self.scenario.client_path);
            let now = self.time();
            let person = &mut self.people[index];
            person.conn = Some(conn);
            person.client.connected(now);
        }
        if self.node_dials_at.take_if(|at| *at <= self.now).is_some() && self.outcome.is_none() {
            let conn = self.connect(Who::Node, self.scenario.node_path);
            self.node_conn = Some(conn);
            self.node.connected(self.time());
        }
    }

    pub(super) fn connect(&mut self, who: Who, path: Path) -> u64 {
        let conn = self.next_connection;
        self.next_connection += 1;
        let up_path = Path {
            bytes_per_second: None,
            ..path
        };
        let connection = Connection {
            who,
            up: Pipe::new(up_path, self.chance.fork()),
            down: Pipe::new(path, self.chance.fork()),
            cut: false,
            closing: false,
            end_notices: None,
            relay_notices: None,
        };
        self.connections.insert(conn, connection);
        conn
    }

    pub(super) fn reads_from(&self, who: Who) -> bool {
        let Some(relay) = &self.relay else { return true };
        match who {
            Who::Node => !relay.node_output_paused(),
            Who::Person(index) => self.is_watcher(index) || !relay.client_input_paused(),
        }
    }

    pub(super) fn move_messages(&mut self) {
        let all: Vec<u64> = self.connections.keys().copied().collect();
        for conn in all {
            while let Some(message) = self.take_up(conn) {
                self.arrive_at_server(conn, message);
            }
            while let Some(connection) = self.connections.get_mut(&conn)
                && let Some(message) = connection.down.receive(self.now)
            {
                let who = connection.who;
                self.arrive_at_end(conn, who, message);
            }
            if let Some(connection) = self.connections.get_mut(&conn)
                && connection.closing
                && !connection.cut
                && connection.down.next_at().is_none()
            {
                self.cut(conn, None);
            }
        }
    }

    pub(super) fn take_up(&mut self, conn: u64) -> Option<Message> {
        let who = self.connections.get(&conn)?.who;
        if !self.reads_from(who) {
            return None;
        }
        self.connections.get_mut(&conn)?.up.receive(self.now)
    }

    pub(super) fn arrive_at_server(&mut self, conn: u64, message: Message) {
        let id = ConnectionId(conn);
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let who = connection.who;
        self.trace(|| format!("{who:?} over {conn} -> relay: {}", show(&message)));
        if self.relay.is_none() || self.outcome.is_some() {
            return self.cut(conn, None);
        }
        match (message, who) {
            (Message::Text, Who::Node) => {
                self.pause_watch.node_connected();
                self.with_relay(|relay, now| relay.handle_node_connected(id, now));
            }
            (Message::Text, Who::Person(index)) => self.introduce(id, index),
            (Message::Binary(bytes), Who::Node) => {
                self.with_relay(|relay, now| relay.handle_node_message(id, bytes, now));
            }
            (Message::Binary(bytes), Who::Person(_)) => {
                self.with_relay(|relay, now| relay.handle_client_message(id, bytes, now));
            }
            (Message::Pong(payload), Who::Person(_)) => {
                self.with_relay(|relay, now| relay.handle_client_pong(id, payload, now));
            }
            (Message::Pong(_), Who::Node) => {}
            (Message::Ping(payload), _) => self.send_down(conn, Message::Pong(payload)),
        }
    }

    pub(super) fn introduce(&mut self, conn: ConnectionId, index: usize) {
        let person = &self.people[index];
        let capabilities = person.client.capabilities();
        let kind = match person.errand {
            Errand::Watch(from) => {
                let watcher = WatcherAttachment {
                    conn,
                    capabilities,
                    from,
                };
                self.with_relay(|relay, now| relay.handle_watcher_connected(watcher, now));
                return self.note_admission(conn, index);
            }
            Errand::First if !person.welcome => AttachKind::Start,
            Errand::TakeOver(from) if !person.welcome => AttachKind::Attach { from },
            Errand::First | Errand::TakeOver(_) => AttachKind::Resume,
        };
        let client_id = person.client.id.to_string();
        let client = ClientAttachment {
            conn,
            kind,
            capabilities,
            client_id,
        };
        self.with_relay(|relay, now| relay.handle_client_connected(client, now));
        self.note_admission(conn, index);
    }

    pub(super) fn note_admission(&mut self, conn: ConnectionId, index: usize) {
        let relay = self.relay.as_ref();
        self.people[index].admitted |= relay.is_some_and(|relay| relay.client_connections().contains(&conn));
    }

    pub(super) fn arrive_at_end(&mut self, conn: u64, who: Who, message: Message) {
        self.trace(|| format!("{who:?} over {conn} receives {}", show(&message)));
        let now = self.time();
        match who {
            Who::Node if self.node_conn == Some(conn) => self.node.received(message, now),
            Who::Person(index) if self.people[index].conn == Some(conn) => {
                let person = &mut self.people[index];
                person.welcome |= matches!(message, Message::Binary(_));
                if let Some(answer) = person.client.received(message, now)
                    && let Some(connection) = self.connections.get_mut(&conn)
                {
                    connection.up.send(answer, self.now);
                }
            }
            Who::Node | Who::Person(_) => {}
        }
    }

    pub(super) fn send_down(&mut self, conn: u64, message: Message) {
        if let Some(connection) = self.connections.get_mut(&conn)
            && !connection.cut
        {
            connection.down.send(message, self.now);
        }
    }
}
