//! Signals while a command runs between pipes.

use std::time::Duration;

use drawbridge_protocol::payload::flag;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{Capabilities, Hello};

use super::peer::HELLO;
use super::stage::play_piped;
use crate::client::Mode;
use crate::terminal::{Occurrence, Signal};

/// A server's hello where something cannot be done.
fn without(take: impl FnOnce(&mut Capabilities)) -> Hello {
    let mut hello = HELLO;
    take(&mut hello.capabilities);
    hello
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_is_the_commands_whose_own_code_counts() {
    for (signal, number) in [
        (Signal::Interrupt, flag::INTERRUPT),
        (Signal::Quit, flag::QUIT),
        (Signal::Terminate, flag::TERMINATE),
    ] {
        for mode in [Mode::Exec, Mode::Plugin] {
            let played = play_piped(mode, async |stage| {
                let mut peer = stage.command().await;
                stage.types("in the middle of");
                assert_eq!(peer.typed().await, "in the middle of");
                stage.signals(signal);
                assert_eq!(peer.until_flag().await, (Vec::new(), number));
                peer.output(2, "tidying up\n").await;
                peer.close_with("", Some(3)).await;
            })
            .await;
            assert_eq!(played.screen.output(), "tidying up\n");
            assert_eq!((played.exit_code(), played.server.count("terminate")), (3, 0));
            assert_eq!(played.screen.notices(), "");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_goes_ahead_of_what_the_node_does_not_take() {
    let played = play_piped(Mode::Exec, async |stage| {
        let mut peer = stage.command().await;
        for _ in 0..64 {
            stage.types(vec![b'x'; 64 * 1024]);
        }
        stage.settle().await;
        stage.signals(Signal::Interrupt);
        stage.settle().await;
        // Nothing is acknowledged, and all the same it comes, behind a window's worth.
        let waiting = stage.screen.unread();
        let (_, number) = peer.until_flag().await;
        assert_eq!(number, flag::INTERRUPT);
        assert!(waiting >= 40, "{waiting} chunks wait");
        peer.close_with("", Some(130)).await;
    })
    .await;
    assert_eq!((played.exit_code(), played.server.count("terminate")), (130, 0));
}

#[tokio::test(start_paused = true)]
async fn the_second_signal_gives_up() {
    for second in [Signal::Interrupt, Signal::Terminate] {
        let played = play_piped(Mode::Exec, async |stage| {
            let mut peer = stage.command().await;
            stage.signals(Signal::Interrupt);
            peer.until_flag().await;
            stage.signals(second);
        })
        .await;
        assert_eq!(played.exit_code(), 128 + second.number());
        assert_eq!(played.server.count("terminate"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_survives_a_cut_connection() {
    let played = play_piped(Mode::Exec, async |stage| {
        let mut peer = stage.command().await;
        stage.signals(Signal::Interrupt);
        peer.unacknowledged().await;
        drop(peer);
        let mut peer = stage.accept().await;
        peer.hello(HELLO).await;
        let frame = peer.input().await;
        assert_eq!(frame.payload_type, PayloadType::Flag);
        peer.close_with("", Some(130)).await;
    })
    .await;
    assert_eq!(played.exit_code(), 130);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_ended_by_somebody_after_a_signal_has_no_exit_code() {
    for (words, code) in [("ended by root", 1), ("", 130)] {
        let played = play_piped(Mode::Exec, async |stage| {
            let mut peer = stage.command().await;
            stage.signals(Signal::Interrupt);
            peer.until_flag().await;
            peer.close(words).await;
        })
        .await;
        assert_eq!(played.exit_code(), code, "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_a_copy_is_not_for_its_other_end() {
    let played = play_piped(Mode::Copy, async |stage| {
        let _peer = stage.command().await;
        stage.signals(Signal::Interrupt);
    })
    .await;
    assert_eq!((played.exit_code(), played.server.count("terminate")), (130, 1));
}

#[tokio::test(start_paused = true)]
async fn who_attached_interrupts_the_command_and_leaves_it_running() {
    for last in [Signal::Interrupt, Signal::Terminate, Signal::Hangup] {
        let played = play_piped(Mode::Attach, async |stage| {
            let mut peer = stage.command().await;
            stage.signals(Signal::Interrupt);
            assert_eq!(peer.until_flag().await.1, flag::INTERRUPT);
            stage.signals(last);
        })
        .await;
        assert_eq!(played.exit_code(), 128 + last.number());
        assert_eq!(played.server.count("terminate"), 0);
    }
    let played = play_piped(Mode::Attach, async |stage| {
        let _peer = stage.command().await;
        stage.signals(Signal::Terminate);
    })
    .await;
    assert_eq!((played.exit_code(), played.server.count("terminate")), (143, 0));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_takes_no_input_is_given_none_but_ctrl_c() {
    for hello in [
        None,
        Some(without(|capabilities| {
            capabilities.end_of_input = false;
            capabilities.signals = false;
        })),
    ] {
        let played = play_piped(Mode::Plugin, async |stage| {
            let mut peer = stage.accept().await;
            if let Some(hello) = hello {
                peer.hello(hello).await;
            }
            peer.handshake("NonInteractiveCommands").await;
            peer.complete_handshake("").await;
            stage.types("ignored");
            stage.screen.happens(Occurrence::EndOfInput);
            stage.settle().await;
            assert_eq!(stage.screen.unread(), 2);
            stage.signals(Signal::WindowChanged);
            stage.signals(Signal::Interrupt);
            assert_eq!(peer.typed().await, "\x03");
            peer.close("").await;
        })
        .await;
        assert_eq!(played.exit_code(), 130);
        assert_eq!(played.server.count("terminate"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_ignores_ctrl_c_is_ended_by_the_second() {
    let played = play_piped(Mode::Exec, async |stage| {
        let mut peer = stage.accept().await;
        peer.handshake("NonInteractiveCommands").await;
        peer.complete_handshake("").await;
        stage.settle().await;
        stage.signals(Signal::Interrupt);
        assert_eq!(peer.typed().await, "\x03");
        stage.signals(Signal::Interrupt);
    })
    .await;
    assert_eq!(played.exit_code(), 130);
    assert_eq!(played.server.count("terminate"), 1);
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_ends_a_command_whose_input_is_every_byte_and_whose_node_knows_no_signals() {
    for (signal, code) in [
        (Signal::Interrupt, 130),
        (Signal::Quit, 131),
        (Signal::Terminate, 143),
    ] {
        let played = play_piped(Mode::Exec, async |stage| {
            let mut peer = stage
                .command_with(without(|capabilities| capabilities.signals = false))
                .await;
            stage.types("in the middle of");
            assert_eq!(peer.typed().await, "in the middle of");
            stage.signals(signal);
        })
        .await;
        assert_eq!(played.exit_code(), code);
        assert_eq!(played.server.count("terminate"), 1);
        assert_eq!(played.screen.notices(), "");
    }
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_works_while_there_is_no_connection() {
    let played = play_piped(Mode::Exec, async |stage| {
        drop(stage.command().await);
        stage.refuses(100);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(stage.screen.notices().contains("(Ctrl-C to give up)"));
        stage.signals(Signal::Interrupt);
    })
    .await;
    assert_eq!(played.exit_code(), 130);
    assert_eq!(played.server.count("terminate"), 1);
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_before_the_command_begins_is_130_too() {
    let played = play_piped(Mode::Exec, async |stage| {
        let _peer = stage.accept().await;
        stage.signals(Signal::Interrupt);
    })
    .await;
    assert_eq!(played.exit_code(), 130);
    assert_eq!(played.server.count("terminate"), 1);
}
