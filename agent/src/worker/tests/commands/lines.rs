//! Command lines on a terminal.

use super::*;

#[tokio::test]
async fn a_command_line_has_a_terminal_and_an_end() {
    let line = "tty >/dev/null && echo \"on $TERM\"; read x; exit 5";
    let program = Program::command_line(own_account(), None, line);
    let far = TerminalEnd::start(&program, String::new(), children(), clock()).expect("started");
    let (mut client, mut worker) = joined(far, OURS);
    worker
        .beside(async {
            client.until_seen("on xterm-256color").await;
            client.type_in("\r");
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(exit_code(&client), Some(5));
    assert_eq!(
        client.established.expect("it knows from the first message").0,
        SessionType::StandardStream
    );
}

#[tokio::test]
async fn a_command_line_that_waits_for_a_key_first_is_introduced_to_our_client() {
    let line = "read line; stty size; exit 4";
    let program = Program::command_line(own_account(), None, line);
    let far = TerminalEnd::start(&program, String::new(), children(), clock()).expect("started");
    let (mut client, mut worker) = joined(far.introduced(), OURS);
    worker
        .beside(async {
            client.until(|client| client.established.is_some()).await;
            client.end.send_size(Size { cols: 132, rows: 50 });
            client.type_in("\r");
            client.until_seen("50 132").await;
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(
        client.established,
        Some((SessionType::InteractiveCommands, Value::Null))
    );
    assert_eq!(client.ended_with().and_then(|state| state.exit_code), Some(4));
}
