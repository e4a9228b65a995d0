//! A server on a free port, and what it takes to be its client.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_client::{
    Auth, Client, Connector, Credentials, Endpoint, Proxies, Service, Tls, WebSocket,
};
use drawbridge_recorder::FolderConfig;
use drawbridge_relay::SessionRelay;
use drawbridge_service_ssm::ActivationTier;
use drawbridge_session::policy::{self, Context, Decision, PolicySet, Question};
use drawbridge_session::{
    AccountId, Activation, ActivationId, AuthorizedSession, EntityName, ManagedNode, Need, NodeId, Principal,
    Random, Region, Relay, Resource, Session, SessionId, SessionStart, SystemRandom,
};
use drawbridge_store::{
    ChannelEnd, Holder, Registration, SessionLimits, TemporaryCredentials, TokenGrant, TokenHash,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::http::Gateway;
use crate::{AdministratorKey, NODE_ROLE, Server, ServerConfig};

/// Nothing here takes longer, on however slow a machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Lab {
    pub(super) gateway: Arc<Gateway>,
    pub(super) address: std::net::SocketAddr,
    pub(super) administrator: AdministratorKey,
    pub(super) authority: std::path::PathBuf,
    pub(super) home: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
}

impl Lab {
    pub(super) async fn open() -> Lab {
        Lab::open_in(tempfile::tempdir().expect("temp dir")).await
    }

