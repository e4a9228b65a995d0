//! The run.

mod faults;
mod network;
mod server;
mod verdict;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use drawbridge_protocol::data_channel::relay::{
    ConnectionId, Faults, JournalFrame, Outcome, Position, RelayConfig, RelayCore, SessionKind,
};
use drawbridge_protocol::payload::SessionType;
use drawbridge_protocol::{MessageIds, NodeExtension, Time};

use crate::chance::Chance;
use crate::client::Client;
use crate::journal::MemoryJournal;
use crate::node::{Node, Phase};
use crate::pipe::Pipe;
use crate::scenario::{Cut, Scenario};
use crate::trace::show;
use server::PauseWatch;

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
    appends: u64,
    pause_watch: PauseWatch,
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
    /// Bytes to and from the node that the relays told of; not known once one of them has crashed.
    told: Option<[u64; 2]>,
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
                    client_streams_input: true,
                    client_tunnels: true,
                    client_commands: true,
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
            appends: 0,
            pause_watch: PauseWatch::default(),
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
            told: Some([0, 0]),
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

    fn trace(&self, line: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12.6} {}", self.now.as_secs_f64(), line());
        }
    }
}

/// No run takes this long on the virtual clock.
const LONGEST: Duration = Duration::from_secs(300);

/// No moment needs more steps.
const MOST_STEPS_AT_ONCE: u32 = 3000;
