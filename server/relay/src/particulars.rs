//! From a session's record to what its relay must know.

use std::time::Duration;

use drawbridge_protocol::data_channel::relay::{RelayConfig, SessionKind, Timers};
use drawbridge_protocol::payload::InteractiveShell;
use drawbridge_protocol::{Capabilities, DEFAULT_MAX_PAYLOAD, NodeExtension};
use drawbridge_session::document::{Properties, SessionType, TUNNEL};
use drawbridge_session::{AuthorizedSession, SessionDocument, SessionStart};
use serde_json::json;

use crate::live::Particulars;

/// Minutes without input or output after which a session ends when its document does not say.
const DEFAULT_IDLE_MINUTES: u64 = 20;

/// Puts together what the relay of a session must know.
pub(crate) fn particulars(
    authorized: AuthorizedSession,
    start: SessionStart,
    node: Option<Capabilities>,
    timers: Timers,
) -> Particulars {
    let inputs = &start.document.inputs;
    let idle = inputs.idle_minutes().unwrap_or(DEFAULT_IDLE_MINUTES);
    let config = RelayConfig {
        node_id: authorized.node().to_string(),
        node,
        timers: Timers {
            idle: Some(Duration::from_secs(60 * idle)),
            max_duration: inputs
                .longest_minutes()
                .map(|minutes| Duration::from_secs(60 * minutes)),
            ..timers
        },
        ..RelayConfig::new(authorized.session().to_string(), kind(&start.document))
    };
    Particulars {
        authorized,
        start,
        config,
    }
}

/// The message that makes the node start.
///
/// AWS's plugin takes frames of any size, but it shows one again when its connection is reset under it: the smaller, the
/// less is shown twice.
pub(crate) fn start_order(particulars: &Particulars, client: Option<Capabilities>) -> InteractiveShell {
    let Particulars {
        authorized,
        start,
        config,
    } = particulars;
    let mut content = start.interactive_shell(authorized);
    if let (Some(node), Some(content)) = (&config.node, content.as_object_mut()) {
        let readable = client.map_or(DEFAULT_MAX_PAYLOAD, |client| client.max_payload());
        let max_payload = node.max_payload().min(config.server.max_payload()).min(readable);
        let extension = NodeExtension {
            max_payload: u32::try_from(max_payload).unwrap_or(0),
            cumulative_ack: config.server.cumulative_ack,
        };
        content.insert("Drawbridge".to_owned(), json!(extension));
    }
    InteractiveShell {
        content: content.to_string(),
        task_id: authorized.session().to_string(),
        topic: "interactive_shell".to_owned(),
        schema_version: 1,
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
