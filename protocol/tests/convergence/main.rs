//! Two ends over a link that loses, doubles, delays, reorders and breaks: both streams arrive whole, in order, once.
//!
//! The link carries binary messages straight from end to end, as a transparent relay would. Time is virtual: it jumps to
//! whatever happens next. Every run is determined by its case, which proptest prints and shrinks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../ends/mod.rs"]
mod ends;
mod tunnels;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::data_channel::client::{ClientConfig, ClientEnd, Event as ClientEvent};
use drawbridge_protocol::data_channel::node::{Event as NodeEvent, KeyExchange, NodeConfig, NodeEnd};
use drawbridge_protocol::encryption::{Challenge, Cipher, DataKey};
use drawbridge_protocol::payload::SessionType;
use drawbridge_protocol::stream::{InboundLimits, SequenceError, Window};
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{
    Capabilities, Hello, MessageIds, NodeExtension, PeerMisbehaved, Time, Token, Transmit,
};
use proptest::prelude::*;
use serde_json::Value;
use uuid::Uuid;

use ends::{NODE, SESSION, hello};
use tunnels::Tunnels;

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_streams_of_a_shell_arrive_whole_in_order_and_once(case in any_case(&[SessionType::StandardStream])) {
        both_arrive(&case)?;
    }

    #[test]
    fn both_streams_after_a_handshake_arrive_whole_in_order_and_once(
        case in any_case(&[SessionType::Port, SessionType::NonInteractiveCommands]),
    ) {
        both_arrive(&case)?;
    }

    #[test]
    fn both_streams_of_an_encrypted_session_arrive_whole_in_order_and_once(
        case in any_case(&[SessionType::StandardStream, SessionType::NonInteractiveCommands]),
    ) {
        both_arrive(&Case { encrypted: true, ..case })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_said_through_a_tunnel_is_said_back(
        case in any_case(&[SessionType::Port]),
        lengths in prop::collection::vec(0_usize..3000, 1..5),
    ) {
        let case = Case { output: Vec::new(), input: Vec::new(), ..case };
        let mut run = Run::new(&case);
        run.tunnels = Some(Tunnels::new(case.ours, case.seed, &lengths));
        run.until_quiet();
        prop_assume!(!run.gave_up);
        let tunnels = run.tunnels.take().unwrap();
        prop_assert!(tunnels.all_was_said_back() && tunnels.is_done(), "stuck at {:?}", run.now);
    }
}

fn both_arrive(case: &Case) -> Result<(), TestCaseError> {
    let mut run = Run::new(case);
    run.until_quiet();
    prop_assume!(!run.gave_up);
    prop_assert!(
        run.node.is_drained() && run.client.is_drained(),
        "stuck at {:?}",
        run.now
    );
    prop_assert_eq!(&run.shown, &case.output);
    prop_assert_eq!(&run.typed, &case.input);
    Ok(())
}

/// The same without luck: a fixed set of seeds with every fault at its worst, and much data.
#[test]
fn a_long_session_on_a_terrible_link_arrives_whole() {
    for seed in 0..8 {
        let case = Case {
            seed,
            link: Link {
                lost: 20,
                doubled: 20,
                delay_ms: 80,
                cut: 15,
            },
            ours: seed % 2 == 0,
            session_type: SessionType::StandardStream,
            encrypted: seed % 4 < 2,
            window: Window {
                bytes: 32 * 1024,
                frames: 64,
            },
            limits: InboundLimits {
                frames: 40,
                bytes: 16 * 1024,
            },
            output: noise(seed, 200_000).collect(),
            input: noise(!seed, 50_000).map(|byte| byte | 0x80).collect(),
        };
        let mut run = Run::new(&case);
        run.until_quiet();
        assert!(run.shown == case.output && run.typed == case.input, "seed {seed}");
    }
}

