//! From a session's record to what its relay must know.

use std::time::Duration;

use drawbridge_protocol::data_channel::relay::{Limits, RelayConfig, SessionKind, Timers};
use drawbridge_protocol::payload::InteractiveShell;
use drawbridge_protocol::{Capabilities, CommandKind, DEFAULT_MAX_PAYLOAD, NodeExtension};
use drawbridge_session::document::{NeedsOurAgent, Properties, SessionType, TUNNEL};
use drawbridge_session::{AuthorizedSession, SessionDocument, SessionStart};
use serde_json::json;

use crate::live::Particulars;

/// Minutes without input or output after which a session ends when its document does not say.
const DEFAULT_IDLE_MINUTES: u64 = 20;

/// A tenth of the time after which an end sends again what was not acknowledged.
const TUNNEL_ACKNOWLEDGES_WITHIN: Duration = Duration::from_millis(10);

/// Puts together what the relay of a session must know that began some time ago: a restart makes nobody's session longer.
pub(crate) fn particulars(
    authorized: AuthorizedSession,
    start: SessionStart,
    node: Option<Capabilities>,
    timers: Timers,
    age: Duration,
) -> Particulars {
    let inputs = &start.document.inputs;
    let idle = inputs.idle_minutes().unwrap_or(DEFAULT_IDLE_MINUTES);
    let kind = kind(&start.document);
    let (limits, acknowledge_within) = match node {
        Some(node) if node.tunnels && kind.is_multiplexed() => (Limits::tunnel(), TUNNEL_ACKNOWLEDGES_WITHIN),
        Some(_) | None => (Limits::default(), timers.acknowledge_within),
    };
    let config = RelayConfig {
        node_id: authorized.node().to_string(),
        command: command(&start.document),
        encrypted: start.document.is_encrypted(),
        node,
        limits,
        fail_open: inputs.fails_open(),
        timers: Timers {
            idle: Some(Duration::from_secs(60 * idle)),
            max_duration: longest(&start.document, age),
            acknowledge_within,
            ..timers
        },
        ..RelayConfig::new(authorized.session().to_string(), kind)
    };
    Particulars {
        authorized,
        start,
        config,
    }
}

/// Says whether a node keeps what a document says of tunnels; `None` is AWS's agent.
pub(crate) fn keeps_destinations(node: Option<Capabilities>) -> bool {
    node.is_some_and(|node| node.tunnels)
}

/// The message that makes the node start.
///
/// AWS's plugin takes frames of any size, but it shows one again when its connection is reset under it: the smaller, the
/// less is shown twice.
///
/// # Errors
///
/// When AWS's agent would not do what the document says.
pub(crate) fn start_order(
    particulars: &Particulars,
    client: Option<Capabilities>,
) -> Result<InteractiveShell, NeedsOurAgent> {
    let Particulars {
        authorized,
        start,
        config,
    } = particulars;
    let mut content = start.interactive_shell(authorized, config.node.is_some())?;
    if let (Some(node), Some(content)) = (&config.node, content.as_object_mut()) {
        let readable = client.map_or(DEFAULT_MAX_PAYLOAD, |client| client.max_payload());
        let max_payload = node.max_payload().min(config.server.max_payload()).min(readable);
        let extension = NodeExtension {
            max_payload: u32::try_from(max_payload).unwrap_or(0),
            cumulative_ack: config.server.cumulative_ack,
            client_streams_input: client.is_some_and(|client| client.end_of_input),
            client_tunnels: client.is_some_and(|client| client.tunnels),
            client_commands: node.knows_commands(config.encrypted)
                && client.is_some_and(|client| client.knows_commands(config.encrypted)),
        };
        content.insert("Drawbridge".to_owned(), json!(extension));
    }
    Ok(InteractiveShell {
        content: content.to_string(),
        task_id: authorized.session().to_string(),
        topic: "interactive_shell".to_owned(),
        schema_version: 1,
    })
}

/// What is left of the longest duration.
fn longest(document: &SessionDocument, age: Duration) -> Option<Duration> {
    let minutes = document.inputs.longest_minutes()?;
    Some(Duration::from_secs(60 * minutes).saturating_sub(age))
}

fn command(document: &SessionDocument) -> Option<CommandKind> {
    match document.session_type {
        SessionType::InteractiveCommands => Some(CommandKind::InteractiveCommands),
        SessionType::NonInteractiveCommands => Some(CommandKind::NonInteractiveCommands),
        SessionType::StandardStream | SessionType::Port => None,
    }
}

fn kind(document: &SessionDocument) -> SessionKind {
    match document.session_type {
        SessionType::StandardStream | SessionType::InteractiveCommands => SessionKind::Shell,
        SessionType::NonInteractiveCommands => SessionKind::Command,
        SessionType::Port => {
            let is_tunnel =
                matches!(&document.properties, Properties::Port(settings) if settings.kind == TUNNEL);
            SessionKind::Port {
                multiplexed: is_tunnel,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use drawbridge_session::document::{Content, DocumentFormat};

    use super::*;

    #[test]
    fn a_restart_makes_no_session_longer() {
        let document = r#"{"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"maxSessionDuration": "30"}}"#;
        let content = Content::parse(document, DocumentFormat::Json).expect("valid");
        let (document, _) = content.resolve(&[].into()).expect("resolved");
        assert_eq!(
            longest(&document, Duration::from_secs(60 * 20)),
            Some(Duration::from_secs(60 * 10))
        );
        assert_eq!(
            longest(&document, Duration::from_secs(60 * 40)),
            Some(Duration::ZERO)
        );
        assert_eq!(longest(&SessionDocument::default_shell(), Duration::ZERO), None);
    }
}
