//! A small service for tests: a temporary store, a clock that stands still, a seeded source and the fake relay.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::json11;
use drawbridge_aws_dialects::model::{self, Kind, Shape};
use drawbridge_session::principal::NODE_ROLE;
use drawbridge_session::{
    AccountId, Activation, ActivationId, Caller, Clock as _, Ending, FakeRelay, FixedClock, ManagedNode,
    NodeId, Principal, Random, RandomArray as _, Region, SeededRandom, SessionId, SessionState, SignedWith,
    Tag,
};
use drawbridge_store::{Registration, RootKey, Sqlite, TokenBinding, TokenHash};
use serde_json::{Value, json};

use crate::service::later;
use crate::{Settings, Ssm};

pub(crate) struct House {
    pub(crate) ssm: Arc<Ssm>,
    pub(crate) relay: Arc<FakeRelay>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) random: Arc<SeededRandom>,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::default());
        let random = Arc::new(SeededRandom::new(1));
        let relay = Arc::new(FakeRelay::new());
        let root = Arc::new(RootKey::ephemeral(random.as_ref()));
        let store = Sqlite::open(&folder.path().join("store.db"), root.clone())
            .await
            .expect("opens");
        let ssm = Ssm::new(
            Arc::new(store),
            root,
            relay.clone(),
            clock.clone(),
            random.clone(),
            Settings::new("public.example"),
        );
        Self {
            ssm: Arc::new(ssm),
            relay,
            clock,
            random,
            _folder: folder,
        }
    }

    /// Asks as the administrator.
    pub(crate) async fn ask(&self, operation: &str, input: Value) -> Result<Value, AwsError> {
        self.ask_as(self.admin(), operation, input).await
    }

    /// Asks as the gateway does: validated by the model, then called.
    pub(crate) async fn ask_as(&self, caller: Caller, name: &str, input: Value) -> Result<Value, AwsError> {
        let (operation, modelled) = match Ssm::operation(name) {
            Some(operation) => (operation, model::ssm().operation(name)),
            None => {
                let operation = Ssm::drawbridge_operation(name).expect("an operation");
                (operation, model::drawbridge().operation(name))
            }
        };
        let modelled = modelled.expect("a model");
        json11::validate(modelled, &input)?;
        let answer = self.ssm.call(operation, caller, input).await;
        match &answer {
            Ok(answer) => check_answer(modelled, modelled.output(), answer),
            Err(error) => check_error(modelled, error),
        }
        answer
    }

    /// Asks each input as the administrator and expects its error.
    pub(crate) async fn refuses(&self, operation: &str, table: &[(Value, &str)]) {
        self.refuses_as(&self.admin(), operation, table).await;
    }

    pub(crate) async fn refuses_as(&self, caller: &Caller, operation: &str, table: &[(Value, &str)]) {
        for (input, code) in table {
            match self.ask_as(caller.clone(), operation, input.clone()).await {
                Ok(answer) => panic!("{operation} {input}: answered {answer}, expected {code}"),
                Err(error) => assert_eq!(error.code(), *code, "{operation} {input}: {error}"),
            }
        }
    }

    pub(crate) fn admin(&self) -> Caller {
        let account = AccountId::parse("123456789012").expect("valid");
        self.caller(
            Principal::User {
                account,
                name: "admin".into(),
                id: "AIDAADMIN".into(),
            },
            SignedWith::AccessKey,
        )
    }

    pub(crate) fn as_role(&self, session_name: &str) -> Caller {
        let account = self.admin().account;
        let (role, session_name) = ("Ops".into(), session_name.into());
        let principal = Principal::AssumedRole {
            account,
            role,
            session_name,
            id: "AROAOPS".into(),
        };
        self.caller(principal, SignedWith::AccessKey)
    }

    /// A node with its role's credentials.
    pub(crate) fn as_node(&self, node: &ManagedNode) -> Caller {
        self.caller(principal_of(node), SignedWith::AccessKey)
    }

    /// A node with its own key.
    pub(crate) fn as_node_key(&self, node: &ManagedNode) -> Caller {
        self.caller(principal_of(node), SignedWith::NodeKey)
    }

    pub(crate) fn anonymous(&self) -> Caller {
        self.caller(
            Principal::Anonymous {
                account: self.admin().account,
            },
            SignedWith::Nothing,
        )
    }

    fn caller(&self, principal: Principal, signed_with: SignedWith) -> Caller {
        Caller {
            account: principal.account().clone(),
            principal,
            signed_with,
            region: Region::parse("us-east-1").expect("valid"),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: self.random.uuid(),
            host: "bridge.example:8443".into(),
        }
    }

    /// Registers a node with a name, a tag and no connection.
    pub(crate) async fn node(&self) -> ManagedNode {
        let now = self.clock.now();
        let caller = self.admin();
        let code = TokenHash::of("code");
        let activation = Activation {
            id: ActivationId::generate(self.random.as_ref()),
            account: caller.account,
            region: caller.region,
            description: None,
            default_instance_name: Some("web-1".into()),
            iam_role: NODE_ROLE.into(),
            registration_limit: 1,
            registrations_count: 0,
            expires_at: later(now, Duration::from_secs(60)),
            created_at: now,
            tags: vec![Tag::new("Environment", "Dev")],
        };
        self.ssm
            .store
            .create_activation(&activation, &code)
            .await
            .expect("created");
        let registration = Registration {
            activation: activation.id,
            code,
            node: NodeId::generate(self.random.as_ref()),
            public_key: self.random.array::<16>().to_vec(),
            fingerprint: "machine".into(),
        };
        self.ssm
            .store
            .register_node(&registration, now)
            .await
            .expect("registered")
    }

    /// Registers a node and brings its control channel up.
    pub(crate) async fn online_node(&self) -> ManagedNode {
        let node = self.node().await;
        self.relay.connect(&node.id);
        node
    }

    /// Starts a session on a new node; returns its id and its client's token.
    pub(crate) async fn started(&self) -> (SessionId, String) {
        let node = self.online_node().await;
        self.started_on(&node).await
    }

    pub(crate) async fn started_on(&self, node: &ManagedNode) -> (SessionId, String) {
        let answer = self
            .ask("StartSession", json!({"Target": node.id}))
            .await
            .expect("started");
        let text = |member: &str| answer[member].as_str().expect("a text").to_owned();
        (
            SessionId::parse(&text("SessionId")).expect("valid"),
            text("TokenValue"),
        )
    }

    pub(crate) async fn end(&self, session: &SessionId) {
        let ending = Ending {
            at: self.clock.now(),
            details: "exit".into(),
            exit_code: Some(0),
        };
        self.ssm
            .store
            .change_session(session, SessionState::Terminated(ending))
            .await
            .expect("ended");
    }

    pub(crate) async fn redeem(&self, token: &str) -> Option<TokenBinding> {
        self.ssm
            .store
            .redeem_token(token, self.clock.now())
            .await
            .expect("asked")
    }
}