/// After a burst of losses in a row on an otherwise good link, little time passes (AWS's ends need 100 ms per frame).
#[test]
fn a_burst_of_losses_is_made_up_for_together() {
    let case = Case {
        seed: 1,
        link: Link {
            lost: 0,
            doubled: 0,
            delay_ms: 10,
            cut: 0,
        },
        ours: true,
        session_type: SessionType::StandardStream,
        encrypted: false,
        window: Window::DEFAULT,
        limits: InboundLimits::DEFAULT,
        output: vec![b'x'; 33 * 32 * 1024],
        input: Vec::new(),
    };
    let mut run = Run::new(&case);
    run.lose_next = 31;
    run.until_quiet();
    assert_eq!(run.shown, case.output);
    assert!(run.now < Duration::from_millis(500), "took {:?}", run.now);
}

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    link: Link,
    ours: bool,
    session_type: SessionType,
    encrypted: bool,
    window: Window,
    limits: InboundLimits,
    output: Vec<u8>,
    input: Vec<u8>,
}

/// Odds in percent, per message.
#[derive(Clone, Copy, Debug)]
struct Link {
    lost: u64,
    doubled: u64,
    /// Every message takes between 1 ms and this, so later ones overtake earlier ones.
    delay_ms: u64,
    /// Odds that one of the two connections breaks when a message is sent, with all that is on the way in it.
    cut: u64,
}

fn any_case(session_types: &'static [SessionType]) -> impl Strategy<Value = Case> {
    let link =
        (0_u64..40, 0_u64..40, 1_u64..300, 0_u64..10).prop_map(|(lost, doubled, delay_ms, cut)| Link {
            lost,
            doubled,
            delay_ms,
            cut,
        });
    let session_type = prop::sample::select(session_types);
    let window = (100_usize..6000, 1_usize..20).prop_map(|(bytes, frames)| Window { bytes, frames });
    let limits = (1_usize..20, 1_usize..6000).prop_map(|(frames, bytes)| InboundLimits { frames, bytes });
    (
        any::<u64>(),
        link,
        any::<bool>(),
        session_type,
        window,
        limits,
        1_usize..4000,
        1_usize..500,
    )
        .prop_map(
            |(seed, link, ours, session_type, window, limits, output, input)| Case {
                seed,
                link,
                ours,
                session_type,
                encrypted: false,
                window,
                limits,
                output: noise(seed, output).collect(),
                // A newline alone in a frame becomes a carriage return in shells; that rule has its own tests.
                input: noise(!seed, input).map(|byte| byte | 0x80).collect(),
            },
        )
}

fn data_key() -> DataKey {
    DataKey::new(&[5; 64]).unwrap()
}

fn noise(seed: u64, length: usize) -> impl Iterator<Item = u8> {
    let mut random = Random(seed);
    (0..length).map(move |_| random.next() as u8)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Client,
    Node,
}

/// A message or reconnect that happens later, ordered by time, then by age.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Later {
    at: Duration,
    age: u64,
    place: Place,
    what: What,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Arrives if the connections of both ends are still those it left on.
    Message {
        message: Bytes,
        connections: (u32, u32),
    },
    Reconnect,
}

struct Run {
    link: Link,
    ours: bool,
    random: Random,
    now: Duration,
    client: ClientEnd,
    node: NodeEnd,
    /// How many connections the client and the node have had.
    connections: (u32, u32),
    online: (bool, bool),
    later: BinaryHeap<Reverse<Later>>,
    age: u64,
    faults_left: u32,
    lose_next: u32,
    output: Bytes,
    input: Bytes,
    shown: Vec<u8>,
    typed: Vec<u8>,
    /// What is at both ends in place of input and output.
    tunnels: Option<Tunnels>,
    /// A step of the handshake took longer than the 30 s that the protocol gives it: now and then a link is that bad.
    gave_up: bool,
}

