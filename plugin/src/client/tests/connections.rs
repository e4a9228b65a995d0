//! Connections that standard input and output carry, as `ssh` has them from its `ProxyCommand`.

use std::io::ErrorKind;
use std::time::Duration;

use drawbridge_protocol::wire::PayloadType;
use serde_json::{Value, json};

use super::peer::{HELLO, Peer};
use super::stage::{Stage, play, play_piped};
use crate::client::{ClientError, Mode, SessionEnd};
use crate::terminal::{Occurrence, Signal};

const START: &str = "\nStarting session with SessionId: alice-0a1b2c3d4e5f67890\n";
const EXIT: &str = "\n\nExiting session with sessionId: alice-0a1b2c3d4e5f67890.\n\n";

async fn port(stage: &mut Stage, properties: Value) -> Peer {
    let mut peer = stage.accept().await;
    peer.hello(HELLO).await;
    peer.handshake_with("Port", properties).await;
    peer.complete_handshake("").await;
    stage.settle().await;
    peer
}

async fn connection(stage: &mut Stage) -> Peer {
    port(stage, json!({ "portNumber": "22" })).await
}

#[tokio::test(start_paused = true)]
async fn bytes_pass_untouched_and_the_far_end_may_close() {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let played = play_piped(Mode::Plugin, async |stage| {
        let mut peer = connection(stage).await;
        stage.types("\n~.");
        stage.types(bytes.clone());
        let mut sent = Vec::new();
        while sent.len() < bytes.len() + 3 {
            let frame = peer.input().await;
            // No size: a connection has none.
            assert_eq!(frame.payload_type, PayloadType::Output);
            sent.extend_from_slice(&frame.payload);
        }
        assert_eq!(sent, [b"\n~.", &bytes[..]].concat());
        peer.output(2, bytes.clone()).await;
        peer.acknowledged(2).await;
        peer.close("").await;
    })
    .await;
    assert_eq!(
        played.screen.bytes(),
        [START.as_bytes(), &bytes, EXIT.as_bytes()].concat()
    );
    assert_eq!(played.exit_code(), 0);
    assert_eq!(played.screen.notices(), "");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_ends_the_client_once_the_node_has_everything() {
    let played = play_piped(Mode::Plugin, async |stage| {
        let mut peer = connection(stage).await;
        stage.types("goodbye");
        stage.screen.happens(Occurrence::EndOfInput);
        let last = peer.unacknowledged().await;
        stage.settle().await;
        assert_eq!(
            stage.server.count("terminate"),
            0,
            "the last words are on their way"
        );
        peer.output(2, "and to you").await;
        peer.acknowledged(2).await;
        peer.acknowledge(&last).await;
    })
    .await;
    assert_eq!(played.end.as_ref().unwrap(), &SessionEnd::Finished);
    assert_eq!(played.exit_code(), 0);
    assert_eq!(played.server.count("terminate"), 1);
    // Not a word on a terminal that is somebody else's by now.
    assert_eq!(
        (played.screen.output(), played.screen.notices()),
        (format!("{START}and to you"), String::new())
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_nothing_does_not_keep_the_client() {
    let began = tokio::time::Instant::now();
    let played = play_piped(Mode::Plugin, async |stage| {
        let peer = connection(stage).await;
        stage.types("to nobody");
        stage.screen.happens(Occurrence::EndOfInput);
        drop(peer);
        stage.refuses(100);
    })
    .await;
    assert_eq!(played.exit_code(), 0);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_warning_of_the_server_does_not_get_into_the_bytes() {
    let played = play_piped(Mode::Plugin, async |stage| {
        let mut peer = connection(stage).await;
        peer.output(2, "SSH-2.0").await;
        peer.notice("this session ends in 60 s").await;
        peer.output(3, "-peer").await;
        peer.acknowledged(3).await;
        peer.close("").await;
    })
    .await;
    assert_eq!(played.screen.output(), format!("{START}SSH-2.0-peer{EXIT}"));
    assert_eq!(played.screen.notices(), "this session ends in 60 s");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_gone_ends_it_quietly() {
    let played = play_piped(Mode::Plugin, async |stage| {
        let _peer = connection(stage).await;
        stage
            .screen
            .happens(Occurrence::OutputFailed(ErrorKind::BrokenPipe.into()));
    })
    .await;
    assert_eq!(played.end.as_ref().unwrap(), &SessionEnd::Finished);
    assert_eq!(played.server.count("terminate"), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_of_the_terminal_belong_to_whoever_started_the_client() {
    play_piped(Mode::Plugin, async |stage| {
        let mut peer = connection(stage).await;
        for signal in [
            Signal::Interrupt,
            Signal::Quit,
            Signal::Stop,
            Signal::WindowChanged,
        ] {
            stage.signals(signal);
        }
        stage.settle().await;
        stage.types("still here");
        let frame = peer.input().await;
        assert_eq!(frame.payload, "still here");
        peer.close("").await;
        assert!(stage.screen.modes().is_empty());
    })
    .await;
    let by_hand = play(Mode::Plugin, async |stage| {
        let _peer = connection(stage).await;
        stage.signals(Signal::Interrupt);
    })
    .await;
    assert_eq!(by_hand.exit_code(), 130);
    assert_eq!(by_hand.server.count("terminate"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_port_of_an_unknown_type_is_a_sentence_and_nothing_is_left_running() {
    let played = play(Mode::Plugin, async |stage| {
        port(stage, json!({ "portNumber": "80", "type": "Telepathy" })).await;
    })
    .await;
    let error = played.end.unwrap_err();
    assert!(matches!(&error, ClientError::UnsupportedSessionType(name) if name == "Telepathy"));
    assert_eq!(played.server.count("terminate"), 1);
}
