use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::{
    Authority as _, Caller, Clock as _, Decision, Ending, Need, NodeId, Operation, Principal, Resource,
    Session, SessionId, SessionStart, SessionState,
};
use drawbridge_store::{ChannelEnd, Nodes as _, SessionLimits, Sessions as _, TokenGrant, Tokens as _};
use serde_json::{Value, json};

use super::{
    CREATE_CONTROL_CHANNEL, CREATE_DATA_CHANNEL, DataChannelClaim, OpenError, OpenedEnd, SsmMessages,
};

#[tokio::test]
async fn a_control_token_opens_its_nodes_channel_once() {
    let house = House::new().await;
    let node = house.node().await;
    let token = house.control_token(&node).await;
    let signer = house.principal(&node).await;
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
    let signer = house.principal(&node).await;
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
    for signer in [
        None,
        Some(house.admin().principal),
        Some(house.principal(&other).await),
    ] {
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
        .open_control_channel(&other, &token, Some(&house.principal(&other).await))
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
    for caller in [house.admin(), house.as_node(&other).await] {
        let refused = house
            .call(&CREATE_CONTROL_CHANNEL, caller.clone(), control.clone())
            .await;
        assert_eq!(refused.expect_err("refused").code(), "AccessDeniedException");
        let refused = house.call(&CREATE_DATA_CHANNEL, caller, data.clone()).await;
        assert_eq!(refused.expect_err("refused").code(), "AccessDeniedException");
    }
    for id in ["alice-0ffffffffffffffff", "", "../../etc"] {
        let refused = house
            .call(
                &CREATE_DATA_CHANNEL,
                house.as_node(&node).await,
                json!({ "SessionId": id }),
            )
            .await;
        assert_eq!(
            refused.expect_err("refused").code(),
            "AccessDeniedException",
            "{id}"
        );
    }
    house
        .call(&CREATE_DATA_CHANNEL, house.as_node(&node).await, data)
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
        .call(&CREATE_DATA_CHANNEL, house.as_node(&node).await, input)
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
        for signer in [None, Some(house.admin().principal)] {
            let token = house.token(&session, end).await;
            let opened = house
                .open(&session, &token, None, signer.as_ref())
                .await
                .expect("opens");
            assert_eq!(opened, OpenedEnd::Client(end, None));
        }
        let token = house.token(&session, end).await;
        let refused = house
            .open(&session, &token, None, Some(&house.principal(&node).await))
            .await;
        assert!(matches!(refused, Err(OpenError::WrongEnd)), "signed by the node");
        let token = house.token(&session, end).await;
        let refused = house.open(&session, &token, Some(node.as_str()), None).await;
        assert!(
            matches!(refused, Err(OpenError::WrongEnd)),
            "calls itself the node"
        );
    }
    let signer = house.principal(&node).await;
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
    house: drawbridge_house::House,
}

impl Deref for House {
    type Target = drawbridge_house::House;

    fn deref(&self) -> &Self::Target {
        &self.house
    }
}

impl House {
    async fn new() -> House {
        let house = drawbridge_house::House::new().await;
        let service = SsmMessages::new(house.store.clone(), house.clock.clone(), house.random.clone());
        House {
            service: Arc::new(service),
            house,
        }
    }

    /// Registers a node and returns its id, by which everything here goes.
    async fn node(&self) -> NodeId {
        self.house.node().await.id
    }

    async fn session(&self, node: &NodeId) -> SessionId {
        let session = SessionId::generate("alice", self.random.as_ref());
        let need = Need::also(
            "ssm:StartSession",
            Resource::node(&self.region, &self.account, node.as_str()),
        );
        let decided = self.access.decide(&self.admin(), &[need]).await.expect("decided");
        let Decision::Allow(allowed) = decided else {
            panic!("administrators may")
        };
        let authorized = allowed
            .open_session(session.clone(), node.clone())
            .expect("about this node");
        let start = SessionStart::default_shell();
        let record = Session::new(&authorized, self.region.clone(), None, start, self.clock.now());
        let (_, grant) = self.draw(&session, ChannelEnd::ClientStart);
        self.store
            .create_session(&record, &grant, SessionLimits::default())
            .await
            .expect("stored");
        session
    }

    async fn token(&self, session: &SessionId, end: ChannelEnd) -> String {
        let (token, grant) = self.draw(session, end);
        self.store.grant_token(&grant).await.expect("granted");
        token
    }

    fn draw(&self, session: &SessionId, end: ChannelEnd) -> (String, TokenGrant) {
        let (now, lifetime) = (self.clock.now(), Duration::from_secs(60));
        let (token, grant) = TokenGrant::draw(end.of(session), now, lifetime, self.random.as_ref());
        (token.expose().to_owned(), grant)
    }

    async fn control_token(&self, node: &NodeId) -> String {
        let input = json!({ "InstanceId": node.as_str() });
        let caller = self.as_node(node).await;
        let output = self
            .call(&CREATE_CONTROL_CHANNEL, caller, input)
            .await
            .expect("granted");
        output["TokenValue"].as_str().expect("a token").to_owned()
    }

    async fn call(
        &self,
        operation: &Operation<SsmMessages, AwsError>,
        caller: Caller,
        input: Value,
    ) -> Result<Value, AwsError> {
        self.decided(&self.service, Family::Json, operation, caller, input)
            .await
    }

    async fn as_node(&self, node: &NodeId) -> Caller {
        let node = self.store.node(node).await.expect("read").expect("registered");
        self.node_role(&node)
    }

    async fn principal(&self, node: &NodeId) -> Principal {
        self.as_node(node).await.principal
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
