//! Tunnels towards agents that are not ours. The sockets are real, and so is the clock.

use std::path::Path;

use drawbridge_protocol::payload::flag;
use drawbridge_protocol::wire::PayloadType;
use serde_json::json;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::peer::Peer;
use super::stage::{Stage, play};
use crate::client::Mode;
use crate::terminal::Signal;

/// Begins a tunnel to an agent of this version, with a listener at `path`.
async fn tunnel(stage: &mut Stage, agent_version: &str, path: &Path) -> Peer {
    let properties = json!({
        "portNumber": "80", "type": "LocalPortForwarding",
        "localConnectionType": "unix", "localUnixSocket": path,
    });
    let mut peer = stage.accept().await;
    peer.handshake_from(agent_version, "Port", properties).await;
    peer.complete_handshake("").await;
    while !path.exists() {
        stage.settle().await;
    }
    peer
}

async fn connected(path: &Path) -> UnixStream {
    UnixStream::connect(path).await.expect("connected")
}

/// The next bytes of the stream, at least so many.
async fn bytes(peer: &mut Peer, least: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < least {
        let frame = peer.input().await;
        assert_eq!(frame.payload_type, PayloadType::Output);
        bytes.extend_from_slice(&frame.payload);
    }
    bytes
}

#[tokio::test]
async fn an_agent_of_old_has_one_connection_after_the_other() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("db.sock");
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = tunnel(stage, "3.0.100.0", &path).await;
        let mut sequence = 2;
        for _ in 0..2 {
            let mut program = connected(&path).await;
            program.write_all(b"question\n").await.expect("taken");
            assert_eq!(bytes(&mut peer, 9).await, b"question\n");
            peer.output(sequence, "answer").await;
            sequence += 1;
            let mut heard = [0; 6];
            program.read_exact(&mut heard).await.expect("heard");
            assert_eq!(&heard, b"answer");
            drop(program);
            let frame = peer.input().await;
            assert_eq!(frame.payload_type, PayloadType::Flag);
            assert_eq!(flag::parse(&frame.payload), Ok(flag::DISCONNECT_TO_PORT));
        }
        // What a server says first waits for the program that it is for.
        peer.output(sequence, "220 ready").await;
        stage.settle().await;
        let mut program = connected(&path).await;
        let mut heard = [0; 9];
        program.read_exact(&mut heard).await.expect("heard");
        assert_eq!(&heard, b"220 ready");
        peer.close("").await;
    })
    .await;
    assert_eq!(played.exit_code(), 0);
    let screen = String::from_utf8(played.screen.bytes()).expect("text");
    let opened = format!(
        "Unix socket {} opened for sessionId alice-0a1b2c3d4e5f67890.\n",
        path.display()
    );
    assert!(screen.contains(&opened), "{screen}");
    assert!(!screen.contains("Waiting for connections"), "{screen}");
    assert!(!path.exists());
}

#[tokio::test]
async fn an_end_behind_output_that_nobody_takes_is_an_end() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("db.sock");
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = tunnel(stage, "3.0.100.0", &path).await;
        peer.output(2, "220 ready").await;
        peer.close("").await;
    })
    .await;
    assert_eq!(played.exit_code(), 0);
}

#[tokio::test]
async fn awss_agent_is_spoken_to_as_it_speaks() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("db.sock");
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = tunnel(stage, "3.3.987.0", &path).await;
        let mut program = connected(&path).await;
        program.write_all(b"abc").await.expect("taken");
        let said = bytes(&mut peer, 19).await;
        assert_eq!(said, b"\x01\0\0\0\x03\0\0\0\x01\x02\x03\0\x03\0\0\0abc");
        // An answer, and the end of the connection, cut anywhere.
        let answer = b"\x01\x02\x02\0\x03\0\0\0ok\x01\x01\0\0\x03\0\0\0";
        for (sequence, piece) in (2..).zip(answer.chunks(5)) {
            peer.output(sequence, piece.to_vec()).await;
        }
        let mut heard = Vec::new();
        program.read_to_end(&mut heard).await.expect("to its end");
        assert_eq!(heard, b"ok");
        assert_eq!(bytes(&mut peer, 8).await, b"\x01\x01\0\0\x03\0\0\0");
        stage.signals(Signal::Interrupt);
        let frame = peer.input().await;
        assert_eq!(frame.payload_type, PayloadType::Flag);
        assert_eq!(flag::parse(&frame.payload), Ok(flag::TERMINATE_SESSION));
        peer.close("").await;
    })
    .await;
    assert_eq!(played.exit_code(), 0);
    let screen = String::from_utf8(played.screen.bytes()).expect("text");
    for text in [
        "Waiting for connections...\n",
        "Connection accepted for session [",
        "Terminate signal received",
    ] {
        assert!(screen.contains(text), "{text}: {screen}");
    }
}
