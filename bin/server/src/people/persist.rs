//! Shared connections: `drawbridge connect --persist`, and `drawbridge exec` over one.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;

use anyhow::Result;
use drawbridge_aws_client::Environment;
use drawbridge_plugin::sharing::{Call, CallEnd, Opening, Place, PlaceError, Refusal, RefusalCode, Sharing};
use drawbridge_plugin::terminal::SystemTerminal;

use super::sentence;
use crate::cli::{Connect, Exec, ServerArguments};
use crate::exit::{COMMAND_NOT_RUN, Failure, NOBODY_READS, SESSION_FAILED};

/// Begins to listen for commands, or says why there will be none: a shell is worth having all the same.
pub(super) fn sharing(arguments: &Connect, node: &str) -> Result<Option<Sharing>> {
    match place(&arguments.server).and_then(|place| place.share(node, &arguments.node)) {
        Ok(sharing) => Ok(Some(sharing)),
        Err(error) if arguments.no_shell => Err(Failure::new(SESSION_FAILED, sentence(&error)).into()),
        Err(error) => {
            eprintln!("this session is not shared: {}", sentence(&error));
            Ok(None)
        }
    }
}

/// Runs a command over a shared connection to its node; `None` if there is none that takes it.
pub(super) async fn run(arguments: &Exec) -> Result<Option<u8>> {
    let Some(socket) = connect(arguments) else {
        return Ok(None);
    };
    let tell = |text: &str| {
        if arguments.verbose {
            eprintln!("{text}");
        }
    };
    if arguments.reason.is_some() {
        tell("not shared: a reason belongs to a session of its own");
        return Ok(None);
    }
    if arguments.document.is_some() {
        tell("not shared: a document belongs to a session of its own");
        return Ok(None);
    }
    let Some(opening) = Opening::command(arguments.command.clone()) else {
        tell("not shared: the command is too long for it");
        return Ok(None);
    };
    let Some(call) = Call::new(socket, &opening) else {
        return Ok(None);
    };
    let mut terminal = SystemTerminal::open()?;
    let greeted = |session: &str| tell(&format!("session {session}, shared"));
    match call.run(&mut terminal, greeted).await {
        CallEnd::Unheard => Ok(None),
        CallEnd::Refused(Refusal {
            code: RefusalCode::NotAllowed,
            ..
        }) => {
            tell("not shared: the node does not run commands beside this shell");
            Ok(None)
        }
        end => code(end).map(Some),
    }
}

fn code(end: CallEnd) -> Result<u8> {
    let unknown = |why: String| Err(Failure::new(COMMAND_NOT_RUN, why).into());
    match end {
        CallEnd::Exited(exit) => {
            if !exit.reason.is_empty() {
                let plain: String = exit.reason.chars().filter(|c| !c.is_control()).collect();
                eprintln!("{plain}");
            }
            Ok(u8::try_from(exit.code).unwrap_or(u8::MAX))
        }
        CallEnd::Refused(refusal) => unknown(refusal.to_string()),
        CallEnd::Lost(reason) if !reason.is_empty() => {
            unknown(format!("the shared connection gave the command up: {reason}"))
        }
        CallEnd::Lost(_) | CallEnd::Unheard => {
            unknown("the shared connection is gone, and the command with it".to_owned())
        }
        CallEnd::Signalled(signal) => Ok(128 + signal.number()),
        CallEnd::Output(error) if error.kind() == ErrorKind::BrokenPipe => Ok(NOBODY_READS),
        CallEnd::Output(error) => unknown(format!("cannot write to standard output: {error}")),
    }
}

fn connect(arguments: &Exec) -> Option<UnixStream> {
    if arguments.tty {
        return None;
    }
    place(&arguments.server).ok()?.connect(&arguments.node)
}

fn place(server: &ServerArguments) -> Result<Place, PlaceError> {
    let environment = Environment::of_process();
    let (endpoint, region) = (server.endpoint_url.as_deref(), server.region.as_deref());
    Place::of(&environment, endpoint, region, server.profile.as_deref())
}
