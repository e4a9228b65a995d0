//! What a relay tells of the connections of a tunnel.

mod relay_rig;

use drawbridge_protocol::data_channel::relay::{
    Effect, EndCause, FlowReport, MOST_FLOWS, RelayConfig, RelayCore, SessionKind,
};
use drawbridge_protocol::payload::{TaskComplete, TaskStatus};
use drawbridge_protocol::port_mux::{Flow, FlowOutcome};
use drawbridge_protocol::wire::{MessageType, PayloadType};

use relay_rig::*;

fn message(kind: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, 0], &stream.to_be_bytes()[..], body].concat()
}

/// A tunnel between our own ends, which acknowledge everything at once.
struct Tunnel {
    rig: Rig,
    input: i64,
    output: i64,
}

impl Tunnel {
    fn new() -> Tunnel {
        Tunnel::of(Rig::started(with_our_node(tunnel()), None))
    }

    fn of(rig: Rig) -> Tunnel {
        Tunnel {
            rig,
            input: 0,
            output: 0,
        }
    }

    fn client_says(&mut self, payload: &[u8]) -> Vec<FlowReport> {
        let (sequence, kind) = (self.input, PayloadType::Multiplexed);
        self.input += 1;
        let frame = stream(MessageType::InputStreamData, sequence, kind, payload);
        let mut effects = self.rig.client_sends(frame);
        effects.extend(self.rig.node_sends(ack_input(sequence)));
        effects.extend(self.rig.sync());
        reports(&effects)
    }

    fn node_says(&mut self, payload: &[u8]) -> Vec<FlowReport> {
        let (sequence, kind) = (self.output, PayloadType::Multiplexed);
        self.output += 1;
        let frame = stream(MessageType::OutputStreamData, sequence, kind, payload);
        let mut effects = self.rig.node_sends(frame);
        effects.extend(self.rig.client_sends(ack_output(sequence)));
        effects.extend(self.rig.sync());
        reports(&effects)
    }

    /// Opens, uses and ends a connection.
    fn connects(&mut self, stream: u32) -> Vec<FlowReport> {
        let mut all = self.client_says(&message(0, stream, b"{}"));
        all.extend(self.client_says(&message(3, stream, b"question")));
        all.extend(self.client_says(&message(4, stream, b"")));
        all.extend(self.node_says(&message(3, stream, b"answer")));
        all.extend(self.node_says(&message(4, stream, b"")));
        all
    }
}

fn reports(effects: &[Effect]) -> Vec<FlowReport> {
    let reports = effects.iter().filter_map(|effect| match effect {
        Effect::Flows(report) => Some(report.clone()),
        _ => None,
    });
    reports.collect()
}

fn bytes(flow: &Flow) -> (u64, u64) {
    (flow.to_node, flow.from_node)
}

