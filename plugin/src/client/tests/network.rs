//! Connections that fail, break and fall silent.

use std::time::Duration;

use drawbridge_aws_client::credentials::CredentialsError;
use drawbridge_protocol::Hello;

use super::peer::HELLO;
use super::stage::{denied, play, unreachable};
use crate::api::ApiError;
use crate::client::{ClientError, Mode, SessionEnd};

const OPERATION: &str = "ResumeSession";

#[tokio::test(start_paused = true)]
async fn a_cut_connection_is_resumed_without_a_word() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        let client_id = peer.open.client_id.clone();
        stage.types("lost?\r");
        let unacknowledged = peer.unacknowledged().await;
        drop(peer);
        let mut peer = stage.accept().await;
        assert_eq!(peer.open.token_value.expose(), "token-1");
        assert_eq!(peer.open.client_id, client_id);
        let again = peer.input().await;
        assert_eq!(
            (again.sequence, &again.payload),
            (unacknowledged.sequence, &unacknowledged.payload)
        );
        assert_eq!(again.message_id, unacknowledged.message_id);
        // The server sends again what it has seen no acknowledgement for.
        peer.output(0, "$ ").await;
        peer.output(1, "not lost\r\n").await;
        peer.acknowledged(1).await;
        peer.close("").await;
    })
    .await;
    assert_eq!(played.exit_code(), 0);
    assert!(played.screen.output().contains("\n$ not lost\r\n\n\nExiting"));
    assert_eq!(played.screen.notices(), "");
    assert_eq!(played.server.count("renew"), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_cuts_lose_and_double_nothing() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        for cut in 1..=10 {
            stage.types(format!("{cut}\r"));
            assert_eq!(peer.typed().await, format!("{cut}\r"));
            peer.output(cut, format!("<{cut}>")).await;
            drop(peer);
            peer = stage.accept().await;
            peer.hello(Hello {
                input_sequence: cut + 1,
                ..HELLO
            })
            .await;
            // Whether the acknowledgement of the last output made it is unknown: it comes again.
            peer.output(cut, format!("<{cut}>")).await;
            peer.acknowledged(cut).await;
        }
        peer.close("").await;
    })
    .await;
    let expected: String = (1..=10).map(|cut| format!("<{cut}>")).collect();
    assert!(
        played
            .screen
            .output()
            .contains(&format!("\n$ {expected}\n\nExiting")),
        "{}",
        played.screen.output()
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_is_told_and_can_be_left() {
    let played = play(Mode::Plugin, async |stage| {
        let peer = stage.shell().await;
        stage.refuses(1000);
        drop(peer);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(stage.screen.notices(), "");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(
            stage.screen.notices(),
            "connection lost, reconnecting … (~. to give up)"
        );
        stage.types("typed in vain\r~.");
    })
    .await;
    assert_eq!(played.end.unwrap(), SessionEnd::Left { terminated: true });
    assert!(
        played.server.count("renew") < 60,
        "{}",
        played.server.count("renew")
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_outage_is_told_and_what_was_typed_in_it_arrives() {
    let played = play(Mode::Plugin, async |stage| {
        let peer = stage.shell().await;
        stage.refuses(8);
        drop(peer);
        stage.types("patience\r");
        let mut peer = stage.accept().await;
        assert_eq!(peer.typed().await, "patience\r");
        peer.close("").await;
    })
    .await;
    assert_eq!(
        played.screen.notices(),
        "connection lost, reconnecting … (~. to give up)\nconnected again"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_end_is_a_sentence_in_the_end() {
    let played = play(Mode::Plugin, async |stage| {
        let peer = stage.shell().await;
        stage.refuses(1000);
        drop(peer);
    })
    .await;
    let error = played.end.unwrap_err();
    assert!(
        matches!(&error, ClientError::ConnectionLost { lost_for, .. } if lost_for.as_secs() >= 600),
        "{error}"
    );
    assert_eq!(played.screen.modes(), ["raw", "cooked"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_token_to_resume_it_has_timed_out() {
    let played = play(Mode::Plugin, async |stage| {
        let peer = stage.shell().await;
        stage.server.renewals.borrow_mut().push_back(Ok(None));
        drop(peer);
    })
    .await;
    assert_eq!(played.end.as_ref().unwrap(), &SessionEnd::TimedOut);
    assert!(
        played
            .screen
            .output()
            .ends_with("$ Session: alice-0a1b2c3d4e5f67890 timed out.\n")
    );
    assert_eq!(played.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clear_no_to_a_resume_is_a_sentence() {
    let refused = ApiError::Call {
        operation: OPERATION,
        source: denied(),
    };
    let unsigned = ApiError::Credentials {
        operation: OPERATION,
        source: CredentialsError::NotFound,
    };
    for error in [refused, unsigned] {
        let played = play(Mode::Plugin, async |stage| {
            let peer = stage.shell().await;
            stage.server.renewals.borrow_mut().push_back(Err(error));
            drop(peer);
        })
        .await;
        assert!(matches!(played.end, Err(ClientError::Resume { .. })));
        assert_eq!(played.server.count("renew"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_fails_for_a_while_is_tried_again() {
    play(Mode::Plugin, async |stage| {
        let peer = stage.shell().await;
        for _ in 0..3 {
            let error = ApiError::Call {
                operation: OPERATION,
                source: unreachable(),
            };
            stage.server.renewals.borrow_mut().push_back(Err(error));
        }
        drop(peer);
        let mut peer = stage.accept().await;
        assert_eq!(peer.open.token_value.expose(), "token-4");
        peer.close("").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_is_tried_again_for_a_while() {
    let played = play(Mode::Plugin, async |stage| {
        stage.refuses(3);
        let mut peer = stage.accept().await;
        assert_eq!(peer.open.token_value.expose(), "first-token");
        peer.close("").await;
    })
    .await;
    assert_eq!(played.exit_code(), 0);
    assert_eq!(played.server.count("renew"), 0);
}

#[tokio::test(start_paused = true)]
async fn hazard_8_a_first_connection_that_never_comes_is_a_sentence() {
    let played = play(Mode::Plugin, async |stage| {
        stage.refuses(1000);
    })
    .await;
    assert!(matches!(played.end, Err(ClientError::Open { .. })));
    assert!(played.server.count("dial") < 40);
    assert_eq!(
        played.screen.notices(),
        "no connection yet, trying again … (Ctrl-C to give up)"
    );

    let played = play(Mode::Plugin, async |stage| {
        stage.server.refusals.borrow_mut().push_back(denied());
    })
    .await;
    assert!(matches!(played.end, Err(ClientError::Open { .. })));
    assert_eq!(played.server.count("dial"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_replaced() {
    play(Mode::Plugin, async |stage| {
        let mut silent = stage.shell().await;
        // One more read answers the ping with which the client began.
        stage.types("x");
        assert_eq!(silent.typed().await, "x");
        let before = tokio::time::Instant::now();
        let mut peer = stage.accept().await;
        assert!(
            before.elapsed() < Duration::from_secs(20),
            "{:?}",
            before.elapsed()
        );
        drop(silent);
        peer.close("").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_at_once_is_not_met_at_full_speed() {
    let played = play(Mode::Plugin, async |stage| {
        drop(stage.shell().await);
        let before = tokio::time::Instant::now();
        for _ in 0..10 {
            stage.accept().await.hello(HELLO).await;
        }
        assert!(
            before.elapsed() > Duration::from_secs(6),
            "{:?}",
            before.elapsed()
        );
        stage.server.renewals.borrow_mut().push_back(Ok(None));
    })
    .await;
    assert_eq!(played.end.unwrap(), SessionEnd::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_long_to_begin_is_told() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.accept().await;
        assert!(peer.is_quiet_for(Duration::from_secs(120)).await);
        peer.close("the node did not answer").await;
    })
    .await;
    assert_eq!(
        played.screen.notices(),
        "waiting for the session to begin … (Ctrl-C to give up)"
    );
    assert_eq!(played.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_says_anything_is_not_waited_for_for_ever() {
    let mut deaf = Vec::new();
    let played = play(Mode::Plugin, async |stage| {
        for _ in 0..3 {
            deaf.push(stage.accept().await);
        }
        stage.server.renewals.borrow_mut().push_back(Ok(None));
    })
    .await;
    assert_eq!(played.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_that_it_missed_something() {
    let played = play(Mode::Watch, async |stage| {
        let mut peer = stage.accept().await;
        peer.output(0, "$ ").await;
        peer.acknowledged(0).await;
        drop(peer);
        let mut peer = stage.accept().await;
        peer.output(0, "$ ").await;
        peer.acknowledged(0).await;
        peer.close("").await;
    })
    .await;
    assert!(
        played
            .screen
            .notices()
            .starts_with("connected again; output in between is not shown")
    );
}
