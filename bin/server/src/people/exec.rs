//! `drawbridge exec`: one command on a node, between this program's pipes or on its terminal.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use drawbridge_plugin::SessionTicket;
use drawbridge_plugin::api::{Api, StartSession};
use drawbridge_plugin::client::{self, ClientError, Mode, SessionEnd, SessionKind};
use drawbridge_session::{SystemClock, SystemRandom};

use super::{api, failure, is_below_floor, lacks_a_reason, node_id, not_started, persist, sentence};
use crate::cli::Exec;
use crate::exit::{COMMAND_NOT_RUN, Failure, NOBODY_READS, SERVER_REFUSED, report_as};

/// `drawbridge exec`.
///
/// Its exit code is the command's; for everything that goes wrong on this side there is one other.
pub(crate) async fn exec(arguments: Exec) -> ExitCode {
    match run(arguments).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => report_as(&error, COMMAND_NOT_RUN),
    }
}

/// The same over a connection that `connect --persist` shares: before credentials, certificates and random numbers are looked
/// for, none of which it needs. `None` if it has to be a session of its own.
pub(crate) async fn shared_exec(arguments: &Exec) -> Option<ExitCode> {
    match persist::run(arguments).await {
        Ok(code) => code.map(ExitCode::from),
        Err(error) => Some(report_as(&error, COMMAND_NOT_RUN)),
    }
}

async fn run(arguments: Exec) -> Result<u8> {
    let api = api(&arguments.server)?;
    let target = node_id(&api, &arguments.node).await?;
    let documents = Documents {
        chosen: arguments.document,
        tty: arguments.tty,
    };
    let request = request(target, &arguments.command, documents, arguments.reason)?;
    let ticket = start_command(&api, &request).await?;
    if arguments.verbose {
        eprintln!("session {}", ticket.session_id);
    }
    let clock = Arc::new(SystemClock::new());
    let ended = client::run(&api, &ticket, Mode::Exec, clock, &SystemRandom).await;
    exit_code(ended, &ticket)
}

/// Which document runs a command.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// The one that the person names.
    pub(super) chosen: Option<String>,
    /// Whether the command has a terminal, where AWS's are used.
    pub(super) tty: bool,
}

/// Asks for the command as AWS's documents take it: one line, which the node splits as a shell does.
pub(super) fn request(
    target: String,
    command: &[String],
    documents: Documents,
    reason: Option<String>,
) -> Result<StartSession> {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect::<Result<_>>()?;
    let mut parameters = BTreeMap::from([("command".to_owned(), vec![words.join(" ")])]);
    let document_name = if let Some(chosen) = documents.chosen {
        // Whether its streams are apart is for the document to say.
        chosen
    } else if documents.tty {
        "AWS-StartInteractiveCommand".to_owned()
    } else {
        // Apart, because standard output may be an archive; and without it AWS's agent tells no exit code.
        parameters.insert("separateOutputStream".to_owned(), vec!["true".to_owned()]);
        "AWS-StartNonInteractiveCommand".to_owned()
    };
    Ok(StartSession {
        target,
        document_name: Some(document_name),
        parameters,
        reason,
    })
}

/// Starts the session of a command.
///
/// Sessions of AWS's documents have no key and no log, as on AWS, so a floor that requires one refuses them. Then it is ours, which
/// differ in one thing: their settings are those of the account's preferences, which shells have to keep the same floor with.
pub(super) async fn start_command(api: &Api, request: &StartSession) -> Result<SessionTicket> {
    let refused = match api.start_session(request).await {
        Ok(ticket) => return Ok(ticket),
        Err(error) => error,
    };
    let Some(ours) = with_settings(request).filter(|_| is_below_floor(&refused)) else {
        return Err(not_started(refused));
    };
    let again = match api.start_session(&ours).await {
        Ok(ticket) => return Ok(ticket),
        Err(error) => error,
    };
    if lacks_a_reason(&again) {
        return Err(not_started(again));
    }
    let hint = if is_below_floor(&again) {
        "its settings are those of the account's preferences, `SSM-SessionManagerRunShell`; `--document` names another document, \
         and `drawbridge floor show` lists what it must have"
    } else {
        "it stands in for AWS's document, which the session floor refuses; `--document` names another one"
    };
    Err(Failure::new(SERVER_REFUSED, sentence(&again)).hint(hint).into())
}