#[test]
fn a_connection_is_told_of_ten_seconds_after_its_end() {
    let mut tunnel = Tunnel::new();
    let opened_ms = tunnel.rig.time().epoch_ms;
    assert_eq!(tunnel.connects(1), []);
    tunnel.rig.now += millis(500);
    assert_eq!(tunnel.connects(2), []);
    assert_eq!(reports(&tunnel.rig.pass_with_pongs(millis(9_400))), []);
    let told = reports(&tunnel.rig.pass_with_pongs(millis(200)));
    let [
        FlowReport {
            flows,
            rest: None,
            is_resumed: false,
        },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(flows.iter().map(bytes).collect::<Vec<_>>(), [(8, 6), (8, 6)]);
    assert!(flows.iter().all(|flow| flow.outcome == FlowOutcome::Ended));
    assert_eq!(flows[0].opened_ms, opened_ms);
    assert!((opened_ms + 400..opened_ms + 600).contains(&flows[1].ended_ms));
    assert_eq!(reports(&tunnel.rig.pass_with_pongs(seconds(30))), []);
}

#[test]
fn what_comes_out_of_order_or_again_is_counted_once_and_in_order() {
    let mut tunnel = Tunnel::new();
    let (client, node) = (MessageType::InputStreamData, MessageType::OutputStreamData);
    let frame = |of, sequence, kind, body: &[u8]| {
        stream(of, sequence, PayloadType::Multiplexed, &message(kind, 1, body))
    };
    // The bytes before the document that opens their connection, and the end before both.
    for sequence in [2, 1, 1, 0, 0, 2] {
        let (kind, body) = [(0, &b"{}"[..]), (3, b"hello"), (4, b"")][sequence];
        tunnel
            .rig
            .client_sends(frame(client, sequence as i64, kind, body));
    }
    for sequence in [1, 2, 1, 0, 2, 0] {
        let (kind, body) = [(1, &br#"{"Address":"10.0.0.1:80"}"#[..]), (3, b"you"), (4, b"")][sequence];
        tunnel.rig.node_sends(frame(node, sequence as i64, kind, body));
    }
    let told = reports(&tunnel.rig.pass_with_pongs(seconds(11)));
    let [
        FlowReport {
            flows, rest: None, ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(bytes(&flows[0]), (5, 3));
    assert_eq!(flows[0].address.as_deref(), Some("10.0.0.1:80"));
    assert_eq!((flows.len(), &flows[0].outcome), (1, &FlowOutcome::Ended));
}

#[test]
fn ten_thousand_connections_are_some_hundred_and_sixty_reports() {
    let mut tunnel = Tunnel::new();
    let mut told: Vec<FlowReport> = (1..=10_000).flat_map(|stream| tunnel.connects(stream)).collect();
    assert!(told.iter().all(|report| report.flows.len() == MOST_FLOWS));
    told.extend(reports(&tunnel.rig.pass_with_pongs(seconds(10))));
    assert_eq!(told.len(), 157);
    assert_eq!(
        told.iter().map(|report| report.flows.len()).sum::<usize>(),
        10_000
    );
}

#[test]
fn who_connects_without_end_is_counted_and_not_listed() {
    let mut tunnel = Tunnel::new();
    let mut told: Vec<FlowReport> = (1..=20_000).flat_map(|stream| tunnel.connects(stream)).collect();
    tunnel.rig.now += seconds(1);
    told.extend(tunnel.connects(20_001));
    told.extend(reports(&tunnel.rig.pass_with_pongs(seconds(10))));
    let listed: usize = told.iter().map(|report| report.flows.len()).sum();
    assert_eq!(listed, 16_384 + 1);
    let rest: Vec<_> = told.iter().filter_map(|report| report.rest).collect();
    let connections: u64 = rest.iter().map(|rest| rest.connections).sum();
    let to_node: u64 = rest.iter().map(|rest| rest.to_node).sum();
    assert_eq!((connections, to_node), (20_000 - 16_384, 8 * (20_000 - 16_384)));
}

#[test]
fn the_end_of_a_session_tells_of_everything_that_is_left_before_its_last_word() {
    let mut tunnel = Tunnel::new();
    tunnel.connects(1);
    tunnel.client_says(&message(0, 2, br#"{"Destination":1}"#));
    tunnel.client_says(&message(3, 2, b"half a question"));
    tunnel.client_says(&message(3, 77, b"nobody's"));
    let mut effects = tunnel
        .rig
        .act(|core, now| core.terminate(EndCause::Terminated, "over", now));
    effects.extend(tunnel.rig.sync());
    effects.extend(tunnel.rig.pass(seconds(60)));
    let told = reports(&effects);
    let [
        FlowReport {
            flows,
            rest: Some(rest),
            ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(flows[0].outcome, FlowOutcome::Ended);
    assert_eq!((flows[1].destination, bytes(&flows[1])), (1, (15, 0)));
    assert_eq!(flows[1].outcome, FlowOutcome::Open);
    assert_eq!((rest.connections, rest.to_node), (0, 8));
    assert!(matches!(
        &effects[effects.len() - 2..],
        [Effect::Flows(_), Effect::Ended { .. }]
    ));
}

#[test]
fn a_session_without_multiplexing_ends_as_its_connection_does() {
    for (status, expected) in [
        (TaskStatus::Success, FlowOutcome::Ended),
        (TaskStatus::Failed, FlowOutcome::reset("connection refused")),
    ] {
        let config = RelayConfig::new("session", SessionKind::Port { multiplexed: false });
        let mut rig = Rig::started(config, None);
        rig.client_sends(input(0, "hello"));
        rig.node_sends(output(0, "you"));
        rig.client_sends(ack_output(0));
        rig.sync();
        let complete = TaskComplete::new("session".to_owned(), "node", status, "connection refused");
        let mut effects = rig.act(|core, now| core.handle_task_complete(&complete, now));
        effects.extend(rig.sync());
        effects.extend(rig.pass_with_pongs(seconds(60)));
        let told = reports(&effects);
        let [
            FlowReport {
                flows, rest: None, ..
            },
        ] = &told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!(
            (flows.len(), bytes(&flows[0]), &flows[0].outcome),
            (1, (5, 3), &expected)
        );
    }
}

#[test]
fn a_server_that_stops_tells_what_it_knows_and_the_next_one_counts_what_comes() {
    let mut tunnel = Tunnel::new();
    tunnel.rig.node_sends(stream(
        MessageType::OutputStreamData,
        0,
        PayloadType::HandshakeComplete,
        b"{}",
    ));
    tunnel.rig.client_sends(ack_output(0));
    tunnel.output = 1;
    tunnel.client_says(&message(0, 1, b"{}"));
    tunnel.node_says(&message(3, 1, b"before"));
    // Under way when the server stops: nobody has confirmed it.
    let late = stream(
        MessageType::OutputStreamData,
        2,
        PayloadType::Multiplexed,
        &message(3, 1, b"late"),
    );
    tunnel.rig.node_sends(late.clone());
    let told = reports(&tunnel.rig.act(RelayCore::handle_server_stopping));
    let [
        FlowReport {
            flows,
            rest: None,
            is_resumed: false,
        },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(
        (bytes(&flows[0]), &flows[0].outcome),
        ((0, 10), &FlowOutcome::Interrupted)
    );

    let mut next = Rig::recover(with_our_node(relay_rig::tunnel()), &tunnel.rig.records);
    next.node_connects(NODE);
    for _ in 0..2 {
        next.node_sends(late.clone());
    }
    let complete = TaskComplete::new("session".to_owned(), "node", TaskStatus::Success, "");
    let mut effects = next.act(|core, now| core.handle_task_complete(&complete, now));
    effects.extend(next.sync());
    effects.extend(next.pass(seconds(60)));
    let told = reports(&effects);
    let [
        FlowReport {
            flows,
            rest: Some(rest),
            is_resumed: true,
        },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((flows.len(), rest.from_node, rest.to_node), (0, 4, 0));
}

#[test]
fn a_session_that_is_no_tunnel_has_no_connections() {
    let mut rig = Rig::shell();
    rig.client_sends(input(0, "ls"));
    rig.node_sends(output(0, "$ "));
    let mut effects = rig.act(|core, now| core.terminate(EndCause::Terminated, "over", now));
    effects.extend(rig.sync());
    effects.extend(rig.pass_with_pongs(seconds(60)));
    assert!(ended(&effects).is_some());
    assert_eq!(reports(&effects), []);
}
