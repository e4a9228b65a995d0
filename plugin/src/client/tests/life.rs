//! Beginnings and ends.

use drawbridge_protocol::Capabilities;
use drawbridge_protocol::wire::{MessageType, PayloadType};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::peer::HELLO;
use super::stage::{play, play_piped, play_with};
use crate::client::{ClientError, ClientOptions, Mode, SessionEnd, SessionKind};
use crate::terminal::Occurrence;

const START: &str = "\nStarting session with SessionId: alice-0a1b2c3d4e5f67890\n";
const EXIT: &str = "\n\nExiting session with sessionId: alice-0a1b2c3d4e5f67890.\n\n";

#[tokio::test(start_paused = true)]
async fn a_shell_begins_types_and_ends() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.accept().await;
        assert_eq!(peer.open.token_value.expose(), "first-token");
        assert_eq!(peer.open.client_version.as_deref(), Some("1.2.800.0"));
        assert_eq!(peer.open.capabilities, Some(Capabilities::OURS));
        stage.settle().await;
        assert!(
            stage.screen.modes().is_empty(),
            "Ctrl-C works until the session begins"
        );
        peer.output(0, "$ ").await;
        let size = peer.size().await;
        assert_eq!((size.cols, size.rows), (120, 40));
        assert_eq!(stage.screen.modes(), ["raw"]);
        stage.types("echo hi\r");
        assert_eq!(peer.typed().await, "echo hi\r");
        peer.output(1, "echo hi\r\nhi\r\n$ ").await;
        peer.acknowledged(1).await;
        peer.close("").await;
    })
    .await;
    assert_eq!(
        played.screen.output(),
        format!("{START}$ echo hi\r\nhi\r\n$ {EXIT}")
    );
    assert_eq!(played.screen.modes(), ["raw", "cooked"]);
    assert_eq!(played.exit_code(), 0);
    assert_eq!(played.server.count("terminate"), 0);
    assert_eq!(played.screen.notices(), "");
}

#[tokio::test(start_paused = true)]
async fn tells_awss_own_service_nothing_of_capabilities() {
    let options = ClientOptions {
        capabilities: None,
        ..ClientOptions::new(Mode::Plugin)
    };
    play_with(&options, true, async |stage| {
        let mut peer = stage.accept().await;
        assert_eq!(peer.open.capabilities, None);
        peer.close("").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_session_is_a_sentence_and_a_failure() {
    let played = play(Mode::Plugin, async |stage| {
        stage.accept().await.close("Session is already terminated").await;
    })
    .await;
    let text = "\n\nSessionId: alice-0a1b2c3d4e5f67890 : Session is already terminated\n\n";
    assert_eq!(played.screen.output(), format!("{START}{text}"));
    assert_eq!(played.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_our_server_is_believed_that_words_at_the_end_mean_failure() {
    for (ours, expected) in [(true, 1), (false, 0)] {
        let played = play(Mode::Plugin, async |stage| {
            let mut peer = stage.accept().await;
            if ours {
                peer.hello(HELLO).await;
            }
            peer.output(0, "$ ").await;
            peer.size().await;
            peer.close("idle for 20 minutes").await;
        })
        .await;
        assert_eq!(played.exit_code(), expected, "our server: {ours}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_exit_code_of_the_shell_reaches_the_caller() {
    let played = play(Mode::Connect, async |stage| {
        let mut peer = stage.shell().await;
        let closed = json!({ "SessionId": "a", "Output": "", "ExitCode": 3 });
        let frame = peer.frame_of(MessageType::ChannelClosed, closed.to_string());
        peer.send(frame.encode()).await;
    })
    .await;
    let expected = SessionEnd::Closed {
        kind: Some(SessionKind::Shell),
        output: String::new(),
        exit_code: Some(3),
        failed: false,
    };
    assert_eq!(played.end.unwrap(), expected);
    // A person sees the same words, but not among the output.
    assert_eq!(played.screen.output(), "$ ");
    assert_eq!(played.screen.notices(), EXIT);
}

#[tokio::test(start_paused = true)]
async fn hazard_1_text_frames_and_false_header_lengths_are_survived() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        for text in ["short".to_owned(), "x".repeat(200), "{}".into()] {
            peer.socket.send(Message::text(text)).await.unwrap();
        }
        let frame = peer.frame_of(MessageType::OutputStreamData, "harmless").encode();
        for length in [0_u32, 115, 117, 1 << 20, u32::MAX] {
            let mut bytes = frame.to_vec();
            bytes[..4].copy_from_slice(&length.to_be_bytes());
            peer.send(bytes.into()).await;
            peer.send(frame.slice(..40)).await;
        }
        peer.output(1, "alive").await;
        peer.acknowledged(1).await;
        peer.close("").await;
    })
    .await;
    assert_eq!(played.screen.output(), format!("{START}$ alive{EXIT}"));
}

#[tokio::test(start_paused = true)]
async fn hazard_6_a_handshake_is_answered_once_and_its_message_shown() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.accept().await;
        let answer = peer.handshake("InteractiveCommands").await;
        assert_eq!(answer.payload_type, PayloadType::HandshakeResponse);
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        assert_eq!(answer["ProcessedClientActions"][0]["ActionStatus"], 1);
        stage.types("typed ahead\r");
        peer.complete_handshake("mind the gap").await;
        assert_eq!(peer.size().await.cols, 120);
        assert_eq!(peer.typed().await, "typed ahead\r");
        // A second request draws no second answer.
        let again = json!({ "AgentVersion": "3.3.987.0", "RequestedClientActions": [] });
        peer.stream(PayloadType::HandshakeRequest, 2, again.to_string())
            .await;
        stage.types("x");
        assert_eq!(peer.typed().await, "x");
        peer.close("").await;
    })
    .await;
    assert_eq!(played.screen.output(), format!("{START}mind the gap\n{EXIT}"));
}

#[tokio::test(start_paused = true)]
async fn hazard_34_a_lone_newline_is_a_byte_like_any_other() {
    play_piped(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        stage.types("\n");
        assert_eq!(peer.typed().await, "\n");
        stage.types("one\ntwo\n");
        assert_eq!(peer.typed().await, "one\ntwo\n");
        peer.close("").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_pipe_that_ends_is_ctrl_d_on_a_line_of_its_own() {
    for (typed, expected) in [("uptime\n", "\x04"), ("uptime", "\r\x04")] {
        play_piped(Mode::Plugin, async |stage| {
            let mut peer = stage.shell().await;
            stage.types(typed);
            stage.screen.happens(Occurrence::EndOfInput);
            assert_eq!(peer.typed().await, typed);
            assert_eq!(peer.typed().await, expected);
            peer.close("").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_standard_output_ends_the_session() {
    let played = play(Mode::Plugin, async |stage| {
        let _peer = stage.shell().await;
        stage
            .screen
            .happens(Occurrence::OutputFailed(std::io::ErrorKind::BrokenPipe.into()));
    })
    .await;
    assert!(matches!(played.end, Err(ClientError::Output(_))));
    assert_eq!(played.server.count("terminate"), 1);
}
