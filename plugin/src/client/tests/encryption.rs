//! Sessions with a data key.

use drawbridge_protocol::Hello;
use drawbridge_protocol::encryption::{Challenge, Cipher, DataKey};
use drawbridge_protocol::payload::{HandshakeResponse, SessionType};
use drawbridge_protocol::wire::{Frame, PayloadType};
use serde_json::{Value, json};

use super::peer::{HELLO, Peer};
use super::stage::{Stage, play};
use crate::client::{ClientError, DataKeyError, Mode, SessionEnd};

fn data_key() -> DataKey {
    DataKey::new(&[7; 64]).unwrap()
}

/// The node's side of the session.
fn node() -> Cipher {
    Cipher::of_node(&data_key(), [0; 12])
}

/// Sends the request of an encrypted session and returns the answer.
async fn asked(peer: &mut Peer, session_type: &SessionType) -> HandshakeResponse {
    let request = json!({ "AgentVersion": "3.3.987.0", "RequestedClientActions": [
        { "ActionType": "SessionType",
          "ActionParameters": { "SessionType": session_type.name(), "Properties": Value::Null } },
        { "ActionType": "KMSEncryption", "ActionParameters": { "KMSKeyId": "alias/k", "Challenge": "AAAA" } },
    ] });
    peer.stream(PayloadType::HandshakeRequest, 0, request.to_string())
        .await;
    let answer = peer.input().await;
    assert_eq!(answer.payload_type, PayloadType::HandshakeResponse);
    serde_json::from_slice(&answer.payload).unwrap()
}

/// A session of this type, begun.
async fn begun(stage: &mut Stage, session_type: SessionType) -> (Peer, Cipher) {
    stage.server.keys.borrow_mut().push_back(Ok(data_key()));
    let mut peer = stage.accept().await;
    peer.hello(HELLO).await;
    let response = asked(&mut peer, &session_type).await;
    assert_eq!(response.wrapped_key().as_deref(), Some(&b"wrapped"[..]));
    let mut node = node();
    let challenge = Challenge::new([3; 64]);
    let question = challenge.ask(&mut node);
    peer.stream(PayloadType::EncChallengeRequest, 1, question).await;
    let answer = peer.input().await;
    assert_eq!(answer.payload_type, PayloadType::EncChallengeResponse);
    assert!(challenge.is_answered_by(&answer.payload, &node));
    let complete = json!({ "HandshakeTimeToComplete": 1, "CustomerMessage": "This session is encrypted using AWS KMS." });
    peer.stream(PayloadType::HandshakeComplete, 2, complete.to_string())
        .await;
    (peer, node)
}

