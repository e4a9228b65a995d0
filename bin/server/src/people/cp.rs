//! `drawbridge cp`: files and folders to or from a node.
//!
//! ```text
//!  a thread that copies ── pipes ── the session (`exec`'s) ── the node's `drawbridge-copy-end`
//! ```
//!
//! The node's end is a command to the session and to whoever allows it, so what is copied stands in the audit log.

mod journey;
mod progress;

use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Read as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, Result};
use drawbridge_copy::frame::FrameError;
use drawbridge_copy::{CopyError, receive, send, shown};
use drawbridge_plugin::SessionTicket;
use drawbridge_plugin::client::{self, ClientError, Mode, SessionEnd};
use drawbridge_plugin::terminal::SystemTerminal;
use drawbridge_session::{SystemClock, SystemRandom};
use tokio::sync::oneshot;

use self::journey::{COPY_END, Journey, Way};
use self::progress::Progress;
use super::exec::Documents;
use super::{api, exec, failure, node_id};
use crate::cli::Cp;
use crate::exit::{COMMAND_NOT_RUN, FAILED, Failure, report, report_as};

/// `drawbridge cp`.
///
/// Ends with 0 when everything was copied, with 1 when something was not, and as `exec` does when the copy could not be carried
/// through.
pub(crate) async fn cp(arguments: Cp) -> ExitCode {
    let journey = match Journey::of(&arguments) {
        Ok(journey) => journey,
        Err(error) => return report(&error.into()),
    };
    match run(arguments, journey).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => report_as(&error, COMMAND_NOT_RUN),
    }
}

async fn run(arguments: Cp, journey: Journey) -> Result<u8> {
    let api = api(&arguments.server)?;
    let target = node_id(&api, &journey.node).await?;
    let documents = Documents {
        chosen: arguments.document,
        tty: false,
    };
    let request = exec::request(target, &journey.command, documents, arguments.reason)?;
    let ticket = exec::start_command(&api, &request).await?;
    let progress = Progress::new(arguments.quiet, arguments.verbose);
    if arguments.verbose {
        progress.line(&format!("session {}", ticket.session_id));
    }
    let Begun {
        mut terminal,
        copied,
        words,
    } = begin(journey.way, progress.clone()).context("cannot start to copy")?;
    let clock = Arc::new(SystemClock::new());
    let ended = client::run_on(&api, &ticket, Mode::Copy, &mut terminal, clock, &SystemRandom).await;
    // So that the copy, which may wait for more, finds that there is none.
    drop(terminal);
    if let Ok(end @ SessionEnd::Signalled(_)) = &ended {
        progress.clear();
        return Ok(end.exit_code());
    }
    let copied = copied.await.context("the copy ended without a result")?;
    // Its pipe has ended by now, and what it has still to tell comes before what is told here.
    let _ = words.join();
    progress.clear();
    match copied {
        Ok(()) => Ok(if progress.has_failed() { FAILED } else { 0 }),
        Err(error) => Err(reason(&error, ended, &ticket).into()),
    }
}

/// A copy that goes on.
struct Begun {
    /// The streams of its session.
    terminal: SystemTerminal,
    /// What it will come to.
    copied: oneshot::Receiver<Result<(), CopyError>>,
    /// Tells what the session has to say.
    words: JoinHandle<()>,
}

/// Starts the copy in a thread of its own.
fn begin(way: Way, progress: Progress) -> io::Result<Begun> {
    let (session_input, output) = io::pipe()?;
    let (input, session_output) = io::pipe()?;
    let (words, session_errors) = io::pipe()?;
    let terminal =
        SystemTerminal::on_pipes(session_input.into(), session_output.into(), session_errors.into())?;
    let (result, copied) = oneshot::channel();
    let teller = progress.clone();
    let thread = |name: &str| Builder::new().name(name.into());
    let words = thread("words").spawn(move || tell(words, &teller))?;
    thread("copy").spawn(move || {
        // Nobody waits for it when the program was told to end.
        let _ = result.send(copy(&way, input, output, progress));
    })?;
    Ok(Begun {
        terminal,
        copied,
        words,
    })
}

fn copy(way: &Way, input: PipeReader, output: PipeWriter, mut progress: Progress) -> Result<(), CopyError> {
    match way {
        Way::There(sources) => send(sources, input, output, &mut progress),
        Way::Back { asked, destination } => receive(destination, asked.clone(), input, output, &mut progress),
    }
}

/// Tells what the session and the node's end have to say beside the copy, such as that the connection is lost.
fn tell(words: PipeReader, progress: &Progress) {
    let mut words = BufReader::new(words);
    let mut line = Vec::new();
    while (&mut words)
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        // The session begins its sentences on a new line, and takes the bytes of a copy for half of one.
        match line.trim_ascii_end() {
            [] => {}
            text => progress.line(&shown(text)),
        }
        line.clear();
    }
}

/// Why a copy was not carried through, and what to do about it.
fn reason(error: &CopyError, ended: Result<SessionEnd, ClientError>, ticket: &SessionTicket) -> Failure {
    let own = |sentence: String| Failure::new(COMMAND_NOT_RUN, shown(sentence.as_bytes()));
    match error {
        CopyError::Frame(FrameError::Stranger) => return own(error.to_string()).hint(NEEDS_OUR_AGENT),
        CopyError::Version(_) => return own(error.to_string()).hint(NEEDS_SAME_VERSION),
        CopyError::Unanswered | CopyError::Interrupted | CopyError::Stream(_) => {}
        _ => return own(error.to_string()),
    }
    let is_unanswered = matches!(error, CopyError::Unanswered);
    match ended {
        Err(error) => failure(&error, ticket),
        Ok(SessionEnd::Closed { output, .. }) if !output.is_empty() => {
            let failure = own(output.clone());
            match is_unanswered {
                true if output.contains(COPY_END) => failure.hint(NEEDS_OUR_AGENT),
                true => failure,
                false => failure.hint(CAN_BE_RESUMED),
            }
        }
        Ok(SessionEnd::TimedOut) => {
            own("the connection was lost and the session is over".into()).hint(CAN_BE_RESUMED)
        }
        Ok(_) if is_unanswered => own(error.to_string()).hint(NEEDS_OUR_AGENT),
        Ok(_) => own(error.to_string()).hint(CAN_BE_RESUMED),
    }
}

const NEEDS_OUR_AGENT: &str = "`cp` needs Drawbridge's agent on the node, of this version or a later one";
const NEEDS_SAME_VERSION: &str =
    "the node's agent and this program must be of versions that understand each other";
const CAN_BE_RESUMED: &str = "`--resume` goes on with what was copied so far";
const MAX_LINE_BYTES: u64 = 4096;

#[cfg(test)]
mod tests;
