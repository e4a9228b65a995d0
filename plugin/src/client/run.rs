//! A session from its first word to its last.

use std::sync::Arc;

use bytes::Bytes;
use drawbridge_session::{Clock, Random};
use tokio::time::timeout;

use super::conversation::{Conversation, Ending, Outcome};
use super::{
    ClientError, ClientOptions, Forwarding, GatewayRemote, Mode, Remote, SessionEnd, SessionKind,
    speaks_to_aws,
};
use crate::api::Api;
use crate::sharing::Sharing;
use crate::terminal::{Signal, SystemTerminal, Terminal};
use crate::{SessionTicket, texts};

/// Runs the session of a ticket in this process's terminal until it ends.
///
/// Says what is to be said on the way and at the end; an error is left for the caller to tell. Must be called within a
/// runtime whose I/O and time are enabled; standard input, output and the signals belong to the session meanwhile.
pub async fn run(
    api: &Api,
    ticket: &SessionTicket,
    mode: Mode,
    clock: Arc<dyn Clock>,
    random: &dyn Random,
) -> Result<SessionEnd, ClientError> {
    let mut terminal = SystemTerminal::open().map_err(ClientError::Terminal)?;
    run_on(api, ticket, mode, &mut terminal, clock, random).await
}

/// The same in another terminal.
pub async fn run_on<T: Terminal>(
    api: &Api,
    ticket: &SessionTicket,
    mode: Mode,
    terminal: &mut T,
    clock: Arc<dyn Clock>,
    random: &dyn Random,
) -> Result<SessionEnd, ClientError> {
    let options = options(api, ticket, mode);
    let remote = GatewayRemote::new(api, ticket, mode);
    run_session(ticket, &options, &remote, terminal, &*clock, random).await
}

/// Runs the session of a ticket like [`run`], and shares it at a socket meanwhile.
pub async fn share(
    api: &Api,
    ticket: &SessionTicket,
    mode: Mode,
    sharing: Sharing,
    clock: Arc<dyn Clock>,
    random: &dyn Random,
) -> Result<SessionEnd, ClientError> {
    let mut terminal = SystemTerminal::open().map_err(ClientError::Terminal)?;
    let options = options(api, ticket, mode);
    let remote = GatewayRemote::new(api, ticket, mode);
    let conversation = Conversation::new(ticket, &options, &remote, &mut terminal, &*clock, random);
    let outcome = conversation.sharing(sharing).run().await;
    finish(ticket, &options, &remote, &mut terminal, outcome).await
}

/// Runs the tunnel of a ticket until it ends, with listeners that are there already.
///
/// Like [`run`], but for what programs connect to: nothing is said but to the view.
pub async fn forward(
    api: &Api,
    ticket: &SessionTicket,
    forwarding: &mut Forwarding,
    clock: Arc<dyn Clock>,
    random: &dyn Random,
) -> Result<SessionEnd, ClientError> {
    let mut terminal = SystemTerminal::open().map_err(ClientError::Terminal)?;
    let options = ClientOptions::new(Mode::Forward);
    let remote = GatewayRemote::new(api, ticket, Mode::Forward);
    let conversation = Conversation::new(ticket, &options, &remote, &mut terminal, &*clock, random);
    let Outcome { ending, .. } = conversation.forwarding(forwarding).run().await;
    conclude(ticket, &options, &remote, &mut terminal, ending).await
}

