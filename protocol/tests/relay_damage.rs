//! Whatever peers send, in whatever order: the relay neither panics, nor spins, nor holds more than its bounds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relay_rig;

use std::time::Duration;

use bytes::Bytes;
use drawbridge_protocol::Capabilities;
use drawbridge_protocol::data_channel::relay::{
    AppendId, AttachKind, ConnectionId, Effect, EndCause, JournalFrame, Limits, Position, RelayConfig,
    RelayCore, SessionKind, WatcherAttachment,
};
use drawbridge_protocol::payload::{TaskComplete, TaskStatus};
use drawbridge_protocol::wire::{MessageType, PayloadType};
use proptest::prelude::*;

use relay_rig::*;

/// One thing that a hostile world does.
#[derive(Clone, Debug)]
enum Deed {
    Message {
        conn: u64,
        to_node_side: bool,
        bytes: Vec<u8>,
    },
    Stream {
        conn: u64,
        to_node_side: bool,
        input: bool,
        sequence: i64,
        kind: u32,
        length: usize,
    },
    Acknowledge {
        conn: u64,
        to_node_side: bool,
        sequence: i64,
        cumulative: bool,
    },
    Pong {
        conn: u64,
        sending: u64,
    },
    Connect {
        conn: u64,
        attach: u8,
        who: u8,
        ours: bool,
    },
    Watch {
        conn: u64,
        ours: bool,
    },
    Node {
        conn: u64,
    },
    Gone {
        conn: u64,
        node: bool,
    },
    Durable {
        through: u64,
    },
    Read {
        conn: u64,
        from: i64,
        count: i64,
    },
    Pass {
        millis: u64,
    },
    Terminating,
    Complete {
        failed: bool,
    },
    Terminate,
    JournalFails,
}

fn sequence() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => 0_i64..12,
        2 => 0_i64..2000,
        1 => prop_oneof![Just(-1), Just(i64::MAX), Just(i64::MIN), Just(i64::MAX - 1), Just(1 << 40)],
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let conn = || 1_u64..5;
    prop_oneof![
        2 => (conn(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(conn, to_node_side, bytes)| Deed::Message { conn, to_node_side, bytes }),
        30 => (conn(), any::<bool>(), any::<bool>(), sequence(), 0_u32..14, 0_usize..900).prop_map(
            |(conn, to_node_side, input, sequence, kind, length)| {
                Deed::Stream { conn, to_node_side, input, sequence, kind, length }
            }
        ),
        15 => (conn(), any::<bool>(), sequence(), any::<bool>())
            .prop_map(|(conn, to_node_side, sequence, cumulative)| {
                Deed::Acknowledge { conn, to_node_side, sequence, cumulative }
            }),
        5 => (conn(), 0_u64..40).prop_map(|(conn, sending)| Deed::Pong { conn, sending }),
        4 => (conn(), 0_u8..3, 0_u8..3, any::<bool>())
            .prop_map(|(conn, attach, who, ours)| Deed::Connect { conn, attach, who, ours }),
        2 => (conn(), any::<bool>()).prop_map(|(conn, ours)| Deed::Watch { conn, ours }),
        3 => conn().prop_map(|conn| Deed::Node { conn }),
        3 => (conn(), any::<bool>()).prop_map(|(conn, node)| Deed::Gone { conn, node }),
        20 => (0_u64..60).prop_map(|through| Deed::Durable { through }),
        5 => (conn(), 0_i64..12, 0_i64..5).prop_map(|(conn, from, count)| Deed::Read { conn, from, count }),
        8 => (0_u64..3000).prop_map(|millis| Deed::Pass { millis }),
        1 => Just(Deed::Terminating),
        1 => any::<bool>().prop_map(|failed| Deed::Complete { failed }),
        1 => Just(Deed::Terminate),
        1 => Just(Deed::JournalFails),
    ]
}

fn config(kind: u8, our_node: bool, fail_open: bool) -> RelayConfig {
    let kind = match kind {
        0 => SessionKind::Shell,
        1 => SessionKind::Command,
        2 => SessionKind::Port { multiplexed: true },
        _ => SessionKind::Port { multiplexed: false },
    };
    let mut config = RelayConfig::new("session", kind);
    config.node = our_node.then_some(Capabilities::OURS);
    config.fail_open = fail_open;
    config.limits = Limits {
        client_window_bytes: 3000,
        plain_window_frames: 4,
        tail_bytes: 2000,
        unsynced_bytes: 5000,
        input_bytes: 4000,
        undelivered_bytes: 6000,
        watchers: 2,
        ..Limits::default()
    };
    config
}

