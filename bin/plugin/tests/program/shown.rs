//! In a terminal, as people use it.

use tokio::time::timeout;

use super::server::{PATIENCE, SESSION, Server};
use super::terminal::Window;

#[tokio::test]
async fn the_terminal_is_raw_for_the_session_and_as_before_afterwards() {
    let mut server = Server::start().await;
    let mut window = Window::open(&server);
    let before = window.settings();
    let mut peer = server.accept().await;
    assert!(!window.is_raw());
    peer.output(0, "$ ").await;
    let size = peer.size().await;
    assert_eq!((size.cols, size.rows), (100, 30));
    assert!(window.is_raw());
    window.types("caf\u{e9} \x03\x1a\x1c\x11\x13\r").await;
    peer.expect_typed("caf\u{e9} \x03\x1a\x1c\x11\x13\r").await;
    peer.output(1, "\r\nbye").await;
    peer.close("").await;
    assert_eq!(window.end().await.code(), Some(0));
    window
        .shows(&format!("$ \nbye\n\nExiting session with sessionId: {SESSION}."))
        .await;
    let after = window.settings();
    assert_eq!(after.local_modes, before.local_modes);
    assert_eq!(
        (after.input_modes, after.output_modes),
        (before.input_modes, before.output_modes)
    );
}

#[tokio::test]
async fn a_resized_window_is_reported() {
    let mut server = Server::start().await;
    let window = Window::open(&server);
    let (mut peer, _) = server.shell().await;
    window.resize(91, 17);
    let size = peer.size().await;
    assert_eq!((size.cols, size.rows), (91, 17));
}

#[tokio::test]
async fn signals_that_end_it_restore_the_terminal_and_end_the_session() {
    for (name, code) in [("TERM", 143), ("HUP", 129)] {
        let mut server = Server::start().await;
        let mut window = Window::open(&server);
        let (_peer, _) = server.shell().await;
        assert!(window.is_raw());
        window.signal(name).await;
        assert_eq!(server.call().await.target, "AmazonSSM.TerminateSession");
        assert_eq!(window.end().await.code(), Some(code));
        assert!(!window.is_raw());
    }
}

#[tokio::test]
async fn a_closed_window_ends_the_session() {
    let mut server = Server::start().await;
    let window = Window::open(&server);
    let (peer, _) = server.shell().await;
    let mut child = window.slam().await;
    assert_eq!(server.call().await.target, "AmazonSSM.TerminateSession");
    let status = timeout(PATIENCE, child.wait())
        .await
        .expect("the program ends")
        .unwrap();
    assert_eq!(status.code(), Some(129), "{status}");
    drop(peer);
}

#[tokio::test]
async fn signals_that_the_cli_ignores_are_not_ignored() {
    let mut server = Server::start().await;
    let window = Window::open_script(&server, r#"trap "" INT QUIT TSTP; exec "$@""#);
    let (mut peer, _) = server.shell().await;
    for (name, key) in [("INT", "\x03"), ("QUIT", "\x1c"), ("TSTP", "\x1a")] {
        window.signal(name).await;
        peer.expect_typed(key).await;
    }
}

#[tokio::test]
async fn tilde_dot_leaves_at_once() {
    let mut server = Server::start().await;
    let mut window = Window::open(&server);
    let (_peer, _) = server.shell().await;
    window.types("~.").await;
    let call = server.call().await;
    assert_eq!(call.target, "AmazonSSM.TerminateSession");
    assert_eq!(call.body["SessionId"], SESSION);
    assert_eq!(window.end().await.code(), Some(0));
    window.shows(&format!("session {SESSION} was ended")).await;
    assert!(!window.is_raw());
}

#[tokio::test]
async fn the_list_of_escapes_begins_at_the_left_edge() {
    let mut server = Server::start().await;
    let mut window = Window::open(&server);
    let (_peer, _) = server.shell().await;
    window.types("~?").await;
    window
        .shows("$ \nEscapes, after a newline:\n  ~.   end the session and leave\n  ~^Z  stop this program\n")
        .await;
}

#[tokio::test]
async fn tilde_ctrl_z_gives_the_terminal_back_to_the_shell_and_fg_takes_it_again() {
    let mut server = Server::start().await;
    // A shell with job control, as people have it, that looks at the terminal while the program is stopped.
    let script = r#"set -m; "$@"; [[ $(stty -a) == *" icanon"* ]] && echo cooked; fg; echo back "$?""#;
    let mut window = Window::open_script(&server, script);
    let (mut peer, _) = server.shell().await;
    window.types("~\x1a").await;
    window.shows("cooked").await;
    peer.size().await;
    assert!(window.is_raw());
    window.types("x").await;
    peer.expect_typed("x").await;
    peer.close("").await;
    window.shows("back 0").await;
    assert!(window.end().await.success());
}

#[tokio::test]
async fn tilde_ctrl_z_goes_on_where_no_shell_could_bring_it_back() {
    let mut server = Server::start().await;
    let mut window = Window::open(&server);
    let (mut peer, _) = server.shell().await;
    window.types("~\x1a").await;
    window.shows("no shell that could bring it back").await;
    window.types("x").await;
    peer.expect_typed("x").await;
    assert!(window.is_raw());
}

#[tokio::test]
async fn ctrl_c_before_the_session_begins_gives_up() {
    let mut server = Server::start().await;
    let mut window = Window::open(&server);
    let _peer = server.accept().await;
    window.types("\x03").await;
    assert_eq!(server.call().await.target, "AmazonSSM.TerminateSession");
    assert_eq!(window.end().await.code(), Some(0));
}

#[tokio::test]
async fn the_token_is_not_among_the_arguments_of_any_process() {
    let mut server = Server::start().await;
    let window = Window::open(&server);
    let (_peer, _) = server.shell().await;
    let arguments = std::fs::read(format!("/proc/{}/cmdline", window.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&arguments).contains("s3cret"));
}
