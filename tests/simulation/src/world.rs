//! The run.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::relay::{
    AttachKind, ClientAttachment, ConnectionId, Effect, EndCause, Faults, JournalFrame, JournalRecord,
    Outcome, Position, RelayConfig, RelayCore, SessionKind, WatcherAttachment,
};
use drawbridge_protocol::payload::{Acknowledge, SessionType, TaskComplete, TaskStatus};
use drawbridge_protocol::wire::{Frame, MessageType};
use drawbridge_protocol::{MessageIds, NodeExtension, Role, Time};

use crate::chance::Chance;
use crate::client::Client;
use crate::journal::MemoryJournal;
use crate::node::{EXIT_CODE, Node, Phase};
use crate::pipe::{Message, Path, Pipe};
use crate::scenario::{Cut, Scenario};

/// Tells how a run went that went well.
#[derive(Clone, Debug)]
pub struct Report {
    /// What happened in it.
    pub scenario: Scenario,
    /// How long it took on the virtual clock.
    pub lasted: Duration,
    /// Events handled.
    pub steps: u64,
    /// What the relay counted.
    pub faults: Faults,
}

/// Tells what went wrong in a run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Reproduces the run.
    pub seed: u64,
    /// Which promise was broken.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.reason)
    }
}

/// Runs one session as the seed decides.
///
/// # Errors
///
/// A promise was broken: bytes lost, doubled or out of order, a bound exceeded, or an end that never came.
///
/// # Panics
///
/// A model of AWS's programs panics when the relay does to it what would break the real program.
pub fn run(seed: u64) -> Result<Report, Failure> {
    let mut world = World::new(seed);
    world
        .play()
        .and_then(|()| world.verify())
        .map_err(|reason| Failure { seed, reason })?;
    Ok(Report {
        lasted: world.now,
        steps: world.steps,
        faults: world.faults,
        scenario: world.scenario,
    })
}

struct World {
    now: Duration,
    chance: Chance,
    scenario: Scenario,
    /// What is still to come of the scenario.
    cuts: VecDeque<(Duration, Cut)>,
    crashes: VecDeque<(Duration, Duration)>,
    terminate_at: Option<Duration>,
    relay: Option<RelayCore>,
    journal: MemoryJournal,
    people: Vec<Person>,
    node: Node,
    node_conn: Option<u64>,
    node_dials_at: Option<Duration>,
    node_has_reported: bool,
    /// When the node's report of its end reaches the server.
    report_at: Option<Duration>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    up_again_at: Option<Duration>,
    reads: Vec<(Duration, ConnectionId, Vec<JournalFrame>)>,
    outcome: Option<Outcome>,
    faults: Faults,
    steps: u64,
    /// Whether to print what happens, for whoever looks into a failing seed.
    trace: bool,
}

/// Is a client process and what it came for.
struct Person {
    client: Client,
    errand: Errand,
    conn: Option<u64>,
    dials_at: Option<Duration>,
    /// Whether the server has said anything to it.
    welcome: bool,
    /// Whether the relay ever took it in.
    admitted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    First,
    TakeOver(Position),
    Watch(Position),
}

struct Connection {
    who: Who,
    up: Pipe,
    down: Pipe,
    cut: bool,
    /// The server closes it once everything sent has arrived.
    closing: bool,
    /// When each side notices that it is gone.
    end_notices: Option<Duration>,
    relay_notices: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Person(usize),
    Node,
}

