//! What a command reads.

use super::*;

#[tokio::test]
async fn passes_every_byte_through_both_ways() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    let Command { fixture, pid } = command(&["cat"], apart(), OURS);
    let Fixture {
        mut client,
        mut session,
        stop,
        shell,
    } = fixture;
    beside(&mut session, async {
        client.end.send_input(Bytes::from(bytes.clone()));
        client.until(|client| client.output.len() >= bytes.len()).await;
        client.end.send_flag(flag::END_OF_INPUT);
    })
    .await;
    let rest = Command {
        fixture: Fixture {
            client,
            session,
            stop,
            shell,
        },
        pid,
    };
    let (client, outcome) = rest.finish().await;
    assert_eq!(outcome, Outcome::success());
    assert!(client.output == bytes);
    assert_eq!(exit_code(&client), Some(0));
}

#[tokio::test]
async fn the_end_of_the_input_waits_for_the_input() {
    let command = command(&["sh", "-c", "exec sha256sum"], None, OURS);
    let mut client = command.fixture.client;
    let input = vec![7; 1 << 20];
    client.end.send_input(Bytes::from(input.clone()));
    client.end.send_flag(flag::END_OF_INPUT);
    client.end.send_input(Bytes::from_static(b"too late"));
    let outcome = outcome_of(command.fixture.session, &mut client).await;
    assert_eq!(outcome, Outcome::success());
    let expected: String = digest(&SHA256, &input)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(client.text().split(' ').next(), Some(expected.as_str()));
}

#[tokio::test]
async fn a_command_that_never_reads_holds_the_client_back_and_goes_on() {
    let Command { fixture, .. } = command(&["sh", "-c", "echo ready; sleep 1000 & wait"], None, OURS);
    let Fixture {
        mut client,
        mut session,
        stop,
        ..
    } = fixture;
    beside(&mut session, async {
        client.until_seen("ready").await;
        for _ in 0..64 {
            client.end.send_input(Bytes::from(vec![0; 256 * 1024]));
        }
        client.until_refused().await;
        assert!(!client.end.is_drained());
    })
    .await;
    stop.send(()).expect("it listens");
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
}

#[tokio::test]
async fn a_command_that_ends_without_reading_ends_the_session() {
    let Command { fixture, .. } = command(&["true"], None, OURS);
    let mut client = fixture.client;
    client.end.send_input(Bytes::from(vec![0; 1 << 20]));
    let outcome = outcome_of(fixture.session, &mut client).await;
    assert_eq!(outcome, Outcome::success());
    assert_eq!(exit_code(&client), Some(0));
}

/// It would wait for keys that never come.
#[tokio::test]
async fn a_command_of_awss_plugin_has_no_input() {
    let (client, outcome) = command(&["cat"], None, PLAIN_CLIENT).finish().await;
    assert_eq!(outcome, Outcome::success());
    assert_eq!(client.text(), "");
}
