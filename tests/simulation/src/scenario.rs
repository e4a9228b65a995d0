//! What happens in a run.

use std::collections::VecDeque;
use std::time::Duration;

use drawbridge_protocol::data_channel::relay::{Limits, Position, SessionKind};

use crate::chance::Chance;
use crate::pipe::Path;

/// Describes one run; drawn from a seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Kind of session.
    pub kind: SessionKind,
    /// Whether the client is AWS's plugin.
    pub client_is_plugin: bool,
    /// Whether the node is AWS's agent.
    pub node_is_agent: bool,
    /// Whether a second client takes the session over: when, where its output begins, and whether it is AWS's plugin.
    pub takeover: Option<(Duration, Position, bool)>,
    /// Who watches: from when, from where, and whether with AWS's plugin.
    pub watchers: Vec<(Duration, Position, bool)>,
    /// When which connection is cut.
    pub cuts: Vec<(Duration, Cut)>,
    /// When the relay crashes, and for how long it is gone.
    pub crashes: Vec<(Duration, Duration)>,
    /// A crash some time after the append with this number, while its record is likely not to be durable; the delay, and
    /// for how long the relay is gone.
    pub crash_on_append: Option<(u64, Duration, Duration)>,
    /// When somebody terminates the session.
    pub terminate_at: Option<Duration>,
    /// Bounds of the relay.
    pub limits: Limits,
    /// Longest time that a group commit takes, in milliseconds.
    pub sync_ms: u64,
    pub(crate) client_path: Path,
    pub(crate) node_path: Path,
    pub(crate) input: VecDeque<(Duration, usize)>,
    pub(crate) second_input: VecDeque<(Duration, usize)>,
    pub(crate) output: VecDeque<(Duration, usize)>,
}

/// Names a connection to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The present owner's.
    Client,
    /// The node's.
    Node,
}

impl Scenario {
    /// Draws a scenario.
    pub(crate) fn draw(chance: &mut Chance) -> Scenario {
        let kind = match chance.within(0..100) {
            0..50 => SessionKind::Shell,
            50..65 => SessionKind::Command,
            65..88 => SessionKind::Port { multiplexed: true },
            _ => SessionKind::Port { multiplexed: false },
        };
        let client_is_plugin = chance.percent(50);
        let node_is_agent = chance.percent(50);
        let crashes = draw_crashes(chance);
        let mut unruly = !client_is_plugin && !node_is_agent && chance.percent(30);
        let slow = chance.percent(15).then(|| chance.within(3_000..40_000));
        let takeover = (!kind.is_port() && chance.percent(25)).then(|| {
            let plugin = chance.percent(40) && !unruly;
            (chance.millis(100..4000), draw_position(chance), plugin)
        });
        // A node that got input out of order keeps it, and a relay that crashed cannot know that: of two owners it would then
        // process the second half of what the first one typed. Only a network without TCP does that.
        let sync_ms = if chance.percent(25) {
            chance.within(50..400)
        } else {
            chance.within(1..30)
        };
        let crash_on_append = chance.percent(25).then(|| {
            (
                chance.within(1..60),
                chance.millis(0..sync_ms + 1),
                chance.millis(1..800),
            )
        });
        unruly &= takeover.is_none() || (crashes.is_empty() && crash_on_append.is_none());
        let mut watchers = Vec::new();
        while !kind.is_port() && chance.percent(20) && watchers.len() < 3 {
            let plugin = chance.percent(40) && !unruly;
            watchers.push((chance.millis(0..3000), draw_position(chance), plugin));
        }
        let bursts = if chance.percent(5) { 40 } else { 12 };
        Scenario {
            kind,
            client_is_plugin,
            node_is_agent,
            takeover,
            watchers,
            cuts: draw_cuts(chance),
            crashes,
            crash_on_append,
            terminate_at: chance.percent(5).then(|| chance.millis(0..5000)),
            limits: draw_limits(chance),
            sync_ms,
            client_path: draw_path(chance, unruly, slow),
            node_path: draw_path(chance, unruly, None),
            input: draw_plan(chance, 0..8, 40),
            second_input: draw_plan(chance, 0..5, 40),
            output: draw_plan(chance, 1..bursts, 3000),
        }
    }

    /// Says whether everybody stays to the end, so that everything must arrive.
    pub(crate) fn must_complete(&self) -> bool {
        self.terminate_at.is_none()
    }
}

fn draw_position(chance: &mut Chance) -> Position {
    match chance.within(0..3) {
        0 => Position::Start,
        1 => Position::Unconfirmed,
        _ => Position::Live,
    }
}

fn draw_cuts(chance: &mut Chance) -> Vec<(Duration, Cut)> {
    let count = if chance.percent(60) {
        chance.within(0..5)
    } else {
        0
    };
    let mut cuts: Vec<_> = (0..count)
        .map(|_| {
            let cut = if chance.percent(50) {
                Cut::Client
            } else {
                Cut::Node
            };
            (chance.millis(0..4000), cut)
        })
        .collect();
    cuts.sort_by_key(|(at, _)| *at);
    cuts
}

fn draw_crashes(chance: &mut Chance) -> Vec<(Duration, Duration)> {
    let count = if chance.percent(35) {
        chance.within(1..3)
    } else {
        0
    };
    let mut crashes: Vec<_> = (0..count)
        .map(|_| (chance.millis(0..4000), chance.millis(1..800)))
        .collect();
    crashes.sort_by_key(|(at, _)| *at);
    crashes
}

fn draw_limits(chance: &mut Chance) -> Limits {
    if chance.percent(30) {
        return Limits::default();
    }
    Limits {
        client_window_bytes: chance.within(1500..8000) as usize,
        client_window_frames: chance.within(2..20) as usize,
        plain_window_frames: chance.within(1..20) as usize,
        tail_bytes: chance.within(0..6000) as usize,
        unsynced_bytes: chance.within(2000..20_000) as usize,
        input_bytes: chance.within(500..3000) as usize,
        lag_bytes: chance.within(1000..12_000),
        detached_bytes: chance.within(1000..30_000),
        undelivered_bytes: chance.within(10_000..40_000) as usize,
        journal_read_bytes: chance.within(1..6000) as usize,
        ..Limits::default()
    }
}

fn draw_path(chance: &mut Chance, unruly: bool, bytes_per_second: Option<u64>) -> Path {
    Path {
        latency_ms: chance.within(0..60),
        jitter_ms: chance.within(0..20),
        bytes_per_second,
        unruly,
    }
}

fn draw_plan(chance: &mut Chance, bursts: std::ops::Range<u64>, most: u64) -> VecDeque<(Duration, usize)> {
    let count = chance.within(bursts);
    (0..count)
        .map(|_| {
            let pause = if chance.percent(50) {
                chance.millis(0..10)
            } else {
                chance.millis(0..500)
            };
            let length = if chance.percent(60) {
                chance.within(1..60)
            } else {
                chance.within(1..most)
            };
            (pause, length as usize)
        })
        .collect()
}
