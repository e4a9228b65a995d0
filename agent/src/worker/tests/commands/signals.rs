//! What is a signal to a command, and what is its input.

use drawbridge_protocol::payload::flag;

use super::*;

#[tokio::test]
async fn keys_of_awss_plugin_are_signals_and_the_rest_is_nothing() {
    for (key, code) in [("\x03", 130), ("\x1c", 131)] {
        for extension in [None, PLAIN_CLIENT] {
            let script = "echo ready; exec sleep 1000";
            let Command {
                mut client,
                mut worker,
                ..
            } = command(&["sh", "-c", script], apart(), extension);
            worker
                .beside(async {
                    client.until_seen("ready").await;
                    client.type_in("ignored\r");
                    client.end.send_flag(flag::END_OF_INPUT);
                    client.type_in(key);
                })
                .await;
            assert_eq!(worker.outcome(&mut client).await, Outcome::success());
            assert_eq!(
                client.pieces.last().expect("the code").1,
                format!("EXIT_CODE: {code}")
            );
        }
    }
}

#[tokio::test]
async fn the_input_of_our_client_is_no_signal() {
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["head", "-c", "2"], None, OURS);
    client.type_in("\x03\x1c");
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(client.output, b"\x03\x1c");
    assert_eq!(exit_code(&client), Some(0));
}

/// A command that tells by its exit code how it was signalled.
const CATCHES: &str = "trap 'exit 7' INT; trap 'exit 8' QUIT; trap 'exit 9' TERM; \
                       echo ready; while :; do sleep 0.01; done";

#[tokio::test]
async fn a_command_hears_signals_and_ends_as_it_likes() {
    for (number, code) in [(flag::INTERRUPT, 7), (flag::QUIT, 8), (flag::TERMINATE, 9)] {
        // Whoever started the session: somebody else may have it by now.
        for extension in [OURS, PLAIN_CLIENT] {
            let (client, outcome) = signalled(&["sh", "-c", CATCHES], extension, 0, number).await;
            assert_eq!(outcome, Outcome::success());
            assert_eq!(exit_code(&client), Some(code));
        }
    }
}

#[tokio::test]
async fn a_signal_is_for_all_of_the_commands_processes() {
    let script = "sleep 1000 & echo ready; wait; exec sleep 1000";
    let (client, _) = signalled(&["sh", "-c", script], OURS, 0, flag::TERMINATE).await;
    assert_eq!(exit_code(&client), Some(143));
}

#[tokio::test]
async fn a_signal_does_not_wait_for_input_that_nobody_reads() {
    for megabytes in [1, 6] {
        let script = "echo ready; exec sleep 1000";
        let (client, _) = signalled(&["sh", "-c", script], OURS, megabytes, flag::INTERRUPT).await;
        assert_eq!(exit_code(&client), Some(130));
    }
}

#[tokio::test]
async fn numbers_that_nobody_knows_do_nothing() {
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["cat"], None, OURS);
    client.end.send_flag(0x0104);
    client.type_in("still here");
    client.end.send_flag(flag::END_OF_INPUT);
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(
        (client.text(), exit_code(&client)),
        ("still here".into(), Some(0))
    );
}

/// Runs a command that says when it is ready; sends it so much input that it does not read, and then a signal.
async fn signalled(
    words: &[&str],
    extension: Option<NodeExtension>,
    megabytes: usize,
    number: u32,
) -> (Client, Outcome) {
    let Command {
        mut client,
        mut worker,
        ..
    } = command(words, None, extension);
    worker.beside(client.until_seen("ready")).await;
    for _ in 0..4 * megabytes {
        client.end.send_input(Bytes::from(vec![0; 256 * 1024]));
    }
    // What the worker keeps is full then.
    if megabytes > 4 {
        worker.beside(client.until_refused()).await;
    }
    client.end.send_flag(number);
    let outcome = worker.outcome(&mut client).await;
    (client, outcome)
}