/// The next bytes typed, decrypted.
async fn typed(peer: &mut Peer, node: &Cipher) -> Frame {
    loop {
        let frame = peer.input().await;
        if frame.payload_type == PayloadType::Output {
            let payload = node.open(&frame.payload).unwrap();
            return Frame { payload, ..frame };
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shell_is_shown_and_typed_into() {
    let played = play(Mode::Plugin, async |stage| {
        let (mut peer, mut node) = begun(stage, SessionType::StandardStream).await;
        peer.stream(PayloadType::Output, 3, node.seal(b"$ ")).await;
        peer.acknowledged(3).await;
        stage.types("ls\r");
        assert_eq!(typed(&mut peer, &node).await.payload, "ls\r");
        peer.close("").await;
    })
    .await;
    assert!(matches!(played.end, Ok(SessionEnd::Closed { .. })));
    let output = played.screen.output();
    assert!(
        output.contains("This session is encrypted using AWS KMS.\n"),
        "{output}"
    );
    assert!(output.contains("$ "), "{output}");
}

#[tokio::test(start_paused = true)]
async fn a_command_ends_with_its_code_and_says_nothing_else() {
    let played = play(Mode::Exec, async |stage| {
        let (mut peer, mut node) = begun(stage, SessionType::NonInteractiveCommands).await;
        peer.stream(PayloadType::Output, 3, node.seal(b"out\n")).await;
        peer.stream(PayloadType::ExitCode, 4, node.seal(b"EXIT_CODE: 5"))
            .await;
        peer.acknowledged(4).await;
        peer.close("").await;
    })
    .await;
    assert_eq!(played.exit_code(), 5);
    assert_eq!(played.screen.output(), "out\n");
    assert_eq!(played.screen.notices(), "");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_encrypted_is_not_shown() {
    let played = play(Mode::Connect, async |stage| {
        let (mut peer, mut node) = begun(stage, SessionType::StandardStream).await;
        for kind in [PayloadType::Output, PayloadType::StdErr, PayloadType::Error] {
            peer.stream(kind, 3, "Password for root, please: ").await;
        }
        peer.stream(PayloadType::Output, 4, node.seal(b"$ ")).await;
        stage.settle().await;
        peer.close("").await;
    })
    .await;
    let shown = played.screen.output() + &played.screen.notices();
    assert!(!shown.contains("Password"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn without_a_key_the_node_is_told_why() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.accept().await;
        peer.hello(HELLO).await;
        let response = asked(&mut peer, &SessionType::StandardStream).await;
        let [session, key] = &response.processed_client_actions[..] else {
            panic!("{response:?}")
        };
        assert_eq!(
            (u32::from(session.action_status), u32::from(key.action_status)),
            (1, 2)
        );
        assert_eq!(
            key.error,
            "Failed to process action KMSEncryption: the key service gave no data key of a session"
        );
        peer.close("no key").await;
    })
    .await;
    assert_eq!(played.exit_code(), 1);
    assert!(played.screen.output().contains("no key"));
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_reads_with_the_key_of_the_session() {
    for mode in [Mode::Attach, Mode::Watch] {
        let played = play(mode, async |stage| {
            *stage.server.joined.borrow_mut() = Some(Ok(Some(data_key())));
            let mut peer = stage.accept().await;
            peer.hello(Hello {
                role: if mode == Mode::Watch {
                    drawbridge_protocol::Role::Watcher
                } else {
                    drawbridge_protocol::Role::Owner
                },
                ..HELLO
            })
            .await;
            let mut node = node();
            peer.stream(PayloadType::Output, 0, node.seal(b"$ ")).await;
            peer.acknowledged(0).await;
            if mode == Mode::Attach {
                stage.types("ls");
                assert_eq!(typed(&mut peer, &node).await.payload, "ls");
            }
            peer.close("").await;
        })
        .await;
        assert!(played.screen.output().contains("$ "), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_a_shell_over_begins_anew_beside_it_where_that_is_encrypted() {
    for sealed_commands in [true, false] {
        play(Mode::Attach, async |stage| {
            *stage.server.joined.borrow_mut() = Some(Ok(Some(data_key())));
            let mut peer = stage.accept().await;
            let capabilities = drawbridge_protocol::Capabilities {
                sealed_commands,
                ..HELLO.capabilities
            };
            peer.hello(Hello {
                capabilities,
                ..HELLO
            })
            .await;
            let mut node = node();
            peer.stream(PayloadType::Output, 0, node.seal(b"$ ")).await;
            stage.types("ls");
            let mut numbers = Vec::new();
            loop {
                let frame = peer.input().await;
                match frame.payload_type {
                    PayloadType::Output => break,
                    PayloadType::Multiplexed => {
                        numbers.push(node.open_message(&frame.payload).unwrap().number);
                    }
                    _ => {}
                }
            }
            assert_eq!(numbers, if sealed_commands { vec![0] } else { vec![] });
            peer.close("").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_unwrap_the_key_does_not_join() {
    let played = play(Mode::Attach, async |stage| {
        *stage.server.joined.borrow_mut() = Some(Err(DataKeyError::NotOne));
    })
    .await;
    let error = played.end.unwrap_err();
    assert!(matches!(error, ClientError::DataKey { .. }), "{error}");
    assert_eq!(played.server.count("dial"), 0, "the session has its client still");
    assert_eq!(played.server.count("terminate"), 0);
}
