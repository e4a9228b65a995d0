//! Much data, in both directions.

use std::time::Duration;

use drawbridge_protocol::wire::{MessageType, PayloadType};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::peer::{HELLO, Peer};
use super::stage::play;
use crate::client::Mode;

/// Text in which every place differs from every other.
fn text(length: usize) -> String {
    let mut text = String::with_capacity(length + 8);
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        text.push_str(&format!("{number:07} "));
    }
    text.truncate(length);
    text
}

/// Reads typed bytes until there are `length` of them; returns them and the longest payload.
async fn read_typed(peer: &mut Peer, length: usize) -> (String, usize) {
    let (mut typed, mut longest) = (Vec::new(), 0);
    while typed.len() < length {
        let frame = peer.input().await;
        if frame.payload_type == PayloadType::Output {
            longest = longest.max(frame.payload.len());
            typed.extend_from_slice(&frame.payload);
        }
    }
    (String::from_utf8(typed).unwrap(), longest)
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_is_pasted_without_waiting() {
    for (ours, largest) in [(true, 32 * 1024), (false, 1024)] {
        play(Mode::Plugin, async |stage| {
            let mut peer = stage.accept().await;
            if ours {
                peer.hello(HELLO).await;
            }
            peer.output(0, "$ ").await;
            peer.size().await;
            let paste = text(1 << 20);
            for chunk in paste.as_bytes().chunks(4096) {
                stage.types(chunk.to_vec());
            }
            let before = tokio::time::Instant::now();
            let (typed, longest) = read_typed(&mut peer, paste.len()).await;
            assert!(typed == paste, "pasted bytes differ");
            assert!(longest <= largest, "{longest}");
            // The clock stands still unless somebody waits for it.
            assert!(
                before.elapsed() < Duration::from_millis(200),
                "{:?}",
                before.elapsed()
            );
            peer.close("").await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_works_behind_a_paste_that_nobody_takes() {
    let mut deaf = None;
    let played = play(Mode::Plugin, async |stage| {
        deaf = Some(stage.shell().await);
        for chunk in text(1 << 20).as_bytes().chunks(4096) {
            stage.types(chunk.to_vec());
        }
        stage.types("\r~.");
    })
    .await;
    assert_eq!(played.exit_code(), 0);
    assert_eq!(played.server.count("renew"), 0);
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_terminal_answers_pings_and_loses_nothing() {
    let played = play(Mode::Plugin, async |stage| {
        let mut peer = stage.shell().await;
        stage.screen.stick();
        let sent = text(1 << 20);
        let chunks: Vec<_> = sent.as_bytes().chunks(8192).collect();
        for (at, chunk) in (1..).zip(&chunks) {
            peer.output(at, chunk.to_vec()).await;
        }
        peer.socket.send(Message::Ping("there?".into())).await.unwrap();
        let mut last = 0;
        loop {
            match peer.socket.next().await.unwrap().unwrap() {
                Message::Pong(payload) if payload == "there?" => break,
                Message::Binary(bytes) => last = last.max(acknowledged(bytes)),
                _ => {}
            }
        }
        assert!(stage.screen.backlog() < 512 * 1024, "{}", stage.screen.backlog());
        assert!(
            last < chunks.len() as i64,
            "what was not shown must not be acknowledged"
        );
        stage.screen.release();
        peer.acknowledged(chunks.len() as i64).await;
        peer.close("").await;
    })
    .await;
    assert!(played.screen.output().contains(&text(1 << 20)));
}

fn acknowledged(message: bytes::Bytes) -> i64 {
    let frame = drawbridge_protocol::wire::Frame::decode(message).unwrap();
    if frame.message_type != MessageType::Acknowledge {
        return 0;
    }
    drawbridge_protocol::payload::Acknowledge::parse(&frame.payload)
        .unwrap()
        .sequence
}