/// The same by our document instead of AWS's; `None` where it is another one already.
fn with_settings(request: &StartSession) -> Option<StartSession> {
    let what = request.document_name.as_deref()?.strip_prefix("AWS-")?;
    Some(StartSession {
        document_name: Some(format!("Drawbridge-{what}")),
        ..request.clone()
    })
}

/// One word of a command, quoted.
///
/// A parameter of a document may not contain `{{`, which commands do (`docker ps --format '{{.Names}}'`). So two such braces are
/// quoted apart, and are together again in the word that comes of it.
fn quoted(word: &str) -> Result<String> {
    let whole = |text| shlex::try_quote(text).context("cannot pass on the command");
    if !word.contains("{{") {
        return Ok(whole(word)?.into_owned());
    }
    word.split_inclusive('{')
        .map(|piece| Ok(whole(piece)?.into_owned()))
        .collect()
}

/// What this program ends with, or why the command's end is not known.
fn exit_code(ended: Result<SessionEnd, ClientError>, ticket: &SessionTicket) -> Result<u8> {
    let unknown = |why: &str| Err(Failure::new(COMMAND_NOT_RUN, why).into());
    let end = match ended {
        Ok(end) => end,
        // As quiet as any other program in a pipe whose reader has seen enough.
        Err(ClientError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => return Ok(NOBODY_READS),
        Err(error) => return Err(failure(&error, ticket).into()),
    };
    if let Some(code) = end.command_exit_code() {
        return Ok(code);
    }
    match end {
        SessionEnd::Closed { output, .. } if !output.is_empty() => unknown(&output),
        SessionEnd::Closed {
            kind: Some(SessionKind::Command) | None,
            ..
        } => unknown("the session ended and nobody said how the command did"),
        // On a terminal AWS's agent never tells, and an end without words is a natural one.
        SessionEnd::Closed { .. } | SessionEnd::Detached | SessionEnd::Finished => Ok(0),
        SessionEnd::TimedOut => Err(over_meanwhile(&ticket.session_id).into()),
        SessionEnd::Left { .. } => Ok(COMMAND_NOT_RUN),
        SessionEnd::Signalled(_) => Ok(end.exit_code()),
    }
}

/// The server has kept what this program did not see.
fn over_meanwhile(session_id: &str) -> Failure {
    Failure::new(COMMAND_NOT_RUN, "the connection was lost and the session is over").hint(format!(
        "`drawbridge sessions show {session_id}` says how it ended, `drawbridge replay {session_id}` what it printed"
    ))
}

#[cfg(test)]
mod tests {
    use std::io;

    use clap::Parser as _;
    use drawbridge_plugin::client::SessionEnd;
    use drawbridge_protocol::Token;
    use drawbridge_session::document::{builtin, has_settings_of_preferences};
    use proptest::prelude::*;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn parsed(arguments: &[&str]) -> Exec {
        let arguments = ["drawbridge", "exec"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Exec(exec) => exec,
            _ => panic!("not exec"),
        }
    }

    fn asked(command: &[&str], tty: bool) -> StartSession {
        let command: Vec<String> = command.iter().map(ToString::to_string).collect();
        let documents = Documents { chosen: None, tty };
        request("mi-1".into(), &command, documents, None).unwrap()
    }

    fn ended(ended: Result<SessionEnd, ClientError>) -> Result<u8, String> {
        let ticket = SessionTicket {
            session_id: "alice-1".into(),
            token: Token::new("t"),
            stream_url: "wss://h".into(),
            target: None,
            joined_key: None,
        };
        exit_code(ended, &ticket).map_err(|error| error.to_string())
    }

    fn closed(kind: Option<SessionKind>, output: &str, exit_code: Option<i32>) -> SessionEnd {
        SessionEnd::Closed {
            kind,
            output: output.into(),
            exit_code,
            failed: !output.is_empty(),
        }
    }

    #[test]
    fn options_of_the_command_are_the_commands() {
        for arguments in [
            &["-t", "web-1", "--", "ls", "-l", "--reason", "x", "--", "-t"][..],
            &["web-1", "-t", "ls", "-l", "--reason", "x", "--", "-t"],
        ] {
            let exec = parsed(arguments);
            assert_eq!((exec.node.as_str(), exec.tty, exec.reason), ("web-1", true, None));
            assert_eq!(exec.command, ["ls", "-l", "--reason", "x", "--", "-t"]);
        }
        assert!(Arguments::try_parse_from(["drawbridge", "exec", "web-1"]).is_err());
    }

    #[test]
    fn a_command_is_asked_for_by_document() {
        let piped = asked(&["tar", "x", "-C", "/srv/my files"], false);
        assert_eq!(
            piped.document_name.as_deref(),
            Some("AWS-StartNonInteractiveCommand")
        );
        assert_eq!(piped.parameters["command"], ["tar x -C '/srv/my files'"]);
        assert_eq!(piped.parameters["separateOutputStream"], ["true"]);
        let on_terminal = asked(&["top"], true);
        assert_eq!(
            on_terminal.document_name.as_deref(),
            Some("AWS-StartInteractiveCommand")
        );
        assert_eq!(on_terminal.parameters.len(), 1);
    }

    #[test]
    fn ours_take_the_same_as_awss_and_stand_in_for_no_other() {
        for tty in [false, true] {
            let aws = asked(&["id"], tty);
            let ours = with_settings(&aws).unwrap();
            let name = ours.document_name.unwrap();
            assert!(has_settings_of_preferences(&name), "{name}");
            let (_, content) = builtin(&name).unwrap();
            assert!(content.resolve(&ours.parameters).is_ok(), "{name}");
            assert_eq!(ours.parameters, aws.parameters);
        }
        let documents = Documents {
            chosen: Some("Mine".to_owned()),
            tty: false,
        };
        let chosen = request("mi-1".into(), &["id".to_owned()], documents, None).unwrap();
        assert!(with_settings(&chosen).is_none());
    }

    /// What a POSIX shell makes of the line: `-t` gives it to one.
    fn as_a_shell_splits_it(line: &str) -> Vec<String> {
        let script = format!("set -- {line}; for word; do printf '%s\\0' \"$word\"; done");
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_splits_the_line_into_the_same_words() {
        let words = [
            "a b",
            "",
            "'",
            "\"",
            "\\",
            "$(reboot)",
            "`id`",
            "$HOME",
            "*",
            "~",
            "#x",
            "a;b",
            "!!",
            "^x",
            "{a,b}",
            "line\nline",
            "tab\t",
            "é",
            "-n",
            "{{ command }}",
            "{{{.Names}}}{",
            "a'b\"c\\d$e`f!g",
        ];
        let asked = asked(&words, true);
        let line = &asked.parameters["command"][0];
        assert_eq!(as_a_shell_splits_it(line), words);
        assert!(!line.contains("{{"), "{line}");
    }

    proptest! {
        #[test]
        fn agents_split_the_line_into_the_same_words(words in prop::collection::vec("[^\0]{0,12}|[{} 'a]{0,6}", 1..6)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let asked = asked(&words, false);
            prop_assert_eq!(shlex::split(&asked.parameters["command"][0]).unwrap(), words);
        }
    }

    #[test]
    fn the_commands_code_passes_through() {
        for code in [0, 1, 2, 126, 127, 255] {
            let end = closed(Some(SessionKind::Command), "", Some(code.into()));
            assert_eq!(ended(Ok(end)), Ok(code));
        }
        let interrupted = SessionEnd::Signalled(drawbridge_plugin::terminal::Signal::Interrupt);
        assert_eq!(ended(Ok(interrupted)), Ok(130));
    }

    #[test]
    fn nothing_unknown_passes_for_success() {
        for (end, says) in [
            (closed(Some(SessionKind::Command), "", None), "nobody said how"),
            (closed(None, "", None), "nobody said how"),
            (
                closed(Some(SessionKind::Command), "ended by root", Some(0)),
                "ended by root",
            ),
            (
                closed(None, "Session is already terminated", None),
                "already terminated",
            ),
            (SessionEnd::TimedOut, "the session is over"),
        ] {
            let error = ended(Ok(end)).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(ended(Ok(SessionEnd::Left { terminated: true })), Ok(255));
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_error_but_a_full_disk_is() {
        let output = |kind: ErrorKind| ClientError::Output(io::Error::from(kind));
        assert_eq!(ended(Err(output(ErrorKind::BrokenPipe))), Ok(141));
        assert!(ended(Err(output(ErrorKind::StorageFull))).is_err());
    }
}