    pub(super) async fn open_in(home: tempfile::TempDir) -> Lab {
        let server = Server::open(config(home.path())).await.expect("opens");
        let (address, authority) = (server.address(), server.authority_file());
        let (gateway, administrator) = (
            Arc::clone(&server.gateway),
            server.administrator().expect("a key").clone(),
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        let (stop, serving) = (Some(stop), Some(serving));
        Lab {
            gateway,
            address,
            administrator,
            authority,
            home,
            stop,
            serving,
        }
    }

    /// Stops the server; the folder it worked in.
    pub(super) async fn close(mut self) -> tempfile::TempDir {
        drop(self.stop.take());
        let serving = self.serving.take().expect("serves");
        timeout(PATIENCE, serving)
            .await
            .expect("stops in time")
            .expect("no panic")
            .expect("stops");
        self.home
    }

    pub(super) fn client(&self) -> Client {
        self.client_in("us-east-1")
    }

    /// A client that signs for a region.
    pub(super) fn client_in(&self, region: &str) -> Client {
        let endpoint: Endpoint = format!("https://{}", self.address).parse().expect("an endpoint");
        let connector = Connector::new(Tls::of_file(&self.authority).expect("a bundle"), Proxies::none());
        let clock = Arc::clone(&self.gateway.clock);
        Client::new(endpoint, region, connector, Arc::new(move || clock.now()))
    }

    pub(super) fn administrators_credentials(&self) -> Credentials {
        Credentials {
            access_key_id: self.administrator.id.to_string(),
            secret_access_key: self.administrator.secret.expose().to_owned().into(),
            session_token: None,
        }
    }

    pub(super) fn relay(&self) -> &SessionRelay {
        &self.gateway.services.relay
    }

    /// A registered node and the credentials of its role.
    pub(super) async fn node(&self, number: u8) -> (NodeId, Credentials) {
        let store = &self.gateway.store;
        let now = self.gateway.clock.now();
        let later = now.checked_add(Duration::from_secs(3600)).expect("in range");
        let activation = Activation {
            id: ActivationId::generate(&SystemRandom),
            account: account(),
            region: region(),
            description: None,
            default_instance_name: None,
            iam_role: NODE_ROLE.to_owned(),
            registration_limit: 1,
            registrations_count: 0,
            expires_at: later,
            created_at: now,
            tags: Vec::new(),
        };
        let code = TokenHash::of("a code");
        store.create_activation(&activation, &code).await.expect("stored");
        let registration = Registration {
            activation: activation.id,
            code,
            node: NodeId::generate(&SystemRandom),
            public_key: vec![number; 300],
            fingerprint: format!("machine {number}"),
        };
        let node = store.register_node(&registration, now).await.expect("registered");
        let credentials = self.role_credentials(&node, later);
        (node.id, credentials)
    }

    fn role_credentials(&self, node: &ManagedNode, expires_at: jiff::Timestamp) -> Credentials {
        let holder = Holder::Node {
            node: node.id.clone(),
            region: node.region.clone(),
        };
        let minted = TemporaryCredentials::mint(holder, None, expires_at, &self.gateway.root, &SystemRandom);
        Credentials {
            access_key_id: minted.access_key_id.to_string(),
            secret_access_key: minted.secret_access_key.expose().to_owned().into(),
            session_token: Some(minted.session_token.expose().to_owned().into()),
        }
    }

    /// A node whose control channel is up; the channel closes with the socket.
    pub(super) async fn connected_node(&self, number: u8) -> (NodeId, Credentials, WebSocket) {
        let (node, credentials) = self.node(number).await;
        let token = self
            .channel_token(&format!("/v1/control-channel/{node}"), &credentials)
            .await;
        let mut socket = self.dial_control(&node, Auth::Credentials(&credentials)).await;
        socket
            .send(Message::text(json!({ "TokenValue": token }).to_string()))
            .await
            .expect("sent");
        assert!(self.relay().node_connected(&node, PATIENCE).await);
        (node, credentials, socket)
    }

    pub(super) async fn channel_token(&self, path: &str, credentials: &Credentials) -> String {
        let auth = Auth::Credentials(credentials);
        let answer = self
            .client()
            .post(Service::SSMMESSAGES, path, &json!({}), auth)
            .await
            .expect("answers");
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.xml_text("TokenValue").expect("a token")
    }

    pub(super) async fn dial_control(&self, node: &NodeId, auth: Auth<'_>) -> WebSocket {
        let url = format!(
            "wss://{}/v1/control-channel/{node}?role=subscribe&stream=input",
            self.address
        );
        self.client().open_websocket(&url, auth).await.expect("upgraded")
    }

    pub(super) async fn dial(&self, session: &SessionId, auth: Auth<'_>) -> WebSocket {
        self.client()
            .open_websocket(&self.data_url(session), auth)
            .await
            .expect("upgraded")
    }

    pub(super) fn data_url(&self, session: &SessionId) -> String {
        let segment = session.url_segment();
        format!(
            "wss://{}/v1/data-channel/{segment}?role=publish_subscribe",
            self.address
        )
    }

    /// A session on a node that `StartSession` has answered, and its client's token.
    pub(super) async fn session(&self, node: &NodeId) -> (SessionId, String) {
        let session = SessionId::generate("alice", &SystemRandom);
        let authorized = authorize(&session, node);
        let now = self.gateway.clock.now();
        let start = SessionStart::default_shell();
        let record = Session::new(&authorized, region(), None, start.clone(), now);
        let (token, grant) = self.grant(&session, ChannelEnd::ClientStart);
        self.gateway
            .store
            .create_session(&record, &grant, SessionLimits::default())
            .await
            .expect("stored");
        self.relay().start(authorized, start).await.expect("starts");
        (session, token)
    }

    /// Another token of a session, as `ResumeSession` gives.
    pub(super) async fn another_token(&self, session: &SessionId, end: ChannelEnd) -> String {
        let (token, grant) = self.grant(session, end);
        self.gateway.store.grant_token(&grant).await.expect("granted");
        token
    }

    fn grant(&self, session: &SessionId, end: ChannelEnd) -> (String, TokenGrant) {
        let now = self.gateway.clock.now();
        let (token, grant) = TokenGrant::draw(end.of(session), now, Duration::from_secs(60), &SystemRandom);
        (token.expose().to_owned(), grant)
    }
}

pub(super) fn config(home: &std::path::Path) -> ServerConfig {
    ServerConfig {
        data_dir: home.join("data"),
        listen: "127.0.0.1:0".to_owned(),
        account: account(),
        region: region(),
        public_host: None,
        certificate_hosts: Vec::new(),
        private_names: false,
        renew_administrator_key: false,
        end_disallowed_sessions: true,
        activation_tier: ActivationTier::Advanced,
        recordings: FolderConfig::default(),
        reserve_bytes: None,
        objects: None,
    }
}

pub(super) fn account() -> AccountId {
    AccountId::parse("123456789012").expect("an account")
}

pub(super) fn region() -> Region {
    Region::parse("us-east-1").expect("a region")
}

fn authorize(session: &SessionId, node: &NodeId) -> AuthorizedSession {
    let id = format!("AIDA{}", SystemRandom.uuid().simple());
    let alice = Principal::User {
        account: account(),
        user: EntityName::new("alice", id),
    };
    let resource = Resource::node(&region(), &account(), node.as_str());
    let need = Need::on(resource).or_action("ssm:StartSession");
    let question = Question {
        need: &need,
        context: Context::new(),
        policies: PolicySet {
            identity: vec![policy::administrator()],
            ..PolicySet::default()
        },
    };
    let Decision::Allow(allowed) = policy::decide(&alice, vec![question]) else {
        panic!("allowed")
    };
    allowed
        .open_session(session.clone(), node.clone())
        .expect("the decision is about it")
}

/// Everything that comes until the server closes the socket.
pub(super) async fn read_to_end(socket: &mut WebSocket) -> Vec<Message> {
    let reading = async {
        let mut messages = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            messages.push(message);
        }
        messages
    };
    timeout(PATIENCE, reading)
        .await
        .expect("the server closes the socket")
}

/// The sentence of the `channel_closed` frame among these.
pub(super) fn goodbye(messages: &[Message]) -> Option<String> {
    use drawbridge_protocol::payload::{self, ChannelClosed};
    use drawbridge_protocol::wire::{Frame, MessageType};
    messages.iter().find_map(|message| {
        let Message::Binary(bytes) = message else {
            return None;
        };
        let frame = Frame::decode(bytes.clone()).ok()?;
        (frame.message_type == MessageType::ChannelClosed).then_some(())?;
        Some(payload::parse::<ChannelClosed>(&frame.payload).ok()?.output)
    })
}
