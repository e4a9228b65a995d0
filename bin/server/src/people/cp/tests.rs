use clap::Parser as _;
use drawbridge_plugin::client::SessionKind;
use drawbridge_protocol::Token;

use super::*;
use crate::cli::{Arguments, Command};

fn journey(arguments: &[&str]) -> Result<Journey, String> {
    let arguments = ["drawbridge", "cp"].iter().chain(arguments);
    match Arguments::try_parse_from(arguments).unwrap().command {
        Command::Cp(cp) => Journey::of(&cp).map_err(|failure| failure.to_string()),
        _ => panic!("not cp"),
    }
}

fn command(arguments: &[&str]) -> String {
    let journey = journey(arguments).unwrap();
    format!("{}: {}", journey.node, journey.command.join(" "))
}

#[test]
fn the_node_is_told_its_end() {
    for (arguments, expected) in [
        (&["a", "web-1:b"][..], "web-1: drawbridge-copy-end receive -- b"),
        (&["a", "web-1:"], "web-1: drawbridge-copy-end receive -- ."),
        (
            &["a", "b", "web-1:/c:d"],
            "web-1: drawbridge-copy-end receive --into-folder -- /c:d",
        ),
        (
            &["--resume", "a", "mi-1:b"],
            "mi-1: drawbridge-copy-end receive --resume -- b",
        ),
        (&["web-1:-rf", "."], "web-1: drawbridge-copy-end send -- -rf"),
        (
            &["-r", "web-1:a", "web-1:b", "c"],
            "web-1: drawbridge-copy-end send --recursive -- a b",
        ),
        (&["./a:b", "web-1:c"], "web-1: drawbridge-copy-end receive -- c"),
        (
            &["--", "-a", "web-1:c"],
            "web-1: drawbridge-copy-end receive -- c",
        ),
    ] {
        assert_eq!(command(arguments), expected);
    }
}

#[test]
fn one_side_is_one_node() {
    for arguments in [
        &["a", "b"][..],
        &["a:b", "c:d"],
        &["a", "b:c", "d:e"],
        &["a:b", "c:d", "e"],
        &["a:b", "c", "d"],
        &["a:..", "b"],
        &["a:", "b"],
        &[":a", "b"],
    ] {
        assert!(journey(arguments).is_err(), "{arguments:?}");
    }
    assert!(Arguments::try_parse_from(["drawbridge", "cp", "a"]).is_err());
}

fn told(error: &CopyError, output: &str) -> String {
    let ticket = SessionTicket {
        session_id: "alice-1".into(),
        token: Token::new("t"),
        stream_url: "wss://h".into(),
        target: None,
        joined_key: None,
    };
    let ended = SessionEnd::Closed {
        kind: Some(SessionKind::Command),
        output: output.into(),
        exit_code: None,
        failed: !output.is_empty(),
    };
    let failure = reason(error, Ok(ended), &ticket);
    format!("{failure}|{}", failure.told_hint().unwrap_or_default())
}

#[test]
fn an_agent_that_has_no_end_of_a_copy_is_named() {
    let missing =
        "Unable to start command: exec: \"drawbridge-copy-end\": executable file not found in $PATH";
    assert_eq!(
        told(&CopyError::Unanswered, missing),
        format!("{missing}|{NEEDS_OUR_AGENT}")
    );
    assert!(told(&CopyError::Unanswered, "").ends_with(NEEDS_OUR_AGENT));
    assert!(told(&CopyError::Frame(FrameError::Stranger), "").ends_with(NEEDS_OUR_AGENT));
    // Somebody else's reason is not about the agent.
    assert_eq!(
        told(&CopyError::Unanswered, "no such account"),
        "no such account|"
    );
}

#[test]
fn what_was_interrupted_can_be_resumed() {
    for output in ["", "ended by an operator"] {
        assert!(told(&CopyError::Interrupted, output).ends_with(CAN_BE_RESUMED));
    }
    assert_eq!(told(&CopyError::Stopped("a\x1b[2Jb".into()), ""), "a\\u{1b}[2Jb|");
}