impl Run {
    fn new(case: &Case) -> Run {
        let extension = NodeExtension {
            max_payload: 32768,
            cumulative_ack: true,
            client_streams_input: true,
            client_tunnels: true,
            client_commands: true,
        };
        let node = NodeConfig::new(SESSION, NODE, "3.3.987.0", case.ours.then_some(extension));
        let key_exchange = case.encrypted.then(|| KeyExchange {
            kms_key_id: "k".to_owned(),
            request_challenge: [1; 16],
            challenge: Challenge::new([2; 64]),
        });
        let node = NodeConfig {
            key_exchange,
            window: case.window,
            limits: case.limits,
            ..node
        };
        let client = ClientConfig::new(Uuid::from_u128(1), "1.2.800.0");
        let client = ClientConfig {
            window: case.window,
            limits: case.limits,
            ..client
        };
        let mut run = Run {
            link: case.link,
            ours: case.ours,
            random: Random(case.seed),
            now: Duration::ZERO,
            client: ClientEnd::new(client, MessageIds::new([1; 16])),
            node: NodeEnd::new(node, MessageIds::new([2; 16])),
            connections: (0, 0),
            online: (false, false),
            later: BinaryHeap::new(),
            age: 0,
            faults_left: 3000,
            lose_next: 0,
            output: case.output.clone().into(),
            input: case.input.clone().into(),
            shown: Vec::new(),
            typed: Vec::new(),
            tunnels: None,
            gave_up: false,
        };
        run.connect(Place::Client);
        run.connect(Place::Node);
        if case.encrypted || case.session_type.needs_handshake() {
            run.node
                .begin_handshake(case.session_type.clone(), Value::Null, run.time());
        }
        run
    }

    /// Runs until both ends have nothing left to say, or for an hour.
    fn until_quiet(&mut self) {
        loop {
            self.produce();
            self.transmit();
            self.consume();
            let done = match &self.tunnels {
                Some(tunnels) => tunnels.is_done(),
                None => self.output.is_empty() && self.input.is_empty(),
            };
            if self.gave_up || done && self.node.is_drained() && self.client.is_drained() {
                return;
            }
            let timers = [self.client.poll_timeout(), self.node.poll_timeout()];
            let next = self.later.peek().map(|Reverse(later)| later.at);
            let Some(next) = timers.into_iter().chain([next]).flatten().min() else {
                return;
            };
            self.now = self.now.max(next);
            if self.now > Duration::from_secs(3600) {
                return;
            }
            let now = self.time();
            self.client.handle_timeout(now);
            self.node.handle_timeout(now);
            while self
                .later
                .peek()
                .is_some_and(|Reverse(later)| later.at <= self.now)
            {
                if let Some(Reverse(later)) = self.later.pop() {
                    self.happen(later);
                }
            }
        }
    }

    fn produce(&mut self) {
        if let Some(tunnels) = &mut self.tunnels {
            tunnels.produce(&mut self.client, &mut self.node, &mut self.random);
        }
        while !self.output.is_empty() && self.node.output_capacity() > 0 {
            let most = self.node.output_capacity().min(self.output.len()) as u64;
            let chunk = self.output.split_to(self.random.between(1, most) as usize);
            self.node.send_output(PayloadType::Output, chunk);
        }
        while !self.input.is_empty() && self.client.input_capacity() > 0 {
            let most = self.client.input_capacity().min(self.input.len()) as u64;
            let chunk = self.input.split_to(self.random.between(1, most) as usize);
            self.client.send_input(chunk);
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.client.poll_transmit(self.time()) {
            self.send(Place::Node, transmit);
        }
        while let Some(transmit) = self.node.poll_transmit(self.time()) {
            self.send(Place::Client, transmit);
        }
    }

    fn send(&mut self, place: Place, transmit: Transmit) {
        let Transmit::Binary(message) = transmit else {
            return;
        };
        if self.lose_next > 0 && place == Place::Client {
            self.lose_next -= 1;
            return;
        }
        // Faults end some time, as the end of the run must be reached.
        let faulty = self.faults_left > 0;
        self.faults_left = self.faults_left.saturating_sub(1);
        if faulty && self.random.percent(self.link.cut) {
            let place = if self.random.percent(50) {
                Place::Client
            } else {
                Place::Node
            };
            self.disconnect(place);
        }
        if faulty && self.random.percent(self.link.lost) {
            return;
        }
        let copies = if faulty && self.random.percent(self.link.doubled) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = Duration::from_millis(self.random.between(1, self.link.delay_ms));
            let what = What::Message {
                message: message.clone(),
                connections: self.connections,
            };
            self.schedule(delay, place, what);
        }
    }