/// Every member of an answer is one that clients know, and has the type that they expect.
fn check_answer(operation: &model::Operation, shape: Option<&Shape>, answer: &Value) {
    let Some(shape) = shape else {
        return assert_eq!(*answer, json!({}), "{}", operation.name());
    };
    let wrong = format!("{}: {answer} is no {}", operation.name(), shape.name());
    match shape.kind() {
        Kind::Structure(members) => {
            for (name, value) in answer.as_object().expect(&wrong) {
                let member = members
                    .iter()
                    .find(|member| member.name == *name)
                    .unwrap_or_else(|| {
                        panic!("{}: {} has no member {name}", operation.name(), shape.name());
                    });
                check_answer(operation, Some(operation.shape(member.shape)), value);
            }
        }
        Kind::List { element, .. } => {
            for value in answer.as_array().expect(&wrong) {
                check_answer(operation, Some(operation.shape(*element)), value);
            }
        }
        Kind::Map { value: shape, .. } => {
            for value in answer.as_object().expect(&wrong).values() {
                check_answer(operation, Some(operation.shape(*shape)), value);
            }
        }
        Kind::Text | Kind::Blob => assert!(answer.is_string(), "{}: {answer}", operation.name()),
        Kind::Integer | Kind::Long => assert!(answer.is_i64(), "{}: {answer}", operation.name()),
        Kind::Float | Kind::Timestamp => assert!(answer.is_number(), "{}: {answer}", operation.name()),
        Kind::Boolean => assert!(answer.is_boolean(), "{}: {answer}", operation.name()),
    }
}

/// Every error is one that the operation's model declares, or that any operation may have.
fn check_error(operation: &model::Operation, error: &AwsError) {
    const ANY: &[&str] = &[
        "AccessDeniedException",
        "ValidationException",
        "SerializationException",
    ];
    // What `StartSession` answers and its model leaves out.
    const UNDECLARED: &[(&str, &str)] = &[("StartSession", "InvalidParameters")];
    let declared = operation.errors().any(|(code, _)| code == error.code());
    let known = ANY.contains(&error.code()) || UNDECLARED.contains(&(operation.name(), error.code()));
    assert!(declared || known, "{} does not declare {error}", operation.name());
}

fn principal_of(node: &ManagedNode) -> Principal {
    Principal::Node {
        account: node.account.clone(),
        role: node.iam_role.clone(),
        node: node.id.clone(),
    }
}
