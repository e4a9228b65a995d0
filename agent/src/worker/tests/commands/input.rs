//! What a command reads.

use super::*;

#[tokio::test]
async fn passes_every_byte_through_both_ways() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    let Command {
        mut client,
        mut worker,
        pid,
    } = command(&["cat"], apart(), OURS);
    worker
        .beside(async {
            client.end.send_input(Bytes::from(bytes.clone()));
            client.until(|client| client.output.len() >= bytes.len()).await;
            client.end.send_flag(flag::END_OF_INPUT);
        })
        .await;
    let rest = Command { client, worker, pid };
    let (client, outcome) = rest.finish().await;
    assert_eq!(outcome, Outcome::success());
    assert!(client.output == bytes);
    assert_eq!(exit_code(&client), Some(0));
}

#[tokio::test]
async fn the_end_of_the_input_waits_for_the_input() {
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["sh", "-c", "exec sha256sum"], None, OURS);
    let input = vec![7; 1 << 20];
    client.end.send_input(Bytes::from(input.clone()));
    client.end.send_flag(flag::END_OF_INPUT);
    client.end.send_input(Bytes::from_static(b"too late"));
    let outcome = worker.outcome(&mut client).await;
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
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["sh", "-c", "echo ready; sleep 1000 & wait"], None, OURS);
    worker
        .beside(async {
            client.until_seen("ready").await;
            for _ in 0..64 {
                client.end.send_input(Bytes::from(vec![0; 256 * 1024]));
            }
            client.until_refused().await;
            assert!(!client.end.is_drained());
        })
        .await;
    worker.stop.notify_one();
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
}

#[tokio::test]
async fn a_command_that_ends_without_reading_ends_the_session() {
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["true"], None, OURS);
    client.end.send_input(Bytes::from(vec![0; 1 << 20]));
    let outcome = worker.outcome(&mut client).await;
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
