use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::port_mux::{Credited, Mux, RefusalCode, Smux, StreamId};

/// Both ends of a tunnel with somebody between them who looks on.
struct Watched {
    client: Mux,
    node: Mux,
    flows: Flows,
    /// Bytes at which frames are cut, of smux.
    cut: usize,
    now_ms: u64,
}

impl Watched {
    fn new(is_credited: bool, cut: usize) -> Watched {
        let mux = |side| match is_credited {
            true => Mux::Credited(Credited::new(side)),
            false => Mux::Smux(Smux::new(side)),
        };
        Watched {
            client: mux(Side::Client),
            node: mux(Side::Node),
            flows: Flows::new(true),
            cut,
            now_ms: 1000,
        }
    }

    fn carry(&mut self, from: Side, message: &Bytes) {
        let (to, cut) = match from {
            Side::Client => (&mut self.node, self.cut),
            Side::Node => (&mut self.client, self.cut),
        };
        let payload_type = to.payload_type();
        let cut = match payload_type {
            PayloadType::Multiplexed => message.len(),
            _ => cut,
        };
        for frame in message.chunks(cut) {
            self.flows.observe(from, payload_type, frame, self.now_ms);
            to.receive(Bytes::copy_from_slice(frame)).expect("sound");
        }
    }

    fn settle(&mut self) {
        loop {
            if let Some(message) = self.client.poll_transmit() {
                self.carry(Side::Client, &message);
            } else if let Some(message) = self.node.poll_transmit() {
                self.carry(Side::Node, &message);
            } else {
                while self.client.poll_event().is_some() || self.node.poll_event().is_some() {}
                return;
            }
        }
    }

    fn open(&mut self, destination: u16) -> StreamId {
        let stream = self
            .client
            .open(&Opening::destination(destination))
            .expect("room");
        self.settle();
        stream
    }

    fn end(&mut self, side: Side) -> &mut Mux {
        match side {
            Side::Client => &mut self.client,
            Side::Node => &mut self.node,
        }
    }

    /// Sends as much as there is room for; returns how much that was.
    fn send(&mut self, from: Side, stream: StreamId, length: usize) -> u64 {
        let mux = self.end(from);
        let length = length.min(mux.capacity(stream));
        if length > 0 {
            let message = mux.wrap(stream, BytesMut::zeroed(HEADER_BYTES + length));
            self.carry(from, &message);
        }
        length as u64
    }

    fn ended(&mut self) -> Vec<Flow> {
        std::iter::from_fn(|| self.flows.poll_ended()).collect()
    }
}

fn flow(bytes: (u64, u64), times: (u64, u64), outcome: FlowOutcome) -> Flow {
    Flow {
        destination: 0,
        address: None,
        opened_ms: times.0,
        ended_ms: times.1,
        to_node: bytes.0,
        from_node: bytes.1,
        outcome,
    }
}

fn credited(kind: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, 0], &stream.to_be_bytes()[..], body].concat()
}

fn smux(command: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short").to_le_bytes();
    [&[1, command], &length[..], &stream.to_le_bytes()[..], body].concat()
}

fn observed(flows: &mut Flows, from: Side, payload_type: PayloadType, frames: &[Vec<u8>]) {
    for frame in frames {
        flows.observe(from, payload_type, frame, 5);
    }
}

#[test]
fn a_connection_between_our_ends_is_seen_from_its_opening_to_its_end() {
    let mut tunnel = Watched::new(true, 0);
    let stream = tunnel.open(3);
    tunnel.send(Side::Client, stream, 10);
    let address = "10.0.0.3:5432".to_owned();
    tunnel.node.accept(
        stream,
        &Accepted {
            address: address.clone(),
            ..Accepted::default()
        },
    );
    tunnel.settle();
    tunnel.send(Side::Node, stream, 2000);
    tunnel.client.finish(stream);
    tunnel.settle();
    tunnel.send(Side::Node, stream, 7);
    assert_eq!(
        (tunnel.ended(), tunnel.flows.live()),
        (vec![], 1),
        "one half is still open"
    );
    tunnel.now_ms = 1500;
    tunnel.node.finish(stream);
    tunnel.settle();
    let expected = Flow {
        destination: 3,
        address: Some(address),
        ..flow((10, 2007), (1000, 1500), FlowOutcome::Ended)
    };
    assert_eq!((tunnel.ended(), tunnel.flows.live()), (vec![expected], 0));
    assert_eq!(tunnel.flows.take_rest(), None);
}

