//! How a command begins and how it ends.

use super::*;

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
    let (mut client, mut worker) = joined(far, OURS);
    let outcome = worker.outcome(&mut client).await;
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
async fn ends_everything_that_a_command_leaves_behind() {
    let script = "sleep 1000 & (trap '' HUP; exec sleep 1001) & echo started";
    let (client, outcome) = command(&["sh", "-c", script], None, OURS).finish().await;
    assert_eq!(outcome, Outcome::success());
    assert_eq!(client.text(), "started\n");
}

#[tokio::test]
async fn a_terminated_command_ends_without_a_word() {
    let Command {
        mut client,
        mut worker,
        pid,
    } = command(&["sh", "-c", "echo ready; sleep 1000"], apart(), OURS);
    worker.beside(client.until_seen("ready")).await;
    worker.stop.notify_one();
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
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
    let Command {
        mut client,
        mut worker,
        ..
    } = command(&["touch", &path], None, OURS);
    worker
        .beside(async {
            // The request is there, and nobody answers.
            client.deaf = true;
            client.until(|client| !client.states.is_empty()).await;
        })
        .await;
    worker.stop.notify_one();
    assert_eq!(worker.outcome(&mut client).await, Outcome::success());
    assert!(!folder.path().join("ran").exists());
}

#[test]
fn the_end_of_a_copy_is_this_program_itself() {
    let words = |program: &str, arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        crate::worker::launch::command(own_account(), None, program, &arguments)
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
