//! Commands that people type: they call the server's API as any other client does.

mod cp;
mod exec;
mod explain;
mod floor;
mod forward;
mod lint;
mod persist;
mod replay;
mod show;
mod style;
pub(crate) mod table;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use drawbridge_aws_client::Environment;
use drawbridge_plugin::SessionTicket;
use drawbridge_plugin::api::{Api, ApiError, SessionListing, StartSession};
use drawbridge_plugin::client::{self, ClientError, Mode, SessionEnd};
use drawbridge_session::floor::Requirement;
use drawbridge_session::{BelowFloor, SystemClock, SystemRandom};

use crate::cli::{Connect, ServerArguments, Sessions};
use crate::exit::{Failure, SERVER_REFUSED, SESSION_FAILED};

pub(crate) use cp::cp;
pub(crate) use exec::{exec, shared_exec};
pub(crate) use explain::explain;
pub(crate) use floor::{floor, idle_minutes, requirement, session_minutes};
pub(crate) use forward::{ForwardSpec, forward, forward_spec};
pub(crate) use lint::lint;
pub(crate) use replay::{moment, replay};

/// `drawbridge connect`.
pub(crate) async fn connect(arguments: Connect) -> Result<ExitCode> {
    let api = api(&arguments.server)?;
    let target = node_id(&api, &arguments.node).await?;
    let request = StartSession {
        target,
        document_name: arguments.document.clone(),
        reason: arguments.reason.clone(),
        ..StartSession::default()
    };
    let sharing = match arguments.persist {
        true => persist::sharing(&arguments, &request.target)?,
        false => None,
    };
    let ticket = start(&api, &request).await?;
    match sharing {
        Some(sharing) => {
            let mode = if arguments.no_shell {
                Mode::Hold
            } else {
                Mode::Connect
            };
            let clock = Arc::new(SystemClock::new());
            ended(
                client::share(&api, &ticket, mode, sharing, clock, &SystemRandom).await,
                &ticket,
            )
        }
        None => run(&api, &ticket, Mode::Connect).await,
    }
}

/// Starts a session, or says why there is none and what to do about it.
async fn start(api: &Api, request: &StartSession) -> Result<SessionTicket> {
    api.start_session(request).await.map_err(not_started)
}

fn not_started(error: ApiError) -> anyhow::Error {
    let hint = match error.code() {
        Some("TargetNotConnected") => "`drawbridge nodes list` says which nodes can be reached",
        Some("AccessDeniedException") if lacks_a_reason(&error) => "`--reason` says why",
        Some("AccessDeniedException") if is_below_floor(&error) => {
            "`drawbridge floor show` lists what every session must have"
        }
        Some("AccessDeniedException") => "`drawbridge explain` says which policy decides",
        _ => return refused(error),
    };
    Failure::new(SERVER_REFUSED, sentence(&error)).hint(hint).into()
}

/// Whether the session floor is what refuses.
fn is_below_floor(error: &ApiError) -> bool {
    error.code() == Some("AccessDeniedException") && sentence(error).contains(BelowFloor::LEAD)
}

/// Whether all that the session floor asks for is a reason.
fn lacks_a_reason(error: &ApiError) -> bool {
    let only = format!("{}: rule `{}`: ", BelowFloor::LEAD, Requirement::Reason);
    is_below_floor(error) && sentence(error).contains(&only)
}

/// `drawbridge sessions …`.
pub(crate) async fn sessions(arguments: Sessions) -> Result<ExitCode> {
    match arguments {
        Sessions::List {
            history,
            json,
            server,
        } => {
            let which = if history {
                SessionListing::History
            } else {
                SessionListing::Active
            };
            let sessions = api(&server)?.describe_sessions(which).await.map_err(refused)?;
            print!(
                "{}",
                if json {
                    table::json(&sessions)?
                } else {
                    table::text(&sessions)
                }
            );
            Ok(ExitCode::SUCCESS)
        }
        Sessions::Show {
            session,
            json,
            server,
        } => show::show(&api(&server)?, &session, json).await,
        Sessions::Terminate { session, server } => {
            api(&server)?.terminate_session(&session).await.map_err(refused)?;
            Ok(ExitCode::SUCCESS)
        }
        Sessions::Watch { session, server } => {
            let api = api(&server)?;
            let ticket = api.watch_session(&session).await.map_err(refused)?;
            run(&api, &ticket, Mode::Watch).await
        }
        Sessions::Attach { session, server } => {
            let api = api(&server)?;
            let ticket = api.attach_session(&session).await.map_err(refused)?;
            run(&api, &ticket, Mode::Attach).await
        }
    }
}

