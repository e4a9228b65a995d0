//! What a command says, and how it is told apart.

use super::*;

#[tokio::test]
async fn loses_nothing_of_a_hundred_megabytes() {
    const BYTES: usize = 100_000_000;
    let script = format!("yes 0123456789abcdef | head -c {BYTES}");
    let (client, outcome) = command(&["sh", "-c", &script], None, OURS).finish().await;
    assert_eq!(outcome, Outcome::success());
    let expected: Vec<u8> = b"0123456789abcdef\n"
        .iter()
        .copied()
        .cycle()
        .take(BYTES)
        .collect();
    assert_eq!(client.output.len(), BYTES);
    assert_eq!(
        digest(&SHA256, &client.output).as_ref(),
        digest(&SHA256, &expected).as_ref()
    );
}

#[tokio::test]
async fn loses_nothing_when_the_connection_is_cut_again_and_again() {
    const LINES: usize = 200_000;
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["seq", &LINES.to_string()], None, OURS);
    worker
        .beside(async {
            for _ in 0..5 {
                let before = client.output.len();
                client.until(|client| client.output.len() > before + 60_000).await;
                client.cut();
            }
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    let expected: String = (1..=LINES).map(|line| format!("{line}\n")).collect();
    assert!(client.text() == expected);
    assert!(client.opened.len() > 5, "{}", client.opened.len());
}

#[tokio::test]
async fn tells_errors_apart_where_that_is_asked() {
    let words = ["sh", "-c", "echo out; echo err >&2; echo more"];
    let (client, _) = command(&words, apart(), OURS).finish().await;
    assert_eq!(client.text(), "out\nmore\n");
    assert_eq!(String::from_utf8_lossy(&client.errors), "err\n");

    let (client, _) = command(&words, None, OURS).finish().await;
    assert_eq!(
        client.text(),
        "out\nerr\nmore\n",
        "in the order in which it was written"
    );
    assert_eq!(client.pieces, []);
}

#[tokio::test]
async fn puts_a_prefix_where_a_line_begins_with_a_frame() {
    let separation = Separation {
        output_prefix: "O:".to_owned(),
        error_prefix: "E:".to_owned(),
    };
    let script = "printf 'a\\nb'; read x; printf 'c\\n'; read x; printf 'd'; printf e >&2";
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["sh", "-c", script], Some(separation), OURS);
    worker
        .beside(async {
            for seen in ["O:a\nb", "O:a\nbc\n"] {
                client.until(|client| client.text() == seen).await;
                client.type_in("\n");
            }
        })
        .await;
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert_eq!(client.text(), "O:a\nbc\nO:d");
    assert_eq!(String::from_utf8_lossy(&client.errors), "E:e");
    assert_eq!(client.pieces.last().expect("the code").1, "EXIT_CODE: 0");
}

/// AWS's plugin shows a frame at a time, and the frame is what has the prefix.
#[tokio::test]
async fn a_prefix_and_what_it_stands_before_are_one_frame() {
    let separation = Separation {
        output_prefix: "0123456789:".to_owned(),
        ..Separation::default()
    };
    let script = "yes 1234567 | head -c 8000";
    let (client, _) = command(&["sh", "-c", script], Some(separation), None)
        .finish()
        .await;
    let text = client.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1000);
    let prefixed = lines.iter().filter(|line| line.starts_with("0123456789:1234567"));
    assert!(prefixed.count() >= 1);
    assert!(text.replace("0123456789:", "") == "1234567\n".repeat(1000));
}

#[tokio::test]
async fn a_client_that_reads_slowly_holds_the_command_back() {
    let Command {
        mut client,
        mut worker,
        pid,
    } = command(&["yes"], None, OURS);
    worker
        .beside(async {
            client.until(|client| client.output.len() > 1 << 20).await;
        })
        .await;
    // Nobody reads now: it must come to rest, or it would fill the memory.
    let resting = async {
        let (mut written, mut rounds) = (written_by(pid.get()), 0);
        while rounds < 1000 {
            tokio::task::yield_now().await;
            let now = written_by(pid.get());
            rounds = if now == written { rounds + 1 } else { 0 };
            written = now;
        }
        written
    };
    let written = worker.beside(resting).await;
    assert!(written < client.output.len() + (16 << 20), "{written}");
    worker
        .beside(async {
            let before = client.output.len();
            client
                .until(|client| client.output.len() > before + (4 << 20))
                .await;
        })
        .await;
    worker.stop.notify_one();
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert!(client.output.iter().all(|byte| matches!(byte, b'y' | b'\n')));
}
