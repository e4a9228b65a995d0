//! The ways to call it, right and wrong.

use std::process::{Command, Output};

use super::terminal::PROGRAM;

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

#[test]
fn the_version_is_plain_and_above_what_the_cli_asks_for() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    assert_eq!(output.stdout, b"1.2.800.0\n");
    assert_eq!(output.stderr, b"");
}

#[test]
fn without_arguments_it_says_that_it_is_there() {
    let output = run(&[]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("installed successfully"));
}

#[test]
fn a_bad_call_is_one_sentence_and_code_2() {
    let response = r#"{"SessionId":"a-1","TokenValue":"s3cret","StreamUrl":"wss://h/"}"#;
    for (arguments, says) in [
        (&["--help"][..], "Unknown operation --help"),
        (&["a", "b"], "Unknown operation a"),
        (&[response, "r", "StopSession"], "Invalid Operation"),
        (&["{}", "r", "StartSession", "", "{}", "https://h"], "SessionId"),
        (
            &["AWS_SSM_START_SESSION_RESPONSE_X", "r", "StartSession"],
            "AWS_SSM_START_SESSION_RESPONSE_X",
        ),
    ] {
        let output = run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(says) && error.lines().count() == 1, "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn an_endpoint_that_is_none_is_one_sentence_and_code_1() {
    let response = r#"{"SessionId":"a-1","TokenValue":"s3cret","StreamUrl":"wss://h/"}"#;
    let output = run(&[response, "r", "StartSession", "", "{}", "nonsense"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.starts_with("error: cannot use the endpoint: `nonsense`"),
        "{error}"
    );
}
