use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::policy::{Decision, decide};
use drawbridge_session::principal::NODE_ROLE;
use drawbridge_session::{
    AccountId, Activation, ActivationId, Caller, Clock as _, Ending, FixedClock, NodeId, Operation,
    Principal, Random as _, Region, Resource, SeededRandom, Session, SessionId, SessionStart, SessionState,
    SignedWith,
};
use drawbridge_store::{
    Activations as _, ChannelEnd, Nodes as _, Registration, RootKey, Sessions as _, Sqlite, Token,
    TokenBinding, TokenGrant, TokenHash, Tokens as _,
};
use serde_json::{Value, json};

use super::{
    CREATE_CONTROL_CHANNEL, CREATE_DATA_CHANNEL, DataChannelClaim, OpenError, OpenedEnd, SsmMessages,
};

#[tokio::test]
async fn a_control_token_opens_its_nodes_channel_once() {
    let house = House::new().await;
    let node = house.node().await;
    let token = house.control_token(&node).await;
    let signer = principal(&node);
    house
        .service
        .open_control_channel(&node, &token, Some(&signer))
        .await
        .expect("opens");
    let again = house
        .service
        .open_control_channel(&node, &token, Some(&signer))
        .await;
    assert!(matches!(again, Err(OpenError::InvalidToken)));
}

#[tokio::test]
async fn a_token_is_worth_nothing_from_its_last_second_on() {
    let house = House::new().await;
    let node = house.node().await;
    let signer = principal(&node);
    let in_time = house.control_token(&node).await;
    house.clock.advance(Duration::from_secs(59));
    house
        .service
        .open_control_channel(&node, &in_time, Some(&signer))
        .await
        .expect("opens");
    let late = house.control_token(&node).await;
    house.clock.advance(Duration::from_secs(60));
    let refused = house
        .service
        .open_control_channel(&node, &late, Some(&signer))
        .await;
    assert!(matches!(refused, Err(OpenError::InvalidToken)));
}

#[tokio::test]
async fn a_control_token_needs_its_nodes_signature_and_path() {
    let house = House::new().await;
    let (node, other) = (house.node().await, house.node().await);
    for signer in [None, Some(administrator()), Some(principal(&other))] {
        let token = house.control_token(&node).await;
        let refused = house
            .service
            .open_control_channel(&node, &token, signer.as_ref())
            .await;
        assert!(matches!(refused, Err(OpenError::WrongEnd)), "{signer:?}");
    }
    let token = house.control_token(&node).await;
    let refused = house
        .service
        .open_control_channel(&other, &token, Some(&principal(&other)))
        .await;
    assert!(matches!(refused, Err(OpenError::InvalidToken)));
}

#[tokio::test]
async fn only_nodes_ask_for_channels_and_only_for_their_own() {
    let house = House::new().await;
    let (node, other) = (house.node().await, house.node().await);
    let session = house.session(&node).await;
    let control = json!({ "InstanceId": node.as_str() });
    let data = json!({ "SessionId": session.as_str() });
    for caller in [administrator(), principal(&other)] {
        let refused = house
            .call(&CREATE_CONTROL_CHANNEL, caller.clone(), control.clone())
            .await;
        assert_eq!(refused.expect_err("refused").code(), "AccessDeniedException");
        let refused = house.call(&CREATE_DATA_CHANNEL, caller, data.clone()).await;
        assert_eq!(refused.expect_err("refused").code(), "AccessDeniedException");
    }
    for id in ["alice-0ffffffffffffffff", "", "../../etc"] {
        let refused = house
            .call(&CREATE_DATA_CHANNEL, principal(&node), json!({ "SessionId": id }))
            .await;
        assert_eq!(
            refused.expect_err("refused").code(),
            "AccessDeniedException",
            "{id}"
        );
    }
    house
        .call(&CREATE_DATA_CHANNEL, principal(&node), data)
        .await
        .expect("its own");
}

