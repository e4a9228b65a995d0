//! What the operations share: the store, the relay, time and chance.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::recording::Recordings;
use drawbridge_session::{
    Authority, Caller, Clock, Keys, ManagedNode, NodeId, Random, Relay, Session, SessionId,
};
use drawbridge_store::{ChannelEnd, Foundation, RootKey, Store, Token, TokenGrant};
use jiff::Timestamp;

use crate::error::{internal, invalid_instance_id};
use crate::{ActivationTier, DRAWBRIDGE_OPERATIONS, OPERATIONS, Operation};

/// The `ssm` service of one server.
pub struct Ssm {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) root: Arc<RootKey>,
    pub(crate) relay: Arc<dyn Relay>,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: Settings,
    pub(crate) recordings: Arc<dyn Recordings>,
}

/// What the service needs of its server besides the foundation.
pub struct Parts {
    /// Where sessions live.
    pub relay: Arc<dyn Relay>,
    /// What nodes and sessions may do.
    pub authority: Arc<dyn Authority>,
    /// What sessions are encrypted with.
    pub keys: Arc<dyn Keys>,
    /// What was recorded of sessions.
    pub recordings: Arc<dyn Recordings>,
    /// How it answers.
    pub settings: Settings,
}

/// How the service answers on this server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether streams are announced under `ssmmessages.<region>.amazonaws.com` (private-names mode), whatever name
    /// the caller used.
    pub private_names: bool,
    /// The `host[:port]` to announce when a request names none that a URL can hold.
    pub public_host: String,
    /// How long a client's token waits for its connection.
    pub token_lifetime: Duration,
    /// How long the credentials of a node last; its agent asks for others at half of it.
    pub node_credential_lifetime: Duration,
    /// How long `StartSession` waits for a node that was connected moments ago.
    ///
    /// AWS's agent may need 12 s to come back to a server that restarted.
    pub node_patience: Duration,
    /// What registered nodes can be used for in accounts and regions that have not chosen.
    pub activation_tier: ActivationTier,
}

impl Settings {
    /// Returns the defaults, for a server that can be reached as `public_host`.
    pub fn new(public_host: impl Into<String>) -> Self {
        Self {
            private_names: false,
            public_host: public_host.into(),
            token_lifetime: Duration::from_secs(90),
            node_credential_lifetime: Duration::from_secs(3600),
            node_patience: Duration::from_secs(15),
            activation_tier: ActivationTier::default(),
        }
    }
}

impl Ssm {
    /// Brings the parts together.
    pub fn new(foundation: Foundation, parts: Parts) -> Self {
        Self {
            store: foundation.store,
            root: foundation.root,
            relay: parts.relay,
            authority: parts.authority,
            keys: parts.keys,
            clock: foundation.clock,
            random: foundation.random,
            settings: parts.settings,
            recordings: parts.recordings,
        }
    }

    /// Finds an operation of `AmazonSSM.<Operation>`.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }

    /// Finds an operation of `Drawbridge.<Operation>`.
    pub fn drawbridge_operation(name: &str) -> Option<&'static Operation> {
        DRAWBRIDGE_OPERATIONS
            .iter()
            .find(|operation| operation.name == name)
    }

    /// Finds a node where the caller acts; one of another account or region does not exist there.
    pub(crate) async fn node(&self, caller: &Caller, id: &str) -> Result<Option<ManagedNode>, AwsError> {
        let Ok(id) = NodeId::parse(id) else {
            return Ok(None);
        };
        let node = self.store.node(&id).await.map_err(internal)?;
        Ok(node.filter(|node| node.account == caller.account && node.region == caller.region))
    }

    /// The same for a node that must exist.
    pub(crate) async fn known_node(&self, caller: &Caller, id: &str) -> Result<ManagedNode, AwsError> {
        let node = self.node(caller, id).await?;
        node.ok_or_else(|| invalid_instance_id(id))
    }

    /// Finds a session where the caller acts, live or past.
    pub(crate) async fn session(&self, caller: &Caller, id: &str) -> Result<Option<Session>, AwsError> {
        let Ok(id) = SessionId::parse(id) else {
            return Ok(None);
        };
        let session = self.store.session(&id).await.map_err(internal)?;
        Ok(session.filter(|session| session.account == caller.account && session.region == caller.region))
    }

    /// Draws a token for one end of a session; it is worth nothing until the grant is stored.
    pub(crate) fn draw_token(&self, session: &SessionId, end: ChannelEnd) -> (Token, TokenGrant) {
        let lifetime = self.settings.token_lifetime;
        TokenGrant::draw(end.of(session), self.clock.now(), lifetime, self.random.as_ref())
    }

    /// Returns where a session's stream is, under the name by which the caller reached the server.
    pub(crate) fn stream_url(&self, caller: &Caller, session: &SessionId) -> String {
        let host = self.host_of("ssmmessages", caller);
        format!(
            "wss://{host}/v1/data-channel/{}?role=publish_subscribe",
            session.url_segment()
        )
    }

    /// Returns the name by which the caller reaches a service of this server.
    pub(crate) fn host_of(&self, service: &str, caller: &Caller) -> String {
        let Caller { host, region, .. } = caller;
        // Only our own gateway answers here, so a caller who used a name of AWS's did so in private-names mode.
        let private = host
            .split(':')
            .next()
            .is_some_and(|name| name.ends_with(".amazonaws.com"));
        if private || self.settings.private_names {
            return format!("{service}.{region}.amazonaws.com");
        }
        let plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        };
        if !host.is_empty() && host.len() <= 260 && host.bytes().all(plain) {
            host.to_owned()
        } else {
            self.settings.public_host.clone()
        }
    }
}

impl std::fmt::Debug for Ssm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ssm")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Adds to a moment; the end of time is late enough for what lies beyond it.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
