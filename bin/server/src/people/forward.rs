//! `drawbridge forward`: ports and sockets of this machine that lead to others, through a node.
//!
//! ```text
//!   listeners ──▶ session ──▶ the node fails or vanishes ──▶ wait ──▶ another session, the same listeners
//! ```

mod spec;
mod view;

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use drawbridge_plugin::api::{Api, StartSession};
use drawbridge_plugin::client::{self, Forwarding, SessionEnd};
use drawbridge_session::document::Destination;
use drawbridge_session::{SystemClock, SystemRandom};
use drawbridge_tunnel::{Listener, Listeners};
use tokio::signal::ctrl_c;

use self::spec::Local;
use self::view::View;
use super::{api, failure, node_id, not_started};
use crate::cli::Forward;
use crate::exit::{Failure, SESSION_FAILED};

pub(crate) use spec::{ForwardSpec, forward_spec};

/// How long to wait before another session is tried, from the first time to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// `drawbridge forward`.
pub(crate) async fn forward(arguments: Forward) -> Result<ExitCode> {
    // Before anything else: a port that is taken is no reason for a session.
    let listeners = listen(&arguments.tunnels).await?;
    let api = api(&arguments.server)?;
    let target = node_id(&api, &arguments.node).await?;
    let destinations: Vec<Destination> = arguments
        .tunnels
        .iter()
        .map(|tunnel| tunnel.destination.clone())
        .collect();
    let request = request(target, &destinations, &arguments);
    let clock = Arc::new(SystemClock::new());
    let view = View::new(destinations, arguments.json, arguments.verbose, clock);
    let mut forwarding = Forwarding {
        listeners: Rc::new(Listeners::new(listeners)),
        view: Box::new(view),
        node_failed: false,
    };
    let mut wait = FIRST_WAIT;
    loop {
        let end = session(&api, &request, &mut forwarding, &mut wait).await;
        if arguments.once || !forwarding.node_failed {
            return end;
        }
        let why = match &end {
            Ok(_) => "the node is gone".to_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("{why}; trying again in {} s (Ctrl-C to give up)", wait.as_secs());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = ctrl_c() => return Ok(ExitCode::from(130)),
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Runs one session. Once it has begun, the next wait is short again.
async fn session(
    api: &Api,
    request: &StartSession,
    forwarding: &mut Forwarding,
    wait: &mut Duration,
) -> Result<ExitCode> {
    let ticket = match api.start_session(request).await {
        Ok(ticket) => ticket,
        Err(error) => {
            // A node that vanished comes back, and so does a server; a refusal stays one.
            let may_pass = matches!(error.code(), None | Some("TargetNotConnected"));
            forwarding.node_failed &= may_pass;
            return Err(not_started(error));
        }
    };
    *wait = FIRST_WAIT;
    forwarding.node_failed = false;
    let clock = Arc::new(SystemClock::new());
    match client::forward(api, &ticket, forwarding, clock, &SystemRandom).await {
        Ok(SessionEnd::Closed { output, .. }) if !output.is_empty() => {
            Err(Failure::new(SESSION_FAILED, output).into())
        }
        Ok(SessionEnd::TimedOut) => {
            // Away for longer than the session waits. Another one is allowed or refused anew.
            forwarding.node_failed = true;
            Err(Failure::new(SESSION_FAILED, "the session ended while there was no connection").into())
        }
        Ok(end) => Ok(ExitCode::from(end.exit_code())),
        Err(error) => Err(failure(&error, &ticket).into()),
    }
}

/// Asks for one port as the AWS CLI's users do, so that their policies hold; for more in a document of our own.
fn request(target: String, destinations: &[Destination], arguments: &Forward) -> StartSession {
    let one = |value: String| vec![value];
    let (document, parameters) = match (&arguments.document, destinations) {
        (None, [Destination::Port { host, port }]) if host == "localhost" => (
            "AWS-StartPortForwardingSession",
            BTreeMap::from([("portNumber".to_owned(), one(port.to_string()))]),
        ),
        (None, [Destination::Port { host, port }]) => (
            "AWS-StartPortForwardingSessionToRemoteHost",
            BTreeMap::from([
                ("host".to_owned(), one(host.clone())),
                ("portNumber".to_owned(), one(port.to_string())),
            ]),
        ),
        (document, destinations) => (
            document.as_deref().unwrap_or("Drawbridge-StartPortForwarding"),
            BTreeMap::from([(
                "destinations".to_owned(),
                destinations.iter().map(ToString::to_string).collect(),
            )]),
        ),
    };
    StartSession {
        target,
        document_name: Some(document.to_owned()),
        parameters,
        reason: arguments.reason.clone(),
    }
}

async fn listen(tunnels: &[ForwardSpec]) -> Result<Vec<Listener>> {
    let mut listeners = Vec::with_capacity(tunnels.len());
    for tunnel in tunnels {
        let listener = match &tunnel.local {
            Local::Port { host, port } if host == "*" => Listener::tcp("0.0.0.0", *port).await,
            Local::Port { host, port } => Listener::tcp(host, *port).await,
            Local::Socket(path) => Listener::unix(path),
        };
        listeners.push(listener.map_err(|error| cannot_listen(&tunnel.local, &error))?);
    }
    Ok(listeners)
}

fn cannot_listen(local: &Local, error: &io::Error) -> Failure {
    let failure = Failure::new(SESSION_FAILED, format!("cannot listen on {local}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => failure.hint("port 0 takes a free one"),
        _ => failure,
    }
}
