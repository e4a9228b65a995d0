//! Escapes, signals and modes.

use std::time::Duration;

use drawbridge_protocol::payload::Size;
use drawbridge_protocol::{Hello, Role};

use super::peer::HELLO;
use super::stage::{play, play_piped};
use crate::client::{Mode, SessionEnd};
use crate::terminal::{Occurrence, Signal};

#[tokio::test(start_paused = true)]
async fn tilde_dot_leaves_and_leaves_nothing_running() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        stage.types("ls\r~");
        assert_eq!(peer.typed().await, "ls\r");
        stage.types(".");
    })
    .await;
    assert_eq!(
        played.end.as_ref().unwrap(),
        &SessionEnd::Left { terminated: true }
    );
    assert_eq!(played.exit_code(), 0);
    assert_eq!(played.server.count("terminate"), 1);
    assert_eq!(played.screen.modes(), ["raw", "cooked"]);
    assert_eq!(
        played.screen.notices(),
        "session alice-0a1b2c3d4e5f67890 was ended"
    );
}

#[tokio::test(start_paused = true)]
async fn tilde_d_detaches_a_person_but_not_a_plugin() {
    let played = play(Mode::Connect, async |stage| {
        let _peer = stage.shell().await;
        stage.types("~d");
    })
    .await;
    assert_eq!(played.end.unwrap(), SessionEnd::Detached);
    assert_eq!(played.server.count("terminate"), 0);
    assert!(
        played
            .screen
            .notices()
            .contains("`drawbridge sessions attach alice-0a1b2c3d4e5f67890`")
    );

    play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        stage.types("~d");
        assert_eq!(peer.typed().await, "~");
        assert_eq!(peer.typed().await, "d");
        peer.close("").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tilde_question_mark_lists_the_escapes() {
    for (mode, detaches) in [(Mode::Plugin, false), (Mode::Connect, true)] {
        let played = play(mode, async |stage| {
            let mut peer = stage.shell().await;
            stage.types("~?");
            stage.types("x");
            assert_eq!(peer.typed().await, "x");
            peer.close("").await;
        })
        .await;
        assert!(played.screen.notices().contains("~.   end the session"));
        assert_eq!(played.screen.notices().contains("~d "), detaches);
    }
}

#[tokio::test(start_paused = true)]
async fn tilde_ctrl_z_stops_this_program_and_comes_back_raw_with_its_size() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        stage.types("~\x1a");
        stage.settle().await;
        assert_eq!(stage.screen.modes(), ["raw", "cooked", "stopped"]);
        stage.screen.size.set(Size { cols: 80, rows: 24 });
        stage.signals(Signal::Continued);
        assert_eq!(peer.size().await.cols, 80);
        assert_eq!(stage.screen.modes().last(), Some(&"raw"));
        peer.close("").await;
    })
    .await;
    assert_eq!(played.screen.modes().last(), Some(&"cooked"));
}

#[tokio::test(start_paused = true)]
async fn a_changed_window_is_reported() {
    play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        stage.screen.size.set(Size { cols: 91, rows: 17 });
        stage.signals(Signal::WindowChanged);
        let size = peer.size().await;
        assert_eq!((size.cols, size.rows), (91, 17));
        peer.close("").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn signals_travel_as_the_bytes_of_their_keys() {
    play_piped(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        for (signal, key) in [
            (Signal::Interrupt, "\x03"),
            (Signal::Quit, "\x1c"),
            (Signal::Stop, "\x1a"),
        ] {
            stage.signals(signal);
            assert_eq!(peer.typed().await, key);
        }
        peer.close("").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_before_the_session_begins_gives_up() {
    let played = play(Mode::Plugin, async |stage| {
        let _peer = stage.accept().await;
        stage.signals(Signal::Interrupt);
    })
    .await;
    assert_eq!(played.end.unwrap(), SessionEnd::Left { terminated: true });
}

#[tokio::test(start_paused = true)]
async fn being_told_to_end_says_goodbye_unless_somebody_else_began_the_session() {
    for (mode, goodbyes) in [
        (Mode::Plugin, 1),
        (Mode::Connect, 1),
        (Mode::Attach, 0),
        (Mode::Watch, 0),
    ] {
        let played = play(mode, async |stage| {
            let mut peer = stage.accept().await;
            peer.output(0, "$ ").await;
            peer.acknowledged(0).await;
            stage.signals(Signal::Terminate);
        })
        .await;
        assert_eq!(played.exit_code(), 143);
        assert_eq!(played.server.count("terminate"), goodbyes, "{mode:?}");
        assert_eq!(played.screen.modes(), ["raw", "cooked"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_ends_has_hung_up() {
    let played = play(Mode::Plugin, async |stage| {
        let _peer = stage.shell().await;
        stage.screen.happens(Occurrence::EndOfInput);
    })
    .await;
    assert_eq!(played.exit_code(), 129);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_says_nothing_and_leaves_by_itself() {
    for key in ["q", "\x03", "~."] {
        let played = play(Mode::Watch, async |stage| {
            let mut peer = stage.accept().await;
            peer.hello(Hello {
                role: Role::Watcher,
                ..HELLO
            })
            .await;
            peer.output(0, "$ ").await;
            peer.acknowledged(0).await;
            stage.types("rm -rf /\r");
            stage.signals(Signal::WindowChanged);
            assert!(peer.is_quiet_for(Duration::from_secs(60)).await);
            stage.types(key);
        })
        .await;
        assert_eq!(played.end.unwrap(), SessionEnd::Detached);
        assert_eq!(played.server.count("terminate"), 0);
    }
}