    fn schedule(&mut self, delay: Duration, place: Place, what: What) {
        self.age += 1;
        self.later.push(Reverse(Later {
            at: self.now + delay,
            age: self.age,
            place,
            what,
        }));
    }

    fn happen(&mut self, later: Later) {
        let (message, connections) = match later.what {
            What::Reconnect => return self.connect(later.place),
            What::Message { message, connections } => (message, connections),
        };
        if connections != self.connections || self.online != (true, true) {
            return;
        }
        let now = self.time();
        let result = match later.place {
            Place::Client => self.client.handle_message(message, now),
            Place::Node => self.node.handle_message(message, now),
        };
        match result {
            // A sender with a wider window than the receiver's gap is told nothing and tries again.
            Ok(()) | Err(PeerMisbehaved::Sequence(SequenceError::TooFarAhead { .. })) => {}
            Err(error) => panic!("an honest peer is accused: {error:?}"),
        }
    }

    fn consume(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Output { bytes, .. } if self.tunnels.is_some() => {
                    self.tunnels.as_mut().unwrap().client_received(bytes);
                }
                ClientEvent::Output { bytes, .. } => self.shown.extend_from_slice(&bytes),
                ClientEvent::DataKeyWanted { .. } => {
                    self.client
                        .handle_data_key(Cipher::of_client(&data_key(), [3; 32]), b"wrapped");
                }
                ClientEvent::Established { .. } | ClientEvent::Hello(_) | ClientEvent::Message(_) => {}
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.node.poll_event() {
            match event {
                NodeEvent::Input(bytes) | NodeEvent::Multiplexed(bytes) if self.tunnels.is_some() => {
                    self.tunnels.as_mut().unwrap().node_received(bytes);
                }
                NodeEvent::Input(bytes) => self.typed.extend_from_slice(&bytes),
                NodeEvent::HandshakeDone { .. } => {}
                NodeEvent::DataKeyWrapped(_) => {
                    let now = self.time();
                    self.node
                        .handle_data_key(Cipher::of_node(&data_key(), [4; 12]), now);
                }
                NodeEvent::HandshakeFailed(words) if words.contains("imed out") => {
                    self.gave_up = true;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn connect(&mut self, place: Place) {
        let now = self.time();
        match place {
            Place::Client => {
                self.online.0 = true;
                self.connections.0 += 1;
                self.client.handle_connected(Token::new("t"), now);
                if self.ours {
                    let word = Hello {
                        capabilities: Capabilities::OURS,
                        max_payload: 2048,
                        ..Hello::default()
                    };
                    self.client.handle_message(hello(word), now).unwrap();
                }
            }
            Place::Node => {
                self.online.1 = true;
                self.connections.1 += 1;
                self.node.handle_connected(Token::new("t"), now);
            }
        }
    }

    fn disconnect(&mut self, place: Place) {
        let now = self.time();
        let online = match place {
            Place::Client => &mut self.online.0,
            Place::Node => &mut self.online.1,
        };
        if !std::mem::take(online) {
            return;
        }
        match place {
            Place::Client => self.client.handle_disconnected(now),
            Place::Node => self.node.handle_disconnected(now),
        }
        let delay = Duration::from_millis(self.random.between(1, 3000));
        self.schedule(delay, place, What::Reconnect);
    }

    fn time(&self) -> Time {
        Time::new(self.now, 1 + self.now.as_millis() as u64)
    }
}

/// Draws numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most.max(least) - least + 1)
    }

    fn percent(&mut self, odds: u64) -> bool {
        self.next() % 100 < odds
    }
}
