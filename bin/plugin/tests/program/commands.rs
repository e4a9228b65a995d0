//! Commands and connections, as scripts and `ssh` use them.

use drawbridge_protocol::payload::flag;
use drawbridge_protocol::wire::PayloadType;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::piped::{finish, start};
use super::server::{PATIENCE, SESSION, Server};

/// Half a megabyte in which every byte occurs and no two blocks are the same.
fn archive() -> Vec<u8> {
    (0..131_072_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn an_archive_passes_a_command_both_ways_with_nothing_added() {
    let mut server = Server::start().await;
    let mut child = start(&server);
    let mut input = child.stdin.take().unwrap();
    let writing = tokio::spawn(async move { input.write_all(&archive()).await });
    let mut peer = server.begun("NonInteractiveCommands", Value::Null).await;
    let (sent, number) = peer.until_flag().await;
    assert!(sent == archive(), "what was sent differs");
    assert_eq!(number, flag::END_OF_INPUT);
    writing.await.unwrap().unwrap();
    for (sequence, chunk) in (2..).zip(archive().chunks(32 * 1024)) {
        peer.output(sequence, chunk.to_vec()).await;
    }
    peer.stream(PayloadType::StdErr, 18, "tar: a warning\n").await;
    peer.stream(PayloadType::ExitCode, 19, "EXIT_CODE: 2").await;
    peer.close("").await;
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    assert!(output.stdout == archive(), "what was printed differs");
    assert_eq!(output.stderr, b"tar: a warning\n");
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn the_first_signal_is_the_commands_and_the_second_gives_up() {
    let mut server = Server::start().await;
    let mut child = start(&server);
    let mut peer = server.begun("NonInteractiveCommands", Value::Null).await;
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"it has begun").await.unwrap();
    peer.expect_typed("it has begun").await;
    let process = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).unwrap();
    kill_process(process, Signal::TERM).unwrap();
    assert_eq!(peer.until_flag().await, (Vec::new(), flag::TERMINATE));
    kill_process(process, Signal::INT).unwrap();
    assert_eq!(server.call().await.target, "AmazonSSM.TerminateSession");
    let (code, stdout, stderr) = finish(child).await;
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(130), "", ""));
}

#[tokio::test]
async fn ssh_hangs_up_and_the_client_ends_with_0_and_no_further_word() {
    let mut server = Server::start().await;
    let mut child = start(&server);
    let mut peer = server.begun("Port", json!({ "portNumber": "22" })).await;
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"SSH-2.0-test\r\n\0\xff").await.unwrap();
    let mut sent = Vec::new();
    while sent.len() < 16 {
        sent.extend_from_slice(&peer.input().await.payload);
    }
    assert_eq!(sent, b"SSH-2.0-test\r\n\0\xff");
    peer.output(2, "SSH-2.0-peer\r\n").await;
    let expected = format!("\nStarting session with SessionId: {SESSION}\nSSH-2.0-peer\r\n");
    let mut printed = vec![0; expected.len()];
    let output = child.stdout.as_mut().unwrap();
    timeout(PATIENCE, output.read_exact(&mut printed))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&printed), expected);
    drop(input);
    assert_eq!(server.call().await.target, "AmazonSSM.TerminateSession");
    let (code, rest, stderr) = finish(child).await;
    assert_eq!((code, rest.as_str(), stderr.as_str()), (Some(0), "", ""));
}