/// Runs a session between any terminal and any server until it ends.
///
/// The terminal's settings are back in place when this returns, and everything that the session printed was written.
pub async fn run_session<R: Remote, T: Terminal>(
    ticket: &SessionTicket,
    options: &ClientOptions,
    remote: &R,
    terminal: &mut T,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<SessionEnd, ClientError> {
    let conversation = Conversation::new(ticket, options, remote, terminal, clock, random);
    let outcome = conversation.run().await;
    finish(ticket, options, remote, terminal, outcome).await
}

fn options(api: &Api, ticket: &SessionTicket, mode: Mode) -> ClientOptions {
    let mut options = ClientOptions::new(mode);
    if speaks_to_aws(&ticket.stream_url, api.endpoint().host()) {
        options.capabilities = None;
    }
    options
}

/// Says how a session ended, and puts the terminal back.
async fn finish<R: Remote, T: Terminal>(
    ticket: &SessionTicket,
    options: &ClientOptions,
    remote: &R,
    terminal: &mut T,
    outcome: Outcome,
) -> Result<SessionEnd, ClientError> {
    let Outcome { kind, ending } = outcome;
    if matches!(ending, Ok(Ending::Over(_))) {
        drained(terminal).await;
    }
    terminal.leave_raw();
    let end = conclude(ticket, options, remote, terminal, ending).await?;
    say_end(&ticket.session_id, options.mode, kind, &end, terminal);
    drained(terminal).await;
    Ok(end)
}

/// Says that the session is over, and that it had begun where nobody could say so before.
fn say_end(
    session_id: &str,
    mode: Mode,
    kind: Option<SessionKind>,
    end: &SessionEnd,
    terminal: &mut impl Terminal,
) {
    // The caller tells what went wrong, and a natural end shows.
    if mode.is_part_of_program() || (kind == Some(SessionKind::Command) && end.is_natural()) {
        return;
    }
    let channel = mode.channel_of_words(kind);
    if let Some(text) = texts::ended(session_id, end) {
        if kind.is_none() && mode.announces(kind) {
            terminal.write(channel, texts::starting(session_id).into());
        }
        terminal.write(channel, Bytes::from(text));
    }
}

/// Does what is left to do after the loop, above all end a session that nobody will use any more.
async fn conclude<R: Remote, T: Terminal>(
    ticket: &SessionTicket,
    options: &ClientOptions,
    remote: &R,
    terminal: &mut T,
    ending: Result<Ending, ClientError>,
) -> Result<SessionEnd, ClientError> {
    let session_id = &ticket.session_id;
    match ending {
        Ok(Ending::Over(end)) => Ok(end),
        Ok(Ending::Leave) if options.mode == Mode::Watch => Ok(SessionEnd::Detached),
        Ok(Ending::Leave) => {
            let terminated = goodbye(options, remote).await;
            terminal.notice(&match &terminated {
                Ok(()) => format!("session {session_id} was ended"),
                Err(reason) => format!("session {session_id} may still be running: {reason}"),
            });
            Ok(SessionEnd::Left {
                terminated: terminated.is_ok(),
            })
        }
        Ok(Ending::Detach) => {
            terminal.notice(&format!(
                "session {session_id} runs on\nhint: `drawbridge sessions attach {session_id}` takes it up again"
            ));
            Ok(SessionEnd::Detached)
        }
        Ok(Ending::Signal(signal)) => {
            if options.mode.owns_session()
                && let Err(reason) = goodbye(options, remote).await
                // Nobody is left to be told, on a terminal that has hung up.
                && signal != Signal::Hangup
            {
                terminal.notice(&format!("session {session_id} may still be running: {reason}"));
            }
            Ok(SessionEnd::Signalled(signal))
        }
        Ok(Ending::Finished) => {
            if options.mode.owns_session() {
                // The terminal is no longer this program's to speak on; the server finds out by itself, later.
                let _ = goodbye(options, remote).await;
            }
            Ok(SessionEnd::Finished)
        }
        Err(
            error @ (ClientError::UnsupportedSessionType(_)
            | ClientError::NotShared
            | ClientError::EncryptedNotShared
            | ClientError::Output(_)
            | ClientError::Listen { .. }
            | ClientError::Tunnel(_)),
        ) => {
            if options.mode.owns_session() {
                let _ = goodbye(options, remote).await;
            }
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Ends the session at the server, or says why that is not sure.
async fn goodbye<R: Remote>(options: &ClientOptions, remote: &R) -> Result<(), String> {
    match timeout(options.patience.goodbye, remote.terminate()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err(format!(
            "the server did not answer within {} s",
            options.patience.goodbye.as_secs()
        )),
    }
}

/// Waits until what was printed is written; a person or a signal may decide not to wait for a stopped terminal.
async fn drained<T: Terminal>(terminal: &mut T) {
    while terminal.backlog() > 0 {
        match terminal.next(false).await {
            crate::terminal::Occurrence::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup)
            | crate::terminal::Occurrence::OutputFailed(_) => return,
            _ => {}
        }
    }
}

/// The error and its causes in one sentence.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
