//! Commands without a terminal, and command lines on one.

mod signals;

use std::cell::Cell;
use std::rc::Rc;

use aws_lc_rs::digest::{SHA256, digest};
use drawbridge_protocol::payload::flag;

use super::*;
use crate::sessions::{Separation, Status};
use crate::worker::pipes::{PipeSettings, PipesEnd};

/// What our server says when the client is AWS's plugin.
const PLAIN_CLIENT: Option<NodeExtension> = Some(NodeExtension {
    client_streams_input: false,
    client_tunnels: false,
    ..EXTENSION
});

/// Bytes that a process has written.
fn written_by(pid: i32) -> usize {
    let counters = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("running");
    let written = counters.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.expect("counted").parse().expect("a number")
}

/// A command with its client and the cell that its process id appears in.
struct Command {
    fixture: Fixture,
    pid: Rc<Cell<i32>>,
}

fn command(words: &[&str], separation: Option<Separation>, extension: Option<NodeExtension>) -> Command {
    let arguments: Vec<String> = words[1..].iter().map(|&word| word.to_owned()).collect();
    let program = Program::words(own_account(), None, words[0], &arguments);
    let settings = PipeSettings {
        separation,
        takes_input: extension.is_some_and(|extension| extension.client_streams_input),
        max_payload: extension.map_or(1024, |extension| extension.max_payload()),
    };
    let pid = Rc::new(Cell::new(0));
    let noted = Rc::clone(&pid);
    let far = PipesEnd::new(program, settings, children(), move |pid| noted.set(pid));
    Command {
        fixture: joined(far, extension),
        pid,
    }
}

fn apart() -> Option<Separation> {
    Some(Separation::default())
}

impl Command {
    /// Runs to the end and returns what the client has seen of it, with the outcome.
    async fn finish(self) -> (Client, Outcome) {
        let Fixture {
            mut client,
            session,
            stop: _stop,
            ..
        } = self.fixture;
        let outcome = outcome_of(session, &mut client).await;
        let left = Leftovers {
            session: self.pid.get(),
            ancestor: None,
        };
        let was_started = self.pid.get() != 0;
        assert!(!was_started || left.find().is_empty());
        (client, outcome)
    }
}

fn exit_code(client: &Client) -> Option<i32> {
    client.ended_with().expect("it says so").exit_code
}

#[tokio::test]
async fn tells_the_client_what_to_prepare_for_before_it_runs() {
    let (client, outcome) = command(&["echo", "hello"], None, OURS).finish().await;
    assert_eq!(outcome, Outcome::success());
    assert_eq!(
        client.established,
        Some((SessionType::NonInteractiveCommands, Value::Null))
    );
    assert_eq!(client.text(), "hello\n");
    assert_eq!(exit_code(&client), Some(0));
    assert_eq!(client.pieces, [], "output is all there is");
}

#[tokio::test]
async fn reports_the_exit_code() {
    for (script, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
    ] {
        for extension in [None, PLAIN_CLIENT, OURS] {
            let (client, outcome) = command(&["sh", "-c", script], apart(), extension).finish().await;
            assert_eq!(outcome, Outcome::success(), "{script}");
            assert_eq!(exit_code(&client), extension.map(|_| code), "{script}");
            assert_eq!(
                client.pieces.last(),
                Some(&(PayloadType::ExitCode, format!("EXIT_CODE: {code}"))),
                "{script}"
            );
        }
    }
}

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
    let Command { fixture, .. } = command(&["seq", &LINES.to_string()], None, OURS);
    let Fixture {
        mut client,
        mut session,
        stop: _stop,
        ..
    } = fixture;
    beside(&mut session, async {
        for _ in 0..5 {
            let before = client.output.len();
            client.until(|client| client.output.len() > before + 60_000).await;
            client.cut();
        }
    })
    .await;
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
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
    let Command { fixture, .. } = command(&["sh", "-c", script], Some(separation), OURS);
    let Fixture {
        mut client,
        mut session,
        stop: _stop,
        ..
    } = fixture;
    beside(&mut session, async {
        for seen in ["O:a\nb", "O:a\nbc\n"] {
            client.until(|client| client.text() == seen).await;
            client.type_in("\n");
        }
    })
    .await;
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
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

/// As a shell would, so that whoever reads the code of a command need not know that there was none.
#[tokio::test]
async fn says_that_a_command_does_not_exist_or_is_none() {
    for (program, code, reason) in [
        ("no-such-command-here", 127, "No such file or directory"),
        ("/dev/null", 126, "Permission denied"),
    ] {
        for extension in [None, OURS] {
            let (client, outcome) = command(&[program, "-x"], apart(), extension).finish().await;
            assert_eq!(outcome.status, Status::Failed);
            let why = outcome.output;
            assert!(
                why.starts_with(&format!("Unable to start command: cannot start `{program}` as `")),
                "{why}"
            );
            assert!(why.contains(reason), "{why}");
            let expected = [
                (PayloadType::StdErr, format!("{why}\n")),
                (PayloadType::ExitCode, format!("EXIT_CODE: {code}")),
            ];
            assert_eq!(client.pieces, expected);
            assert_eq!(exit_code(&client), extension.map(|_| code));
        }
    }
    let (client, _) = command(&["no-such-command-here"], None, OURS).finish().await;
    assert!(
        client.text().ends_with("\n"),
        "it is all in one stream: {}",
        client.text()
    );
    assert_eq!(client.pieces, []);
}