fn carry_out(rig: &mut Rig, deed: Deed) -> Vec<Effect> {
    let to = |rig: &mut Rig, node: bool, conn: u64, bytes: Bytes| {
        let conn = ConnectionId(conn);
        match node {
            true => rig.act(|core, now| core.handle_node_message(conn, bytes, now)),
            false => rig.act(|core, now| core.handle_client_message(conn, bytes, now)),
        }
    };
    let ours = |ours: bool| ours.then_some(Capabilities::OURS);
    match deed {
        Deed::Message {
            conn,
            to_node_side,
            bytes,
        } => to(rig, to_node_side, conn, bytes.into()),
        Deed::Stream {
            conn,
            to_node_side,
            input,
            sequence,
            kind,
            length,
        } => {
            let message_type = if input {
                MessageType::InputStreamData
            } else {
                MessageType::OutputStreamData
            };
            let bytes = stream(
                message_type,
                sequence,
                PayloadType::from(kind),
                &vec![b'x'; length],
            );
            to(rig, to_node_side, conn, bytes)
        }
        Deed::Acknowledge {
            conn,
            to_node_side,
            sequence,
            cumulative,
        } => {
            let json =
                format!(r#"{{"AcknowledgedMessageSequenceNumber":{sequence},"Cumulative":{cumulative}}}"#);
            to(
                rig,
                to_node_side,
                conn,
                control(MessageType::Acknowledge, json.into()),
            )
        }
        Deed::Pong { conn, sending } => {
            let payload = Bytes::copy_from_slice(&sending.to_be_bytes());
            rig.act(|core, now| core.handle_client_pong(ConnectionId(conn), payload, now))
        }
        Deed::Connect {
            conn,
            attach,
            who,
            ours: is_ours,
        } => {
            let kind = match attach {
                0 => AttachKind::Start,
                1 => AttachKind::Resume,
                _ => AttachKind::Attach {
                    from: Position::Start,
                },
            };
            rig.connect(ConnectionId(conn), kind, &who.to_string(), ours(is_ours))
        }
        Deed::Watch { conn, ours: is_ours } => {
            let (conn, capabilities) = (ConnectionId(conn), ours(is_ours));
            let watcher = WatcherAttachment {
                conn,
                capabilities,
                from: Position::Unconfirmed,
            };
            rig.act(|core, now| core.handle_watcher_connected(watcher, now))
        }
        Deed::Node { conn } => rig.node_connects(ConnectionId(conn)),
        Deed::Gone { conn, node: true } => {
            rig.act(|core, now| core.handle_node_disconnected(ConnectionId(conn), now))
        }
        Deed::Gone { conn, node: false } => {
            rig.act(|core, now| core.handle_client_disconnected(ConnectionId(conn), now))
        }
        Deed::Durable { through } => rig.act(|core, now| core.handle_durable(AppendId(through), now)),
        Deed::Read { conn, from, count } => {
            let frame = |sequence| JournalFrame {
                sequence,
                bytes: output(sequence, "x"),
            };
            let frames = (from..from + count).map(frame).collect();
            rig.act(|core, now| core.handle_journal_read(ConnectionId(conn), frames, now))
        }
        Deed::Pass { millis } => rig.pass(Duration::from_millis(millis)),
        Deed::Terminating => rig.node_sends(terminating(Some(1))),
        Deed::Complete { failed } => {
            let status = if failed {
                TaskStatus::Failed
            } else {
                TaskStatus::Success
            };
            let complete = TaskComplete::new("session", "node", status, "text");
            rig.act(|core, now| core.handle_task_complete(&complete, now))
        }
        Deed::Terminate => rig.act(|core, now| core.terminate(EndCause::Terminated, "text", now)),
        Deed::JournalFails => rig.act(|core, now| core.handle_journal_failed("disk full", now)),
    }
}

proptest! {
    #[test]
    fn survives_anything(
        kind in 0_u8..4,
        our_node: bool,
        fail_open: bool,
        recovered: bool,
        deeds in prop::collection::vec(deed(), 1..250),
    ) {
        let config = config(kind, our_node, fail_open);
        let mut rig = Rig::started(config.clone(), None);
        let mut ended = 0;
        for (index, deed) in deeds.into_iter().enumerate() {
            if recovered && index == 60 {
                rig = Rig::recover(config.clone(), &rig.records);
                ended = 0;
            }
            let effects = carry_out(&mut rig, deed);
            prop_assert!(ended == 0 || effects.is_empty(), "{effects:?} after the end");
            ended += effects.iter().filter(|effect| matches!(effect, Effect::Ended { .. })).count();
            // Fillers of a takeover after recovery come on top of what peers send.
            prop_assert!(rig.core.held_bytes() < 30_000 + 256 * 200, "{} bytes", rig.core.held_bytes());
            prop_assert!(effects.len() < 5000, "{} effects", effects.len());
        }
        prop_assert!(ended <= 1);
        // Left alone, it ends or sleeps.
        rig.pass(Duration::from_secs(120));
        let _ = rig.act(RelayCore::handle_timeout);
    }
}
