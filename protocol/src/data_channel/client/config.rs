//! What a client is set up with.

use uuid::Uuid;

use crate::stream::{InboundLimits, Window};
use crate::{Capabilities, Keepalive};

/// Says who the client is and what it can do.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Fixed for the life of the process, the same after reconnects.
    pub client_id: Uuid,
    /// Version to report, four numbers: agents choose features by it (`protocol.md` 5.7).
    pub client_version: String,
    /// What to name in the first frame; `None` towards AWS's own service.
    pub capabilities: Option<Capabilities>,
    /// How much input is held for the node.
    pub window: Window,
    /// How much output is kept that came before its turn.
    pub limits: InboundLimits,
    /// When to ping and when to give a connection up.
    pub keepalive: Keepalive,
}

impl ClientConfig {
    /// Fills in the defaults for a client of our own server.
    pub fn new(client_id: Uuid, client_version: impl Into<String>) -> ClientConfig {
        ClientConfig {
            client_id,
            client_version: client_version.into(),
            capabilities: Some(Capabilities::OURS),
            window: Window::DEFAULT,
            limits: InboundLimits::DEFAULT,
            keepalive: Keepalive::SESSION,
        }
    }
}