async fn run(api: &Api, ticket: &SessionTicket, mode: Mode) -> Result<ExitCode> {
    let clock = Arc::new(SystemClock::new());
    ended(client::run(api, ticket, mode, clock, &SystemRandom).await, ticket)
}

/// What a person's session ended with.
fn ended(ended: Result<SessionEnd, ClientError>, ticket: &SessionTicket) -> Result<ExitCode> {
    match ended {
        Ok(end) => Ok(ExitCode::from(match (end.command_exit_code(), end.exit_code()) {
            (Some(code), _) => code,
            (None, 1) => SESSION_FAILED,
            (None, code) => code,
        })),
        Err(error) => Err(failure(&error, ticket).into()),
    }
}

/// Why a session could not go on, and what the person can do about it.
fn failure(error: &ClientError, ticket: &SessionTicket) -> Failure {
    let failure = Failure::new(SESSION_FAILED, sentence(error));
    match (error.hint(), error) {
        (Some(hint), _) => failure.hint(hint),
        (None, ClientError::ConnectionLost { .. }) => failure.hint(format!(
            "`drawbridge sessions attach {}` takes it up again",
            ticket.session_id
        )),
        (None, _) => failure,
    }
}

/// The id of the node that a person named: as it is, or by a Name tag that exactly one node has.
async fn node_id(api: &Api, named: &str) -> Result<String> {
    if drawbridge_session::NodeId::parse(named).is_ok() {
        return Ok(named.to_owned());
    }
    let mut found = api.nodes_named(named).await.map_err(refused)?;
    if found.is_empty() {
        // The name that its activation gave it, where nobody has tagged it with another.
        found = api.nodes().await.map_err(refused)?;
        found.retain(|node| node.name == named);
    }
    match found.as_slice() {
        [one] => Ok(one.instance_id.clone()),
        [] => Err(
            Failure::new(SERVER_REFUSED, format!("no node has the id or Name `{named}`"))
                .hint("`aws ssm describe-instance-information` lists the nodes")
                .into(),
        ),
        several => {
            let ids: Vec<&str> = several.iter().map(|node| node.instance_id.as_str()).collect();
            let sentence = format!("{} nodes have the Name `{named}`", several.len());
            Err(Failure::new(SERVER_REFUSED, sentence)
                .hint(format!("name one by id: {}", ids.join(", ")))
                .into())
        }
    }
}

/// The server that the arguments and the environment name.
pub(crate) fn api(server: &ServerArguments) -> Result<Api> {
    let (endpoint, region) = (server.endpoint_url.as_deref(), server.region.as_deref());
    let clock = Arc::new(SystemClock::new());
    Ok(Api::of_environment(
        Environment::of_process(),
        endpoint,
        region,
        server.profile.clone(),
        clock,
    )?)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
pub(crate) fn refused(error: ApiError) -> anyhow::Error {
    let failure = Failure::new(SERVER_REFUSED, sentence(&error));
    match error.code().and_then(way_out) {
        Some(hint) => failure.hint(hint).into(),
        None => failure.into(),
    }
}

/// What to do about a refusal that has one reason.
fn way_out(code: &str) -> Option<&'static str> {
    match code {
        "DisabledException" => Some("`aws kms enable-key` lets the key be used again"),
        "KMSInvalidStateException" => {
            Some("`aws kms cancel-key-deletion`, and then `enable-key`, let the key be used again")
        }
        code if code.starts_with("Internal") => Some("the server's log says what failed"),
        _ => None,
    }
}

/// An error and its causes as one sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text.push_str(": ");
        text.push_str(&one.to_string());
        cause = one.source();
    }
    text
}