impl World {
    fn new(seed: u64) -> World {
        let mut chance = Chance::new(seed);
        let scenario = Scenario::draw(&mut chance);
        let multiplexed = scenario.kind.is_multiplexed();
        let mut people = Vec::new();
        let mut person = |errand, plugin, input: &VecDeque<_>, at| {
            let mark = people.len() as u8;
            let client = match plugin {
                true => Client::plugin(mark, input.clone(), multiplexed, chance.fork()),
                false => Client::ours(mark, input.clone(), chance.fork()),
            };
            people.push(Person {
                client,
                errand,
                conn: None,
                dials_at: Some(at),
                welcome: false,
                admitted: false,
            });
        };
        person(
            Errand::First,
            scenario.client_is_plugin,
            &scenario.input,
            Duration::ZERO,
        );
        if let Some((at, from, plugin)) = scenario.takeover {
            person(Errand::TakeOver(from), plugin, &scenario.second_input, at);
        }
        for (at, from, plugin) in &scenario.watchers {
            person(Errand::Watch(*from), *plugin, &[].into(), *at);
        }
        let session_type = match scenario.kind {
            SessionKind::Shell => SessionType::StandardStream,
            SessionKind::Command => SessionType::NonInteractiveCommands,
            SessionKind::Port { .. } => SessionType::Port,
        };
        let output = scenario.output.clone();
        let node = match scenario.node_is_agent {
            true => Node::agent(session_type, output, chance.fork()),
            false => {
                let extension = NodeExtension {
                    max_payload: 2048,
                    cumulative_ack: true,
                };
                Node::ours(session_type, output, extension, chance.fork())
            }
        };
        let mut world = World {
            now: Duration::ZERO,
            journal: MemoryJournal::new(scenario.sync_ms, chance.fork()),
            chance,
            cuts: scenario.cuts.clone().into(),
            crashes: scenario.crashes.clone().into(),
            terminate_at: scenario.terminate_at,
            relay: None,
            people,
            node,
            node_conn: None,
            node_dials_at: None,
            node_has_reported: false,
            report_at: None,
            connections: BTreeMap::new(),
            next_connection: 1,
            up_again_at: None,
            reads: Vec::new(),
            outcome: None,
            faults: Faults::default(),
            steps: 0,
            trace: std::env::var_os("DRAWBRIDGE_SIMULATION_TRACE").is_some(),
            scenario,
        };
        let ids = MessageIds::new(world.chance.seed());
        world.relay = Some(RelayCore::new(world.config(), ids, world.time()));
        world.after_relay();
        world
    }

    fn play(&mut self) -> Result<(), String> {
        let mut steps_now = 0;
        while !self.is_over() {
            let next = self.next_at().ok_or("nothing will ever happen again")?;
            if next > LONGEST {
                return Err(format!("still not over after {LONGEST:?}: {}", self.describe()));
            }
            steps_now = if next > self.now { 0 } else { steps_now + 1 };
            if steps_now > MOST_STEPS_AT_ONCE {
                return Err(format!("spins at {:?}: {}", self.now, self.describe()));
            }
            self.now = self.now.max(next);
            self.steps += 1;
            self.step();
            self.check_bounds()?;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let everybody_knows = self.people.iter().all(|person| person.client.closed.is_some());
        self.outcome.is_some() && everybody_knows
    }

    fn next_at(&self) -> Option<Duration> {
        let connections = self.connections.values().flat_map(|connection| {
            let open = !connection.cut;
            let stuck = open && !self.reads_from(connection.who);
            [
                connection.up.next_at().filter(|_| open && !stuck),
                connection.down.next_at().filter(|_| open),
                connection.end_notices,
                connection.relay_notices,
            ]
        });
        let people = self
            .people
            .iter()
            .flat_map(|person| [person.dials_at, person.client.next_at()]);
        let relay = self.relay.as_ref().and_then(RelayCore::poll_timeout);
        let own = [
            self.node_dials_at,
            self.report_at,
            self.node.next_at(),
            self.up_again_at,
            self.journal.next_at(),
            relay,
            self.cuts.front().map(|(at, _)| *at),
            self.crashes.front().map(|(at, _)| *at),
            self.terminate_at.filter(|_| self.relay.is_some()),
        ];
        let reads = self.reads.iter().map(|(at, ..)| Some(*at));
        own.into_iter()
            .chain(reads)
            .chain(people)
            .chain(connections)
            .flatten()
            .min()
    }

    fn step(&mut self) {
        self.do_faults();
        self.do_dials();
        self.move_messages();
        self.notice_cuts();
        self.run_ends();
        self.run_server();
    }

    fn do_faults(&mut self) {
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
        }
        if self.relay.is_some() && self.terminate_at.take_if(|at| *at <= self.now).is_some() {
            self.with_relay(|relay, now| relay.terminate(EndCause::Terminated, "Terminated.", now));
        }
    }

    fn crash(&mut self, downtime: Duration) {
        self.trace(|| format!("crash for {downtime:?}"));
        if self.outcome.is_some() {
            return;
        }
        self.relay = None;
        self.reads.clear();
        self.journal.crash();
        self.up_again_at = Some(self.now + downtime);
        let all: Vec<u64> = self.connections.keys().copied().collect();
        for conn in all {
            self.cut(conn, None);
        }
    }