/// That is no matter of the command's.
#[tokio::test]
async fn a_folder_that_cannot_be_entered_fails_the_session() {
    let program = Program::words(own_account(), None, "true", &[]).in_folder(Some("/no/such/folder".into()));
    let settings = PipeSettings {
        separation: apart(),
        takes_input: false,
        max_payload: 1024,
    };
    let far = PipesEnd::new(program, settings, children(), |_| panic!("it did not start"));
    let Fixture {
        mut client,
        session,
        stop: _stop,
        ..
    } = joined(far, OURS);
    let outcome = outcome_of(session, &mut client).await;
    assert_eq!(outcome.status, Status::Failed);
    let expected = "Unable to start command: cannot enter the working directory `/no/such/folder` as `";
    assert!(outcome.output.starts_with(expected), "{}", outcome.output);
    assert_eq!(client.pieces, []);
    assert_eq!(client.ended_with(), None);
}

#[tokio::test]
async fn words_reach_the_program_as_they_are() {
    let words = ["printf", "[%s]", "a b", "", "$(id)", "*", "'\"", "ü\u{1b}"];
    let (client, _) = command(&words, None, OURS).finish().await;
    assert_eq!(client.text(), "[a b][][$(id)][*]['\"][ü\u{1b}]");
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

#[tokio::test]
async fn a_client_that_reads_slowly_holds_the_command_back() {
    let Command { fixture, pid } = command(&["yes"], None, OURS);
    let Fixture {
        mut client,
        mut session,
        stop,
        ..
    } = fixture;
    beside(&mut session, async {
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
    let written = beside(&mut session, resting).await;
    assert!(written < client.output.len() + (16 << 20), "{written}");
    beside(&mut session, async {
        let before = client.output.len();
        client
            .until(|client| client.output.len() > before + (4 << 20))
            .await;
    })
    .await;
    stop.send(()).expect("it listens");
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
    assert!(client.output.iter().all(|byte| matches!(byte, b'y' | b'\n')));
}

/// It would wait for keys that never come.
#[tokio::test]
async fn a_command_of_awss_plugin_has_no_input() {
    let (client, outcome) = command(&["cat"], None, PLAIN_CLIENT).finish().await;
    assert_eq!(outcome, Outcome::success());
    assert_eq!(client.text(), "");
}

#[tokio::test]
async fn ends_everything_that_a_command_leaves_behind() {
    let script = "sleep 1000 & (trap '' HUP; exec sleep 1001) & echo started";
    let (client, outcome) = command(&["sh", "-c", script], None, OURS).finish().await;
    assert_eq!(outcome, Outcome::success());
    assert_eq!(client.text(), "started\n");
}

#[tokio::test]
async fn a_terminated_command_ends_without_a_word() {
    let Command { fixture, pid } = command(&["sh", "-c", "echo ready; sleep 1000"], apart(), OURS);
    let Fixture {
        mut client,
        mut session,
        stop,
        ..
    } = fixture;
    beside(&mut session, client.until_seen("ready")).await;
    stop.send(()).expect("it listens");
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
    assert_eq!(client.pieces, []);
    assert_eq!(client.ended_with(), None);
    let left = Leftovers {
        session: pid.get(),
        ancestor: None,
    };
    assert_eq!(left.find(), Vec::<i32>::new());
}

#[tokio::test]
async fn nothing_runs_before_the_client_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ran").display().to_string();
    let Command { fixture, .. } = command(&["touch", &path], None, OURS);
    let Fixture {
        mut client,
        mut session,
        stop,
        ..
    } = fixture;
    beside(&mut session, async {
        // The request is there, and nobody answers.
        client.deaf = true;
        client.until(|client| !client.states.is_empty()).await;
    })
    .await;
    stop.send(()).expect("it listens");
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
    assert!(!folder.path().join("ran").exists());
}

#[tokio::test]
async fn a_command_line_has_a_terminal_and_an_end() {
    let line = "tty >/dev/null && echo \"on $TERM\"; read x; exit 5";
    let program = Program::command_line(own_account(), None, line);
    let far = TerminalEnd::start(&program, String::new(), children(), clock()).expect("started");
    let Fixture {
        mut client,
        mut session,
        stop: _stop,
        ..
    } = joined(far, OURS);
    beside(&mut session, async {
        client.until_seen("on xterm-256color").await;
        client.type_in("\r");
    })
    .await;
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
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
    let Fixture {
        mut client,
        mut session,
        stop: _stop,
        ..
    } = joined(far.introduced(), OURS);
    beside(&mut session, async {
        client.until(|client| client.established.is_some()).await;
        client.end.send_size(Size { cols: 132, rows: 50 });
        client.type_in("\r");
        client.until_seen("50 132").await;
    })
    .await;
    assert_eq!(outcome_of(session, &mut client).await, Outcome::success());
    assert_eq!(
        client.established,
        Some((SessionType::InteractiveCommands, Value::Null))
    );
    assert_eq!(client.ended_with().and_then(|state| state.exit_code), Some(4));
}

#[test]
fn the_end_of_a_copy_is_this_program_itself() {
    let words = |program: &str, arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        crate::worker::command(own_account(), None, program, &arguments)
    };
    let own = Program::itself(own_account(), None, &["copy-end", "receive", "--", "worker"]);
    assert_eq!(words("drawbridge-copy-end", &["receive", "--", "worker"]), own);
    // A path is somebody else's program, and so is one that only has it as an argument.
    for program in ["./drawbridge-copy-end", "drawbridge-copy-end-2", "env"] {
        let arguments = ["drawbridge-copy-end".to_owned()];
        assert_eq!(
            words(program, &["drawbridge-copy-end"]),
            Program::words(own_account(), None, program, &arguments)
        );
    }
}
