//! In pipes, as scripts use it.

use std::process::Stdio;

use drawbridge_protocol::payload::Size;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::server::{PATIENCE, SESSION, Server};
use super::terminal::{PROGRAM, arguments, environment};

pub(crate) fn start(server: &Server) -> Child {
    Command::new(PROGRAM)
        .args(arguments(server))
        .env_clear()
        .envs(environment(server))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

pub(crate) async fn finish(child: Child) -> (Option<i32>, String, String) {
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("the program ends")
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn bytes_pass_untouched_and_the_end_of_input_is_ctrl_d() {
    let mut server = Server::start().await;
    let mut child = start(&server);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"~.\necho hi\n")
        .await
        .unwrap();
    let (mut peer, size) = server.shell().await;
    assert_eq!(size, Size::WITHOUT_TERMINAL);
    peer.expect_typed("~.\necho hi\n\x04").await;
    peer.output(1, "hi\n").await;
    peer.close("").await;
    let (code, stdout, stderr) = finish(child).await;
    let expected = format!(
        "\nStarting session with SessionId: {SESSION}\n$ hi\n\n\nExiting session with sessionId: {SESSION}.\n\n"
    );
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(0), expected.as_str(), "")
    );
}

#[tokio::test]
async fn a_refused_session_is_a_sentence_and_code_1() {
    let mut server = Server::start().await;
    let child = start(&server);
    server.accept().await.close("Session is already terminated").await;
    let (code, stdout, _) = finish(child).await;
    assert_eq!(code, Some(1));
    assert!(stdout.ends_with(&format!(
        "\n\nSessionId: {SESSION} : Session is already terminated\n\n"
    )));
}

#[tokio::test]
async fn a_cut_connection_is_resumed_by_a_signed_call() {
    let mut server = Server::start().await;
    let mut child = start(&server);
    let (peer, _) = server.shell().await;
    let client_id = peer.open.client_id.clone();
    drop(peer);
    let call = server.call().await;
    assert_eq!(call.target, "AmazonSSM.ResumeSession");
    assert_eq!(call.body["SessionId"], SESSION);
    assert!(
        call.authorization.contains("Credential=AKIATEST/"),
        "{}",
        call.authorization
    );
    assert!(
        call.authorization.contains("/us-east-1/ssm/aws4_request"),
        "{}",
        call.authorization
    );
    let mut peer = server.accept().await;
    assert_eq!(peer.open.token_value.expose(), "renewed-token");
    assert_eq!(peer.open.client_id, client_id);
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"still here\n")
        .await
        .unwrap();
    peer.expect_typed("still here\n").await;
    peer.close("").await;
    assert_eq!(finish(child).await.0, Some(0));
}

#[tokio::test]
async fn a_closed_standard_output_is_no_panic_and_leaves_nothing_running() {
    let mut server = Server::start().await;
    let mut child = start(&server);
    let (mut peer, _) = server.shell().await;
    drop(child.stdout.take());
    peer.output(1, "to nobody").await;
    assert_eq!(server.call().await.target, "AmazonSSM.TerminateSession");
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: cannot write to standard output"),
        "{stderr}"
    );
}
