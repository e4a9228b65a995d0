//! Commands: between pipes, and on a terminal.

use drawbridge_protocol::payload::flag;
use drawbridge_protocol::wire::PayloadType;
use drawbridge_protocol::{CommandKind, Hello, Role};

use super::peer::HELLO;
use super::stage::{Stage, denied, play, play_piped};
use crate::client::{ClientError, Mode, SessionEnd};
use crate::terminal::{Occurrence, Signal};

/// Every byte there is, keys with a meaning and halves of characters among them.
fn every_byte() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

#[tokio::test(start_paused = true)]
async fn every_byte_passes_both_ways_and_the_end_of_input_is_told_once() {
    for (mode, interactive) in [
        (Mode::Plugin, false),
        (Mode::Exec, false),
        (Mode::Plugin, true),
        (Mode::Exec, true),
    ] {
        let script = async |stage: &mut Stage| {
            let mut peer = stage.command().await;
            stage.types("\n~.\n~d");
            stage.types(every_byte());
            stage.screen.happens(Occurrence::EndOfInput);
            let (typed, number) = peer.until_flag().await;
            assert_eq!(typed, [b"\n~.\n~d", &every_byte()[..]].concat());
            assert_eq!(number, flag::END_OF_INPUT);
            peer.output(2, every_byte()).await;
            peer.stream(PayloadType::StdErr, 3, "err\n").await;
            peer.stream(PayloadType::ExitCode, 4, "EXIT_CODE: 3").await;
            peer.acknowledged(4).await;
            peer.close("").await;
        };
        let played = match interactive {
            true => play(mode, script).await,
            false => play_piped(mode, script).await,
        };
        // Nothing but the command's own bytes, in the plugin too: an archive has to survive it.
        assert_eq!(played.screen.bytes(), every_byte());
        assert_eq!(played.screen.notices(), "err\n");
        assert_eq!(played.exit_code(), 3);
        assert!(played.screen.modes().is_empty(), "the terminal is not touched");
        assert_eq!(played.server.count("terminate"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn input_goes_in_frames_as_large_as_agreed() {
    play_piped(Mode::Exec, async |stage| {
        let mut peer = stage.command().await;
        for _ in 0..32 {
            stage.types(vec![b'x'; 64 * 1024]);
        }
        stage.screen.happens(Occurrence::EndOfInput);
        let mut longest = 0;
        let mut total = 0;
        loop {
            let frame = peer.input().await;
            if frame.payload_type == PayloadType::Flag {
                break;
            }
            longest = longest.max(frame.payload.len());
            total += frame.payload.len();
        }
        assert_eq!((longest, total), (32 * 1024, 32 * 64 * 1024));
        peer.close_with("", Some(0)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn input_that_the_node_does_not_take_is_not_read_and_the_end_is_found_behind_it() {
    let played = play_piped(Mode::Exec, async |stage| {
        let mut peer = stage.command().await;
        for _ in 0..64 {
            stage.types(vec![b'x'; 64 * 1024]);
        }
        stage.settle().await;
        // Nothing is acknowledged: a window's worth was taken, the rest waits in the pipe.
        let waiting = stage.screen.unread();
        assert!((40..=48).contains(&waiting), "{waiting} of 64 chunks wait");
        // The command read no more and exited: the server hangs up on what is still being written.
        peer.close_with("", Some(5)).await;
    })
    .await;
    assert_eq!(played.exit_code(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_loses_and_doubles_no_input() {
    let played = play_piped(Mode::Exec, async |stage| {
        let mut peer = stage.command().await;
        stage.types("one ");
        assert_eq!(peer.typed().await, "one ");
        stage.types("two ");
        peer.unacknowledged().await;
        drop(peer);
        stage.types("three");
        stage.screen.happens(Occurrence::EndOfInput);
        let mut peer = stage.accept().await;
        // The handshake's answer and the first piece have arrived.
        peer.hello(Hello {
            input_sequence: 2,
            ..HELLO
        })
        .await;
        let (typed, number) = peer.until_flag().await;
        assert_eq!((typed, number), (b"two three".to_vec(), flag::END_OF_INPUT));
        peer.close_with("", Some(7)).await;
    })
    .await;
    assert_eq!(played.exit_code(), 7);
    assert_eq!(played.screen.notices(), "");
}

#[tokio::test(start_paused = true)]
async fn the_servers_word_on_the_exit_code_goes_before_the_nodes() {
    let played = play_piped(Mode::Exec, async |stage| {
        let mut peer = stage.command().await;
        peer.stream(PayloadType::ExitCode, 2, "EXIT_CODE: 3").await;
        peer.close_with("", Some(4)).await;
    })
    .await;
    assert_eq!(played.end.unwrap().command_exit_code(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_ended_by_somebody_has_no_exit_code() {
    for (mode, says) in [
        (
            Mode::Plugin,
            "\n\nSessionId: alice-0a1b2c3d4e5f67890 : ended by root\n\n",
        ),
        (Mode::Exec, ""),
    ] {
        let played = play_piped(mode, async |stage| {
            let mut peer = stage.command().await;
            peer.output(2, "part of an archive").await;
            peer.close("ended by root").await;
        })
        .await;
        let end = played.end.as_ref().unwrap();
        assert_eq!((end.command_exit_code(), end.exit_code()), (None, 1));
        assert_eq!(played.screen.output(), "part of an archive");
        assert_eq!(played.screen.notices(), says);
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_session_is_gone_says_so_beside_the_output() {
    let played = play_piped(Mode::Plugin, async |stage| {
        drop(stage.command().await);
        stage.server.renewals.borrow_mut().push_back(Ok(None));
    })
    .await;
    assert_eq!(played.end.unwrap(), SessionEnd::TimedOut);
    assert_eq!(played.screen.output(), "");
    assert!(played.screen.notices().contains("timed out"));
}

#[tokio::test(start_paused = true)]
async fn words_of_the_node_do_not_get_into_the_output_of_a_command() {
    let played = play_piped(Mode::Plugin, async |stage| {
        let mut peer = stage.accept().await;
        peer.hello(HELLO).await;
        peer.handshake("NonInteractiveCommands").await;
        peer.complete_handshake("mind the gap").await;
        peer.close_with("", Some(0)).await;
    })
    .await;
    assert_eq!(played.screen.output(), "");
    assert_eq!(played.screen.notices(), "mind the gap\n");
}

#[tokio::test(start_paused = true)]
async fn a_closed_standard_output_ends_the_command() {
    let played = play_piped(Mode::Exec, async |stage| {
        let _peer = stage.command().await;
        stage
            .screen
            .happens(Occurrence::OutputFailed(std::io::ErrorKind::BrokenPipe.into()));
    })
    .await;
    assert!(matches!(played.end, Err(ClientError::Output(_))));
    assert_eq!(played.server.count("terminate"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_command_that_may_not_be_resumed_is_an_error() {
    let played = play_piped(Mode::Exec, async |stage| {
        drop(stage.command().await);
        let denied = crate::api::ApiError::Call {
            operation: "ResumeSession",
            source: denied(),
        };
        stage.server.renewals.borrow_mut().push_back(Err(denied));
    })
    .await;
    assert!(matches!(played.end, Err(ClientError::Resume { .. })));
}

#[tokio::test(start_paused = true)]
async fn ctrl_z_stops_the_job_and_leaves_the_command_alone() {
    let played = play(Mode::Exec, async |stage| {
        let mut peer = stage.command().await;
        stage.signals(Signal::Stop);
        stage.settle().await;
        stage.signals(Signal::Continued);
        stage.types("x");
        assert_eq!(peer.typed().await, "x");
        peer.close("").await;
    })
    .await;
    assert_eq!(played.screen.modes(), ["stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_on_a_terminal_is_a_shell_with_an_exit_code() {
    for (mode, banner) in [(Mode::Plugin, true), (Mode::Exec, false)] {
        let played = play(mode, async |stage| {
            let mut peer = stage.accept().await;
            peer.hello(HELLO).await;
            peer.handshake("InteractiveCommands").await;
            peer.complete_handshake("").await;
            assert_eq!(peer.size().await.cols, 120);
            stage.types("q");
            assert_eq!(peer.typed().await, "q");
            stage.signals(Signal::Interrupt);
            assert_eq!(peer.typed().await, "\x03");
            peer.output(2, "top\r\n").await;
            peer.close_with("", Some(3)).await;
        })
        .await;
        assert_eq!(played.exit_code(), 3);
        assert_eq!(played.screen.modes(), ["raw", "cooked"]);
        assert_eq!(played.screen.output().contains("Starting session"), banner);
        assert_eq!(played.screen.output().contains("Exiting session"), banner);
        assert_eq!(played.screen.notices(), "");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_the_middle_of_a_command_has_its_input_and_its_code() {
    let hello = Hello {
        command: Some(CommandKind::NonInteractiveCommands),
        ..HELLO
    };
    let played = play_piped(Mode::Attach, async |stage| {
        let mut peer = stage.accept().await;
        peer.hello(hello).await;
        peer.stream(PayloadType::StdErr, 0, "so far\n").await;
        stage.types("\n~d");
        stage.screen.happens(Occurrence::EndOfInput);
        assert_eq!(peer.until_flag().await, (b"\n~d".to_vec(), flag::END_OF_INPUT));
        peer.output(1, "the rest").await;
        peer.close_with("", Some(5)).await;
    })
    .await;
    assert_eq!(played.exit_code(), 5);
    assert_eq!(
        (played.screen.output().as_str(), played.screen.notices().as_str()),
        ("the rest", "so far\n")
    );
    let played = play(Mode::Watch, async |stage| {
        let mut peer = stage.accept().await;
        peer.hello(Hello {
            role: Role::Watcher,
            ..hello
        })
        .await;
        peer.output(0, "so far\n").await;
        stage.types("not for the command");
        peer.close_with("", Some(6)).await;
    })
    .await;
    assert_eq!(played.exit_code(), 6);
    assert_eq!(
        (played.screen.output().as_str(), played.screen.notices().as_str()),
        ("so far\n", "")
    );
    assert!(played.screen.modes().is_empty(), "the terminal is not touched");
}
