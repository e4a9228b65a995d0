//! What a node's end is set up with.

use crate::encryption::Challenge;
use crate::stream::{InboundLimits, Window};
use crate::{Keepalive, NodeExtension};

/// Says which session this is and what was agreed about it.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Session id.
    pub session_id: String,
    /// Node id.
    pub node_id: String,
    /// Version to report in handshakes, four numbers: plugins choose features by it (`protocol.md` 5.7).
    pub agent_version: String,
    /// What our server allowed in `interactive_shell`; `None` towards AWS's own service.
    pub extension: Option<NodeExtension>,
    /// How the data key is agreed on; `None` for a session that is not encrypted.
    pub key_exchange: Option<KeyExchange>,
    /// How much output is held for the server.
    pub window: Window,
    /// How much input is kept that came before its turn.
    pub limits: InboundLimits,
    /// When to ping and when to give a connection up.
    pub keepalive: Keepalive,
}

/// Says which key wraps a session's data key, and what the client is asked.
#[derive(Clone, Debug)]
pub struct KeyExchange {
    /// The key, as the client is to name it.
    pub kms_key_id: String,
    /// Random bytes that the request carries.
    pub request_challenge: [u8; 16],
    /// What proves that the client has the data key.
    pub challenge: Challenge,
}

impl NodeConfig {
    /// Fills in the defaults.
    pub fn new(
        session_id: impl Into<String>,
        node_id: impl Into<String>,
        agent_version: impl Into<String>,
        extension: Option<NodeExtension>,
    ) -> NodeConfig {
        NodeConfig {
            session_id: session_id.into(),
            node_id: node_id.into(),
            agent_version: agent_version.into(),
            extension,
            key_exchange: None,
            window: Window::DEFAULT,
            limits: InboundLimits::DEFAULT,
            keepalive: Keepalive::SESSION,
        }
    }
}