#[tokio::test]
async fn a_session_that_is_over_opens_no_more() {
    let house = House::new().await;
    let node = house.node().await;
    let session = house.session(&node).await;
    let token = house.token(&session, ChannelEnd::ClientResume).await;
    let ending = Ending {
        at: house.clock.now(),
        details: "done".to_owned(),
        exit_code: None,
    };
    house
        .store
        .change_session(&session, SessionState::Terminated(ending))
        .await
        .expect("ends");
    let refused = house.open(&session, &token, None, None).await;
    assert!(matches!(
        refused,
        Err(OpenError::InvalidToken | OpenError::SessionOver(_))
    ));
    let input = json!({ "SessionId": session.as_str() });
    let refused = house
        .call(&CREATE_DATA_CHANNEL, principal(&node), input)
        .await
        .expect_err("over");
    // AWS's agent stops trying when it reads this.
    assert!(refused.message().contains("Session is already terminated"));
}

#[tokio::test]
async fn each_end_is_told_by_its_token_and_nothing_else() {
    let house = House::new().await;
    let node = house.node().await;
    let session = house.session(&node).await;
    let ends = [
        ChannelEnd::ClientStart,
        ChannelEnd::ClientResume,
        ChannelEnd::ClientAttach,
        ChannelEnd::Watcher,
    ];
    for end in ends {
        for signer in [None, Some(administrator())] {
            let token = house.token(&session, end).await;
            let opened = house
                .open(&session, &token, None, signer.as_ref())
                .await
                .expect("opens");
            assert_eq!(opened, OpenedEnd::Client(end));
        }
        let token = house.token(&session, end).await;
        let refused = house.open(&session, &token, None, Some(&principal(&node))).await;
        assert!(matches!(refused, Err(OpenError::WrongEnd)), "signed by the node");
        let token = house.token(&session, end).await;
        let refused = house.open(&session, &token, Some(node.as_str()), None).await;
        assert!(
            matches!(refused, Err(OpenError::WrongEnd)),
            "calls itself the node"
        );
    }
    let signer = principal(&node);
    let token = house.token(&session, ChannelEnd::Node).await;
    let opened = house
        .open(&session, &token, Some(node.as_str()), Some(&signer))
        .await
        .expect("opens");
    assert_eq!(opened, OpenedEnd::Node(node.clone()));
    let token = house.token(&session, ChannelEnd::Node).await;
    let refused = house
        .open(&session, &token, Some("mi-0fffffffffffffff0"), Some(&signer))
        .await;
    assert!(
        matches!(refused, Err(OpenError::WrongEnd)),
        "calls itself another node"
    );
}

#[tokio::test]
async fn a_token_shown_at_the_wrong_session_is_gone() {
    let house = House::new().await;
    let node = house.node().await;
    let (session, other) = (house.session(&node).await, house.session(&node).await);
    let token = house.token(&session, ChannelEnd::ClientResume).await;
    assert!(matches!(
        house.open(&other, &token, None, None).await,
        Err(OpenError::InvalidToken)
    ));
    assert!(matches!(
        house.open(&session, &token, None, None).await,
        Err(OpenError::InvalidToken)
    ));
}