    fn cut(&mut self, conn: u64, relay_notices: Option<Duration>) {
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

    fn do_dials(&mut self) {
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

    fn connect(&mut self, who: Who, path: Path) -> u64 {
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

    fn reads_from(&self, who: Who) -> bool {
        let Some(relay) = &self.relay else { return true };
        match who {
            Who::Node => !relay.node_output_paused(),
            Who::Person(index) => self.is_watcher(index) || !relay.client_input_paused(),
        }
    }

    fn move_messages(&mut self) {
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

    fn take_up(&mut self, conn: u64) -> Option<Message> {
        let who = self.connections.get(&conn)?.who;
        if !self.reads_from(who) {
            return None;
        }
        self.connections.get_mut(&conn)?.up.receive(self.now)
    }

    fn arrive_at_server(&mut self, conn: u64, message: Message) {
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
            (Message::Text, Who::Node) => self.with_relay(|relay, now| relay.handle_node_connected(id, now)),
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

    fn introduce(&mut self, conn: ConnectionId, index: usize) {
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

    fn note_admission(&mut self, conn: ConnectionId, index: usize) {
        let relay = self.relay.as_ref();
        self.people[index].admitted |= relay.is_some_and(|relay| relay.client_connections().contains(&conn));
    }

    fn arrive_at_end(&mut self, conn: u64, who: Who, message: Message) {
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

    fn notice_cuts(&mut self) {
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

    fn end_is_cut_off(&mut self, conn: u64, who: Who) {
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

    fn run_ends(&mut self) {
        let now = self.time();
        for person in &mut self.people {
            person.client.advance(now);
            if person.client.closed.is_some() {
                person.dials_at = None;
            }
            let connection = person.conn.and_then(|conn| self.connections.get_mut(&conn));
            if let Some(connection) = connection.filter(|connection| !connection.cut) {
                while let Some(message) = person.client.transmit(now) {
                    connection.up.send(message, self.now);
                }
            }
        }
        if self.program_is_done() {
            self.node.finish(now);
        }
        self.node.advance(now);
        let connection = self.node_conn.and_then(|conn| self.connections.get_mut(&conn));
        if let Some(connection) = connection.filter(|connection| !connection.cut) {
            while let Some(message) = self.node.transmit(now) {
                if self.trace {
                    eprintln!("{:>12.6} node sends {}", self.now.as_secs_f64(), show(&message));
                }
                connection.up.send(message, self.now);
            }
        }
        if self.node.phase == Phase::Finished && !std::mem::replace(&mut self.node_has_reported, true) {
            self.node_hangs_up();
        }
    }

    /// Closes the node's socket behind its last message, and reports the end on the control channel.
    fn node_hangs_up(&mut self) {
        self.node_dials_at = None;
        self.report_at = Some(self.now + self.chance.millis(0..200));
        let Some(conn) = self.node_conn.take() else {
            return;
        };
        self.node.disconnected(self.time());
        if let Some(connection) = self.connections.get_mut(&conn) {
            let last = connection.up.last_at().unwrap_or(self.now).max(self.now);
            connection
                .relay_notices
                .get_or_insert(last + Duration::from_millis(1));
        }
    }

    fn run_server(&mut self) {
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

    fn with_relay(&mut self, act: impl FnOnce(&mut RelayCore, Time)) {
        let now = self.time();
        if let Some(relay) = &mut self.relay {
            act(relay, now);
            self.after_relay();
        }
    }

    fn after_relay(&mut self) {
        while let Some(effect) = self.relay.as_mut().and_then(RelayCore::poll_effect) {
            self.carry_out(effect);
        }
        if let Some(relay) = &self.relay {
            self.faults = relay.faults();
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        self.trace(|| format!("relay: {}", show_effect(&effect)));
        assert!(self.outcome.is_none(), "{effect:?} came after the end");
        match effect {
            Effect::ToClient { conn, bytes } | Effect::ToNode { conn, bytes } => {
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
            Effect::Append { id, record, .. } => self.journal.append(id, &record, self.now),
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
            Effect::Ended { outcome } => self.outcome = Some(outcome),
        }
    }

    fn send_down(&mut self, conn: u64, message: Message) {
        if let Some(connection) = self.connections.get_mut(&conn)
            && !connection.cut
        {
            connection.down.send(message, self.now);
        }
    }

    /// Says whether the program on the node has nothing left to do.
    fn program_is_done(&self) -> bool {
        let owner = self.owner();
        let taken_over = self.scenario.takeover.is_none() || self.people[1].welcome;
        self.scenario.must_complete()
            && self.node.has_printed_all()
            && taken_over
            && owner.client.has_said_all()
    }

    /// Returns whoever owns the session, or will when it arrives.
    fn owner(&self) -> &Person {
        match self.scenario.takeover {
            Some((at, ..)) if at <= self.now => &self.people[1],
            _ => &self.people[0],
        }
    }

    fn is_watcher(&self, index: usize) -> bool {
        matches!(self.people[index].errand, Errand::Watch(_))
    }

    fn config(&self) -> RelayConfig {
        let mut config = RelayConfig::new("session", self.scenario.kind);
        config.node = self.node.capabilities();
        config.limits = self.scenario.limits;
        config
    }

    fn time(&self) -> Time {
        Time::new(self.now, 1_700_000_000_000 + self.now.as_millis() as u64)
    }

    fn check_bounds(&self) -> Result<(), String> {
        let Some(relay) = &self.relay else { return Ok(()) };
        let limits = &self.scenario.limits;
        let most = limits.unsynced_bytes * 2 + limits.tail_bytes + limits.input_bytes * 2;
        let most = most + limits.undelivered_bytes + 256 * 256;
        match relay.held_bytes() {
            held if held > most => Err(format!("the relay holds {held} bytes")),
            _ => Ok(()),
        }
    }

    fn verify(&self) -> Result<(), String> {
        let outcome = self.outcome.as_ref().ok_or("no outcome")?;
        let printed = &self.node.printed;
        for person in &self.people {
            let received = &person.client.received;
            let (is_owner, from) = match person.errand {
                Errand::First => (self.scenario.takeover.is_none(), Position::Start),
                Errand::TakeOver(from) => (true, from),
                Errand::Watch(from) => {
                    let ours = person.client.capabilities().is_some() && person.welcome;
                    if ours && person.client.role.is_some_and(|role| role != Role::Watcher) {
                        return Err("a watcher was told that it may type".to_owned());
                    }
                    (false, from)
                }
            };
            let told = person
                .client
                .closed
                .as_ref()
                .is_some_and(|(output, _)| output.is_empty());
            let watched_to_the_end = matches!(person.errand, Errand::Watch(_)) && told;
            let complete =
                (is_owner || watched_to_the_end) && self.scenario.must_complete() && person.admitted;
            verify_output(
                printed,
                received,
                from,
                complete && outcome.cause == EndCause::Finished,
            )?;
            if is_owner && complete && told {
                self.verify_exit_code(person)?;
            }
        }
        self.verify_lossless_takeover()?;
        self.verify_input()?;
        if self.scenario.must_complete() && outcome.cause != EndCause::Finished {
            return Err(format!("ended as {outcome:?}"));
        }
        Ok(())
    }

    fn verify_exit_code(&self, person: &Person) -> Result<(), String> {
        let ours = person.client.capabilities().is_some() && self.node.capabilities().is_some();
        let expected = ours.then_some(EXIT_CODE);
        match &person.client.closed {
            Some((_, exit_code)) if *exit_code == expected => Ok(()),
            other => Err(format!("the owner was told {other:?}")),
        }
    }

    /// Together, two owners see everything, if the second asked for it.
    fn verify_lossless_takeover(&self) -> Result<(), String> {
        let Some((_, Position::Unconfirmed, _)) = self.scenario.takeover else {
            return Ok(());
        };
        let seen = self.people[0].client.received.len() + self.people[1].client.received.len();
        let complete = self.scenario.must_complete() && self.people[1].admitted;
        match seen < self.node.printed.len() && complete {
            true => Err("output fell between two owners".to_owned()),
            false => Ok(()),
        }
    }

    /// What the node got is what the last owner typed, behind some of what the first one typed.
    fn verify_input(&self) -> Result<(), String> {
        let received = &self.node.received;
        let of_first = received.iter().take_while(|byte| **byte < 128).count();
        let first = &self.people[0].client.typed;
        let complete = self.scenario.must_complete();
        if first.get(..of_first) != Some(&received[..of_first]) {
            return Err(format!(
                "input of the first owner differs: {of_first} bytes of {}",
                first.len()
            ));
        }
        let second: &[u8] = match self.scenario.takeover {
            Some(_) => &self.people[1].client.typed,
            None if complete && of_first != first.len() => {
                return Err(format!("{of_first} of {} bytes of input arrived", first.len()));
            }
            None => &[],
        };
        let of_second = &received[of_first..];
        match second.starts_with(of_second) && (!complete || of_second.len() == second.len()) {
            true => Ok(()),
            false => Err(format!(
                "{} of {} bytes of the second owner arrived",
                of_second.len(),
                second.len()
            )),
        }
    }

    fn trace(&self, line: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12.6} {}", self.now.as_secs_f64(), line());
        }
    }

    fn describe(&self) -> String {
        let people: Vec<_> = self
            .people
            .iter()
            .map(|person| {
                format!(
                    "[received {} typed {} said all {} connected {} closed {:?}]",
                    person.client.received.len(),
                    person.client.typed.len(),
                    person.client.has_said_all(),
                    person.conn.is_some(),
                    person.client.closed
                )
            })
            .collect();
        format!(
            "printed {} (all {}), node {:?} received {}, outcome {:?}, {people:?}, next {:?}, relay next {:?}, {:?}",
            self.node.printed.len(),
            self.node.has_printed_all(),
            self.node.phase,
            self.node.received.len(),
            self.outcome,
            self.next_at(),
            self.relay.as_ref().and_then(RelayCore::poll_timeout),
            self.scenario,
        )
    }
}

fn show_effect(effect: &Effect) -> String {
    match effect {
        Effect::ToClient { conn, bytes } => format!("to client {}: {}", conn.0, show_frame(bytes)),
        Effect::ToNode { conn, bytes } => format!("to node {}: {}", conn.0, show_frame(bytes)),
        Effect::Append {
            id,
            record: JournalRecord::Output { sequence, .. },
            ..
        } => {
            format!("append {} output {sequence}", id.0)
        }
        Effect::Append {
            id,
            record: JournalRecord::Client { sequence, .. },
            ..
        } => {
            format!("append {} input {sequence}", id.0)
        }
        other => format!("{other:?}"),
    }
}

fn show(message: &Message) -> String {
    match message {
        Message::Binary(bytes) => show_frame(bytes),
        Message::Text => "text".to_owned(),
        Message::Ping(payload) => format!("ping {payload:?}"),
        Message::Pong(payload) => format!("pong {payload:?}"),
    }
}

fn show_frame(bytes: &Bytes) -> String {
    let Ok(frame) = Frame::decode(bytes.clone()) else {
        return "garbage".to_owned();
    };
    let (kind, sequence, payload) = (frame.message_type, frame.sequence, frame.payload_type);
    match kind {
        MessageType::OutputStreamData => format!("o#{sequence} {payload} {} bytes", frame.payload.len()),
        MessageType::InputStreamData => format!("i#{sequence} {payload} {} bytes", frame.payload.len()),
        MessageType::Acknowledge => Acknowledge::parse(&frame.payload).map_or_else(
            |error| error.to_string(),
            |ack| {
                format!(
                    "ack {} {}{}",
                    ack.message_type,
                    ack.sequence,
                    if ack.cumulative { " and before" } else { "" }
                )
            },
        ),
        _ => format!("{kind} {}", String::from_utf8_lossy(&frame.payload)),
    }
}

/// What a client got must be a part of what was printed, from where it asked for on.
fn verify_output(printed: &[u8], received: &[u8], from: Position, complete: bool) -> Result<(), String> {
    let right = match (from, complete) {
        (Position::Start, true) => received == printed,
        (Position::Start, false) => printed.starts_with(received),
        (_, true) => printed.ends_with(received),
        (_, false) => received.is_empty() || printed.windows(received.len()).any(|part| part == received),
    };
    match right {
        true => Ok(()),
        false => Err(format!(
            "output differs: {} of {} bytes from {from:?}, complete: {complete}",
            received.len(),
            printed.len()
        )),
    }
}

/// No run takes this long on the virtual clock.
const LONGEST: Duration = Duration::from_secs(300);

/// No moment needs more steps.
const MOST_STEPS_AT_ONCE: u32 = 3000;