#[test]
fn a_connection_of_awss_programs_is_over_when_both_ends_say_so() {
    for cut in [1, 3, 1024] {
        let mut tunnel = Watched::new(false, cut);
        let stream = tunnel.open(0);
        tunnel.send(Side::Client, stream, 300);
        // Sent before the node hears of the end.
        let answer = tunnel.node.wrap(stream, BytesMut::zeroed(HEADER_BYTES + 500));
        tunnel.client.finish(stream);
        let end = tunnel.client.poll_transmit().expect("FIN");
        tunnel.carry(Side::Client, &end);
        tunnel.carry(Side::Node, &answer);
        tunnel.now_ms = 1200;
        tunnel.settle();
        assert_eq!(
            tunnel.ended(),
            [flow((300, 500), (1000, 1200), FlowOutcome::Ended)]
        );
        assert_eq!((tunnel.flows.live(), tunnel.flows.take_rest()), (0, None));
    }
}

#[test]
fn a_refusal_and_a_reset_keep_their_words_without_what_steers_terminals() {
    let mut tunnel = Watched::new(true, 0);
    let (refused, broken) = (tunnel.open(0), tunnel.open(0));
    let refusal = Refusal {
        code: RefusalCode::Refused,
        reason: format!("no\u{1b}[2J\none{}", "e".repeat(1000)),
    };
    tunnel.node.refuse(refused, &refusal);
    let reset = Reset {
        reason: "cable cut".to_owned(),
    };
    tunnel.client.reset(broken, &reset);
    tunnel.settle();
    let [first, second] = &tunnel.ended()[..] else {
        panic!("both are over");
    };
    let (reset, refused) = if matches!(first.outcome, FlowOutcome::Reset { .. }) {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(reset.outcome, FlowOutcome::reset("cable cut"));
    let FlowOutcome::Refused { code, reason } = &refused.outcome else {
        panic!("{refused:?}");
    };
    assert_eq!((*code, reason.len()), (RefusalCode::Refused, 256));
    assert!(reason.starts_with("no[2Jonee"), "{reason}");
}

#[test]
fn without_multiplexing_there_is_one_connection() {
    let mut flows = Flows::new(false);
    flows.observe(Side::Node, PayloadType::HandshakeRequest, b"{}", 1);
    assert_eq!(flows.live(), 0);
    flows.observe(Side::Node, PayloadType::HandshakeComplete, b"{}", 2);
    flows.observe(Side::Client, PayloadType::Output, b"hello", 3);
    flows.observe(Side::Node, PayloadType::Output, b"you", 4);
    flows.finish(&FlowOutcome::Ended, 9);
    assert_eq!(flows.poll_ended(), Some(flow((5, 3), (2, 9), FlowOutcome::Ended)));
    assert_eq!((flows.poll_ended(), flows.take_rest()), (None, None));
}

#[test]
fn what_is_left_at_the_end_is_told_apart_from_what_was_closed() {
    let mut tunnel = Watched::new(false, 8);
    let (closed, open) = (tunnel.open(0), tunnel.open(0));
    tunnel.send(Side::Client, open, 9);
    let _ = closed;
    observed(
        &mut tunnel.flows,
        Side::Node,
        PayloadType::Output,
        &[smux(1, closed.0, b"")],
    );
    tunnel.flows.finish(&FlowOutcome::Open, 2000);
    assert_eq!(
        tunnel.ended(),
        [
            flow((0, 0), (1000, 5), FlowOutcome::Ended),
            flow((9, 0), (1000, 2000), FlowOutcome::Open)
        ]
    );
}

#[test]
fn an_end_that_never_closes_its_half_hides_no_connection_that_comes_later() {
    let mut flows = Flows::new(true);
    let count = u32::try_from(3 * MAX_STREAMS).expect("small");
    for id in (3..).step_by(2).take(3 * MAX_STREAMS) {
        let frame = [smux(0, id, b""), smux(2, id, b"x"), smux(1, id, b"")].concat();
        observed(&mut flows, Side::Client, PayloadType::Output, &[frame]);
    }
    assert_eq!(flows.live(), MAX_STREAMS);
    flows.finish(&FlowOutcome::Open, 5);
    let ended: Vec<_> = std::iter::from_fn(|| flows.poll_ended()).collect();
    assert_eq!(
        ended,
        vec![flow((1, 0), (5, 5), FlowOutcome::Ended); count as usize]
    );
}

#[test]
fn connections_beyond_the_bound_are_counted_together() {
    let mut flows = Flows::new(true);
    for id in 1..=u32::try_from(MAX_STREAMS).expect("small") + 2 {
        let frames = [credited(0, id, b"{}"), credited(3, id, b"four")];
        observed(&mut flows, Side::Client, PayloadType::Multiplexed, &frames);
    }
    assert_eq!(flows.live(), MAX_STREAMS);
    let rest = flows.take_rest().expect("two too many");
    assert_eq!((rest.connections, rest.to_node, rest.from_node), (2, 8, 0));
}

#[test]
fn ends_that_break_the_rules_are_counted_all_the_same() {
    let mut flows = Flows::new(true);
    let to_node = [
        credited(0, 1, b"{}"),
        // Again, an old number, no document, another's message, nobody's bytes, no message.
        credited(0, 1, b"{}"),
        credited(0, 0, b"{}"),
        credited(0, 7, b"nothing"),
        credited(1, 1, br#"{"Address":"a lie"}"#),
        credited(3, 99, b"lost"),
        b"short".to_vec(),
        // After its own end.
        credited(4, 1, b""),
        credited(3, 1, b"more"),
        credited(5, 1, b"unreadable"),
    ];
    observed(&mut flows, Side::Client, PayloadType::Multiplexed, &to_node);
    let from_node = [
        credited(1, 1, b"{}"),
        credited(1, 1, br#"{"Address":"second"}"#),
        credited(2, 1, br#"{"Code":"Refused"}"#),
        credited(200, 1, b""),
        credited(3, 1, b"answer"),
    ];
    observed(&mut flows, Side::Node, PayloadType::Multiplexed, &from_node);
    flows.finish(&FlowOutcome::Open, 6);
    assert_eq!(flows.poll_ended(), Some(flow((4, 6), (5, 6), FlowOutcome::Open)));
    assert_eq!(flows.poll_ended(), None);
    let rest = flows.take_rest().expect("the rest");
    assert_eq!((rest.to_node, rest.from_node), (2 + 2 + 7 + 27 + 4 + 5, 8));
}

#[test]
fn the_two_kinds_of_multiplexing_do_not_confuse_each_other() {
    let mut flows = Flows::new(true);
    observed(
        &mut flows,
        Side::Client,
        PayloadType::Multiplexed,
        &[credited(0, 3, b"{}")],
    );
    observed(
        &mut flows,
        Side::Client,
        PayloadType::Output,
        &[smux(0, 3, b""), smux(1, 3, b"")],
    );
    observed(
        &mut flows,
        Side::Client,
        PayloadType::Multiplexed,
        &[credited(3, 3, b"x")],
    );
    flows.finish(&FlowOutcome::Open, 6);
    let bytes: Vec<_> = std::iter::from_fn(|| flows.poll_ended())
        .map(|flow| flow.to_node)
        .collect();
    assert_eq!((bytes, flows.take_rest()), (vec![1, 0], None));
}

#[test]
fn programs_too_old_to_multiplex_are_counted_as_a_whole() {
    let mut flows = Flows::new(true);
    observed(
        &mut flows,
        Side::Client,
        PayloadType::Output,
        &[b"GET / HTTP/1.0".to_vec(), b"\r\n\r\n".to_vec()],
    );
    observed(
        &mut flows,
        Side::Node,
        PayloadType::Output,
        &[b"\x01".to_vec(), b"\x09 looks like it".to_vec()],
    );
    let rest = flows.take_rest().expect("counted");
    assert_eq!((rest.to_node, rest.from_node), (18, 16));
    assert_eq!((flows.live(), flows.poll_ended()), (0, None));
}

#[test]
fn after_a_restart_what_was_there_is_counted_together_and_what_comes_is_not() {
    let mut flows = Flows::resumed(true, 4);
    let empty = flows.take_rest().expect("said even without a byte");
    assert_eq!((empty.connections, empty.to_node, empty.first_ms), (0, 0, 4));
    observed(
        &mut flows,
        Side::Client,
        PayloadType::Multiplexed,
        &[credited(3, 7, b"old"), credited(0, 9, b"{}")],
    );
    observed(
        &mut flows,
        Side::Node,
        PayloadType::Multiplexed,
        &[credited(3, 9, b"new")],
    );
    observed(&mut flows, Side::Client, PayloadType::Output, &[smux(0, 3, b"")]);
    let rest = flows.take_rest().expect("counted");
    assert_eq!(
        (rest.to_node, rest.from_node),
        (3 + 8, 0),
        "nobody knows where smux goes on"
    );
    flows.finish(&FlowOutcome::Open, 6);
    assert_eq!(flows.poll_ended(), Some(flow((0, 3), (5, 6), FlowOutcome::Open)));

    let mut flows = Flows::resumed(false, 4);
    flows.observe(Side::Client, PayloadType::Output, b"on", 5);
    flows.finish(&FlowOutcome::Ended, 6);
    assert_eq!(flows.poll_ended(), Some(flow((2, 0), (4, 6), FlowOutcome::Ended)));
}

/// What a local program does with one of its connections.
#[derive(Clone, Debug)]
enum Act {
    Open,
    Send(bool, usize, usize),
    Finish(bool, usize),
    Reset(bool, usize),
    Settle,
}

fn act() -> impl Strategy<Value = Act> {
    let which = 0..6_usize;
    prop_oneof![
        2 => Just(Act::Open),
        8 => (any::<bool>(), which.clone(), 1..40_000_usize).prop_map(|(client, which, length)| Act::Send(client, which, length)),
        2 => (any::<bool>(), which.clone()).prop_map(|(client, which)| Act::Finish(client, which)),
        1 => (any::<bool>(), which).prop_map(|(client, which)| Act::Reset(client, which)),
        3 => Just(Act::Settle),
    ]
}

proptest! {
    /// With ends that keep the rules, each connection is seen once, with every byte that was sent on it.
    #[test]
    fn totals_are_what_was_sent(acts in prop::collection::vec(act(), 1..60), cut in 1..2000_usize, is_credited: bool) {
        let mut tunnel = Watched::new(is_credited, cut);
        let mut streams = Vec::new();
        let mut sent: BTreeMap<StreamId, [u64; 2]> = BTreeMap::new();
        let side = |is_client| if is_client { Side::Client } else { Side::Node };
        for act in acts {
            let stream = |which: usize| streams.get(which % streams.len().max(1)).copied();
            match act {
                Act::Open => streams.push(tunnel.open(0)),
                Act::Settle => tunnel.settle(),
                Act::Send(is_client, which, length) => {
                    tunnel.settle();
                    if let Some(stream) = stream(which) {
                        let length = tunnel.send(side(is_client), stream, length);
                        sent.entry(stream).or_default()[usize::from(!is_client)] += length;
                        tunnel.end(side(!is_client)).consumed(stream, usize::try_from(length).expect("small"));
                    }
                }
                Act::Finish(is_client, which) => if let Some(stream) = stream(which) {
                    tunnel.end(side(is_client)).finish(stream);
                },
                Act::Reset(is_client, which) => if let Some(stream) = stream(which) {
                    tunnel.end(side(is_client)).reset(stream, &Reset::default());
                },
            }
        }
        tunnel.settle();
        prop_assert_eq!(tunnel.flows.live(), tunnel.client.streams());
        tunnel.flows.finish(&FlowOutcome::Open, 9000);
        let mut seen: Vec<_> = tunnel.ended().iter().map(|flow| [flow.to_node, flow.from_node]).collect();
        let mut expected: Vec<_> = streams.iter().map(|stream| sent.get(stream).copied().unwrap_or_default()).collect();
        seen.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(tunnel.flows.take_rest(), None);
    }

    /// Whatever is sent, nothing panics, the bound holds, and no payload byte is counted twice.
    #[test]
    fn nothing_that_is_sent_confuses_who_looks_on(
        messages in prop::collection::vec(
            (any::<bool>(), 0..3_u8, 0..9_u8, 0..6_u32, prop::collection::vec(any::<u8>(), 0..40)),
            1..60,
        ),
        is_multiplexed: bool,
        is_resumed: bool,
    ) {
        let mut flows = if is_resumed { Flows::resumed(is_multiplexed, 0) } else { Flows::new(is_multiplexed) };
        let mut whole = [0, 0];
        for (from_client, shape, kind, stream, body) in messages {
            let (payload_type, frame) = match shape {
                0 => (PayloadType::Multiplexed, credited(kind, stream, &body)),
                1 => (PayloadType::Output, smux(kind, stream, &body)),
                _ => (PayloadType::Output, body),
            };
            whole[usize::from(!from_client)] += frame.len() as u64;
            let from = if from_client { Side::Client } else { Side::Node };
            flows.observe(from, payload_type, &frame, 5);
            prop_assert!(flows.live() <= MAX_STREAMS);
        }
        flows.finish(&FlowOutcome::Open, 6);
        let mut counted = [0, 0];
        while let Some(flow) = flows.poll_ended() {
            counted = [counted[0] + flow.to_node, counted[1] + flow.from_node];
        }
        if let Some(rest) = flows.take_rest() {
            counted = [counted[0] + rest.to_node, counted[1] + rest.from_node];
        }
        prop_assert!(counted[0] <= whole[0] && counted[1] <= whole[1]);
        if !is_multiplexed {
            prop_assert_eq!(counted, whole);
        }
    }
}