struct House {
    service: Arc<SsmMessages>,
    store: Sqlite,
    clock: Arc<FixedClock>,
    random: Arc<SeededRandom>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let (clock, random) = (Arc::new(FixedClock::default()), Arc::new(SeededRandom::new(1)));
        let root = Arc::new(RootKey::ephemeral(random.as_ref()));
        let store = Sqlite::open(&folder.path().join("store.db"), root)
            .await
            .expect("opens");
        let service = SsmMessages::new(Arc::new(store.clone()), clock.clone(), random.clone());
        House {
            service: Arc::new(service),
            store,
            clock,
            random,
            _folder: folder,
        }
    }

    async fn node(&self) -> NodeId {
        let now = self.clock.now();
        let activation = Activation {
            id: ActivationId::generate(self.random.as_ref()),
            account: account(),
            region: region(),
            description: None,
            default_instance_name: None,
            iam_role: NODE_ROLE.to_owned(),
            registration_limit: 1,
            registrations_count: 0,
            expires_at: now.checked_add(Duration::from_secs(9)).expect("in range"),
            created_at: now,
            tags: Vec::new(),
        };
        let code = TokenHash::of("a code");
        self.store
            .create_activation(&activation, &code)
            .await
            .expect("stored");
        let registration = Registration {
            activation: activation.id,
            code,
            node: NodeId::generate(self.random.as_ref()),
            public_key: self.random.uuid().as_bytes().to_vec(),
            fingerprint: "a machine".to_owned(),
        };
        self.store
            .register_node(&registration, now)
            .await
            .expect("registered")
            .id
    }

    async fn session(&self, node: &NodeId) -> SessionId {
        let session = SessionId::generate("alice", self.random.as_ref());
        let resource = Resource::node(&region(), &account(), node.as_str());
        let Decision::Allow(allowed) = decide(&administrator(), "ssm:StartSession", &[resource]) else {
            panic!("administrators may")
        };
        let authorized = allowed
            .open_session(session.clone(), node.clone())
            .expect("about this node");
        let start = SessionStart::default_shell();
        let record = Session::new(&authorized, region(), None, start, self.clock.now());
        let (_, grant) = self.draw(&session, ChannelEnd::ClientStart);
        self.store.create_session(&record, &grant).await.expect("stored");
        session
    }

    async fn token(&self, session: &SessionId, end: ChannelEnd) -> String {
        let (token, grant) = self.draw(session, end);
        self.store.grant_token(&grant).await.expect("granted");
        token
    }

    fn draw(&self, session: &SessionId, end: ChannelEnd) -> (String, TokenGrant) {
        let token = Token::generate(self.random.as_ref());
        let granted_at = self.clock.now();
        let grant = TokenGrant {
            hash: token.hash(),
            binding: TokenBinding::DataChannel {
                session: session.clone(),
                end,
            },
            granted_at,
            expires_at: granted_at.checked_add(Duration::from_secs(60)).expect("in range"),
        };
        (token.expose().to_owned(), grant)
    }

    async fn control_token(&self, node: &NodeId) -> String {
        let input = json!({ "InstanceId": node.as_str() });
        let output = self
            .call(&CREATE_CONTROL_CHANNEL, principal(node), input)
            .await
            .expect("granted");
        output["TokenValue"].as_str().expect("a token").to_owned()
    }

    async fn call(
        &self,
        operation: &Operation<SsmMessages, AwsError>,
        principal: Principal,
        input: Value,
    ) -> Result<Value, AwsError> {
        let caller = Caller {
            principal,
            signed_with: SignedWith::AccessKey,
            account: account(),
            region: region(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: self.random.uuid(),
            host: "localhost".to_owned(),
        };
        let denied = |denied: drawbridge_session::Denied| super::access_denied(denied.to_string());
        let call = operation.authorize(caller, input).map_err(denied)?;
        (operation.handler)(Arc::clone(&self.service), call).await
    }

    async fn open(
        &self,
        session: &SessionId,
        token: &str,
        client_instance_id: Option<&str>,
        signer: Option<&Principal>,
    ) -> Result<OpenedEnd, OpenError> {
        let claim = DataChannelClaim {
            token,
            client_instance_id,
            signer,
        };
        self.service.open_data_channel(session, claim).await
    }
}

fn account() -> AccountId {
    AccountId::parse("123456789012").expect("valid")
}

fn region() -> Region {
    Region::parse("us-east-1").expect("valid")
}

fn administrator() -> Principal {
    Principal::User {
        account: account(),
        name: "admin".to_owned(),
        id: "AIDAADMIN".to_owned(),
    }
}

fn principal(node: &NodeId) -> Principal {
    Principal::Node {
        account: account(),
        role: NODE_ROLE.to_owned(),
        node: node.clone(),
    }
}
