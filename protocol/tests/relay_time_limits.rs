//! The idle timeout and the longest duration of a session, and the warnings before them.

mod relay_rig;

use std::time::Duration;

use drawbridge_protocol::data_channel::relay::{Effect, RelayConfig};
use drawbridge_protocol::payload::{self, Size, flag};
use drawbridge_protocol::wire::{Frame, MessageType, PayloadType};
use drawbridge_protocol::{Capabilities, Notice};

use relay_rig::{
    CLIENT, NODE, Rig, ack_input, goodbye, input, output, seconds, shell, stream, tunnel, with_our_node,
};

fn limited(config: RelayConfig) -> RelayConfig {
    let mut config = config;
    config.timers.idle = Some(seconds(600));
    config.timers.max_duration = Some(seconds(1500));
    config
}

/// The texts of the notices among effects, with whether they went to the client.
fn notices(effects: &[Effect]) -> Vec<(bool, String)> {
    let read = |to_client, bytes: &bytes::Bytes| {
        let frame = Frame::decode(bytes.clone()).expect("a frame");
        (frame.message_type == MessageType::DrawbridgeNotice).then(|| {
            let notice: Notice = payload::parse(&frame.payload).expect("a notice");
            (to_client, notice.text)
        })
    };
    let found = effects.iter().filter_map(|effect| match effect {
        Effect::ToClient { conn, bytes } if *conn == CLIENT => read(true, bytes),
        Effect::ToNode { conn, bytes } if *conn == NODE => read(false, bytes),
        _ => None,
    });
    found.collect()
}

#[test]
fn idleness_and_old_age_end_a_session() {
    let mut config = shell();
    config.timers.idle = Some(seconds(600));
    config.timers.max_duration = Some(seconds(1500));
    let mut rig = Rig::started(config.clone(), None);
    for sequence in 0..2 {
        assert!(
            !rig.pass_with_pongs(seconds(500))
                .contains(&Effect::TerminateOnNode)
        );
        rig.client_sends(input(sequence, "x"));
        rig.node_sends(ack_input(sequence));
    }
    let effects = rig.pass_with_pongs(seconds(499));
    assert!(!effects.contains(&Effect::TerminateOnNode));
    let effects = [rig.pass_with_pongs(seconds(2)), rig.sync()].concat();
    assert!(
        goodbye(&effects, CLIENT)
            .unwrap()
            .output
            .contains("maximum duration")
    );

    let mut rig = Rig::started(config, None);
    let effects = [rig.pass_with_pongs(seconds(601)), rig.sync()].concat();
    assert!(goodbye(&effects, CLIENT).unwrap().output.contains("idle"));
}

#[test]
fn what_a_command_beside_a_shell_writes_keeps_the_session_and_what_the_shell_writes_does_not() {
    for (payload_type, is_kept) in [(PayloadType::Multiplexed, true), (PayloadType::Output, false)] {
        let mut config = shell();
        config.timers.idle = Some(seconds(600));
        let mut rig = Rig::started(config, None);
        rig.pass_with_pongs(seconds(500));
        rig.node_sends(stream(MessageType::OutputStreamData, 0, payload_type, b"x"));
        let effects = [rig.pass_with_pongs(seconds(200)), rig.sync()].concat();
        assert_eq!(goodbye(&effects, CLIENT).is_none(), is_kept, "{payload_type:?}");
    }
}

#[test]
fn people_are_warned_a_minute_before() {
    let idle = "This session ends in 60 s unless something is typed.".to_owned();
    let mut rig = Rig::started(limited(shell()), Some(Capabilities::OURS));
    let effects = rig.pass_with_pongs(seconds(539));
    assert_eq!(notices(&effects), []);
    let effects = rig.pass_with_pongs(seconds(2));
    assert_eq!(notices(&effects), [(true, idle.clone())]);
    // Once, and again only after somebody was there.
    assert_eq!(notices(&rig.pass_with_pongs(seconds(30))), []);
    rig.client_sends(input(0, "x"));
    rig.node_sends(ack_input(0));
    assert_eq!(notices(&rig.pass_with_pongs(seconds(541))), [(true, idle)]);
    rig.client_sends(input(1, "x"));
    rig.node_sends(ack_input(1));
    let age = "This session ends in 60 s: it reaches its maximum duration.".to_owned();
    assert_eq!(notices(&rig.pass_with_pongs(seconds(350))), [(true, age)]);
}

#[test]
fn who_cannot_be_told_directly_is_told_by_our_node() {
    for (node, told) in [(Some(Capabilities::OURS), true), (None, false)] {
        let mut config = limited(shell());
        config.node = node;
        let mut rig = Rig::started(config, None);
        let effects = rig.pass_with_pongs(seconds(541));
        let expected: &[bool] = if told { &[false] } else { &[] };
        let to_client: Vec<_> = notices(&effects)
            .into_iter()
            .map(|(to_client, _)| to_client)
            .collect();
        assert_eq!(to_client, expected);
    }
    // The output of a tunnel is no place for words.
    let mut rig = Rig::started(limited(with_our_node(tunnel())), None);
    assert_eq!(notices(&rig.pass_with_pongs(seconds(590))), []);
}

#[test]
fn a_short_limit_is_announced_at_its_half() {
    let mut config = shell();
    config.timers.idle = Some(seconds(60));
    let mut rig = Rig::started(config, Some(Capabilities::OURS));
    let effects = rig.pass_with_pongs(seconds(31));
    let [(true, text)] = &notices(&effects)[..] else {
        panic!("not warned")
    };
    assert!(text.contains("in 30 s") || text.contains("in 29 s"), "{text}");
}

#[test]
fn only_what_shows_that_somebody_is_there_counts() {
    let size = Size { cols: 80, rows: 24 }.to_bytes();
    let nop = bytes::Bytes::from_static(&[1, 3, 0, 0, 0, 0, 0, 0]);
    let typed = bytes::Bytes::from_static(b"x");
    for (config, payload_type, bytes, counts) in [
        (shell(), PayloadType::Output, typed.clone(), true),
        (shell(), PayloadType::Size, size, true),
        (
            shell(),
            PayloadType::Flag,
            flag::to_bytes(flag::END_OF_INPUT),
            true,
        ),
        (tunnel(), PayloadType::Output, typed, true),
        (tunnel(), PayloadType::Output, nop, false),
    ] {
        assert_eq!(
            outlives(config, |rig| {
                rig.client_sends(stream(MessageType::InputStreamData, 0, payload_type, &bytes));
            }),
            counts,
            "{payload_type:?}"
        );
    }
    // Of a terminal a program that prints on and on shows nobody; a tunnel's traffic does.
    for (config, counts) in [(shell(), false), (tunnel(), true)] {
        assert_eq!(
            outlives(config, |rig| {
                rig.node_sends(output(0, "x"));
            }),
            counts
        );
    }
}

/// Says whether a session goes on behind its idle timeout when something happens just before it.
fn outlives(config: RelayConfig, happens: impl FnOnce(&mut Rig)) -> bool {
    let mut config = config;
    config.timers.idle = Some(seconds(80));
    let mut rig = Rig::started(config, Some(Capabilities::OURS));
    rig.pass_with_pongs(seconds(79));
    happens(&mut rig);
    let effects = rig.pass_with_pongs(Duration::from_secs(2));
    !effects.contains(&Effect::TerminateOnNode)
}
