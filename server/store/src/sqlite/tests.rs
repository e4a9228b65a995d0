use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use std::net::{IpAddr, Ipv4Addr};

use drawbridge_session::{
    AccountId, Activation, ActivationId, AgentReport, Caller, Clock as _, Ending, EntityName, FixedClock,
    Grounds, ManagedNode, Need, NodeId, Principal, Random as _, Region, Resource, SeededRandom, Session,
    SessionGrant, SessionId, SessionStart, SessionState, SignedWith, Tag,
};

use super::*;
use crate::{
    Activations as _, ChannelEnd, Nodes as _, Registration, RegistrationError, SessionLimits, SessionPage,
    Sessions as _, Settings as _, StateChangeError, TagError, TagTarget, Tags as _, TagsOf, Token,
    TokenBinding, TokenGrant, TokenHash, Tokens as _,
};

mod copy;
mod directories;
mod documents;
mod enrolment;
mod key_uses;
mod logs;
mod migrations;
mod parameters;

pub(super) struct House {
    pub(super) store: Sqlite,
    pub(super) root: Arc<RootKey>,
    pub(super) clock: FixedClock,
    pub(super) random: SeededRandom,
    pub(super) account: AccountId,
    pub(super) region: Region,
    pub(super) folder: tempfile::TempDir,
}

impl House {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let random = SeededRandom::new(1);
        let root = Arc::new(RootKey::ephemeral(&random));
        Self {
            store: Sqlite::open(&folder.path().join("store.db"), root.clone())
                .await
                .expect("opens"),
            root,
            clock: FixedClock::default(),
            random,
            account: AccountId::parse("123456789012").expect("valid"),
            region: Region::parse("us-east-1").expect("valid"),
            folder,
        }
    }

    /// Closes the store and opens what it left.
    pub(super) async fn reopened(&self) -> Sqlite {
        self.store.close().await;
        let again = Sqlite::open(&self.file(), self.root.clone()).await;
        again.expect("opens again")
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn activation(&self, limit: u32) -> Activation {
        let now = self.clock.now();
        Activation {
            id: ActivationId::generate(&self.random),
            account: self.account.clone(),
            region: self.region.clone(),
            description: None,
            default_instance_name: Some("web-1".into()),
            iam_role: "DrawbridgeNodeRole".into(),
            registration_limit: limit,
            registrations_count: 0,
            expires_at: now.checked_add(Duration::from_secs(3600)).expect("in range"),
            created_at: now,
            tags: vec![Tag::new("Environment", "Dev")],
        }
    }

    async fn activated(&self, limit: u32) -> Activation {
        let activation = self.activation(limit);
        self.store
            .create_activation(&activation, &TokenHash::of("code"))
            .await
            .expect("created");
        activation
    }

    fn registration(&self, activation: &Activation, key: &[u8]) -> Registration {
        Registration {
            activation: activation.id.clone(),
            code: TokenHash::of("code"),
            node: NodeId::generate(&self.random),
            public_key: key.to_vec(),
            fingerprint: "machine".into(),
        }
    }

    async fn node(&self, key: &[u8]) -> ManagedNode {
        let activation = self.activated(1).await;
        self.store
            .register_node(&self.registration(&activation, key), self.clock.now())
            .await
            .expect("registered")
    }

    fn session(&self, node: &ManagedNode) -> Session {
        Session {
            id: SessionId::generate("alice", &self.random),
            account: self.account.clone(),
            region: self.region.clone(),
            node: node.id.clone(),
            owner_arn: "arn:aws:iam::123456789012:user/alice".into(),
            owner_id: "AIDAALICE".into(),
            reason: Some("to look".into()),
            start: SessionStart::default_shell(),
            state: SessionState::Connecting,
            started_at: self.clock.now(),
            grounds: Some(self.grounds(node)),
        }
    }

    fn grounds(&self, node: &ManagedNode) -> Grounds {
        let grant = SessionGrant {
            tags: vec![Tag::new("Team", "web")],
            ..SessionGrant::plain(self.clock.now())
        };
        let caller = Caller {
            principal: Principal::User {
                account: self.account.clone(),
                user: EntityName::at("/ops/", "alice", "AIDAALICE"),
            },
            signed_with: SignedWith::AccessKey,
            access_key_id: Some("AKIAIOSFODNN7EXAMPLE".parse().expect("valid")),
            grant: Some(Arc::new(grant)),
            account: self.account.clone(),
            region: self.region.clone(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            user_agent: "test/1".to_owned(),
            request_id: self.random.uuid(),
            host: "bridge.example".to_owned(),
            received_at: self.clock.now(),
        };
        let target = Resource::node(&self.region, &self.account, node.id.as_str());
        let need = Need::also("ssm:StartSession", target).with("ssm:SessionDocumentAccessCheck", "false");
        let needs = vec![need];
        Grounds { caller, needs }
    }

    fn grant(&self, binding: TokenBinding) -> (Token, TokenGrant) {
        TokenGrant::draw(binding, self.clock.now(), Duration::from_secs(60), &self.random)
    }

    async fn started(&self, node: &ManagedNode) -> (Session, Token) {
        let session = self.session(node);
        let (token, grant) = self.grant(ChannelEnd::ClientStart.of(&session.id));
        self.store
            .create_session(&session, &grant, SessionLimits::default())
            .await
            .expect("created");
        (session, token)
    }

    fn page(&self, active: bool, limit: u32) -> SessionPage<'_> {
        SessionPage {
            account: &self.account,
            region: &self.region,
            active,
            ended_since: Timestamp::UNIX_EPOCH,
            before: None,
            limit,
        }
    }
}

fn ending(at: Timestamp) -> Ending {
    Ending {
        at,
        details: "done".into(),
        exit_code: Some(0),
    }
}

#[tokio::test]
async fn keeps_what_it_is_given_across_a_restart() {
    let house = House::new().await;
    let node = house.node(b"key").await;
    let (session, _) = house.started(&node).await;
    house.store.set_setting("tier", "standard").await.expect("stored");
    house.store.set_setting("tier", "advanced").await.expect("stored");

    let again = house.reopened().await;
    assert_eq!(again.node(&node.id).await.expect("read"), Some(node));
    assert_eq!(
        again.session(&session.id).await.expect("read"),
        Some(session.clone())
    );
    assert_eq!(again.live_sessions().await.expect("listed"), vec![session]);
    assert_eq!(
        again.setting("tier").await.expect("read").as_deref(),
        Some("advanced")
    );
    assert_eq!(again.setting("none").await.expect("read"), None);
    assert!(again.remove_setting("tier").await.expect("removed"));
    assert!(!again.remove_setting("tier").await.expect("gone"));
    assert_eq!(again.setting("tier").await.expect("read"), None);
}

#[tokio::test]
async fn keeps_its_files_to_its_user() {
    let house = House::new().await;
    house.node(b"key").await;
    let files: Vec<_> = std::fs::read_dir(house.folder.path()).expect("listed").collect();
    assert!(files.len() >= 2, "the database and its write-ahead log");
    for file in files {
        let file = file.expect("an entry");
        let mode = file.metadata().expect("read").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn refuses_a_file_of_a_later_program() {
    let house = House::new().await;
    let mut connection = house.store.writer.acquire().await.expect("a connection");
    set_version(&mut connection, 99).await.expect("set");
    drop(connection);
    house.store.close().await;
    let root = Arc::new(RootKey::ephemeral(&house.random));
    let error = Sqlite::open(&house.folder.path().join("store.db"), root)
        .await
        .expect_err("too new");
    let source = std::error::Error::source(&error).expect("a cause");
    let known = MIGRATIONS.len();
    assert_eq!(
        source.to_string(),
        format!("its schema has version 99, and this program knows {known} at most")
    );
}

#[tokio::test]
async fn an_activation_gives_its_role_name_and_tags_to_a_node() {
    let house = House::new().await;
    let node = house.node(b"key").await;
    assert_eq!(node.name.as_deref(), Some("web-1"));
    assert_eq!(node.iam_role, "DrawbridgeNodeRole");
    let of = tags_of(&house, node.id.as_str());
    assert_eq!(
        house.store.tags(of).await.expect("listed"),
        vec![Tag::new("Environment", "Dev")]
    );
    let id = node.activation.expect("through an activation");
    let activation = house
        .store
        .activation(&house.account, &house.region, &id)
        .await
        .expect("read");
    assert_eq!(activation.expect("there").registrations_count, 1);
}

#[tokio::test]
async fn refuses_a_registration_that_is_wrong_late_or_too_many() {
    let house = House::new().await;
    let activation = house.activated(2).await;
    let register = |registration| {
        let house = &house;
        async move { house.store.register_node(&registration, house.clock.now()).await }
    };

    let mut wrong = house.registration(&activation, b"a");
    wrong.code = TokenHash::of("Code");
    assert!(matches!(
        register(wrong).await,
        Err(RegistrationError::UnknownActivation)
    ));
    let mut unknown = house.registration(&activation, b"a");
    unknown.activation = ActivationId::generate(&house.random);
    assert!(matches!(
        register(unknown).await,
        Err(RegistrationError::UnknownActivation)
    ));

    let first = register(house.registration(&activation, b"a"))
        .await
        .expect("the first");
    assert!(matches!(
        register(house.registration(&activation, b"a")).await,
        Err(RegistrationError::PublicKeyInUse)
    ));
    // A live node cannot be taken over, whatever the drawn id: its row stays as it is.
    let mut takeover = house.registration(&activation, b"b");
    takeover.node = first.id.clone();
    assert!(matches!(
        register(takeover).await,
        Err(RegistrationError::Store(_))
    ));
    assert_eq!(
        house
            .store
            .node(&first.id)
            .await
            .expect("read")
            .expect("there")
            .public_key
            .as_deref(),
        Some(b"a".as_slice())
    );

    // The refused ones did not use up the second place.
    register(house.registration(&activation, b"b"))
        .await
        .expect("the second");
    assert!(matches!(
        register(house.registration(&activation, b"c")).await,
        Err(RegistrationError::LimitReached)
    ));

    let late = house.activated(5).await;
    house.clock.advance(Duration::from_secs(3600));
    assert!(matches!(
        register(house.registration(&late, b"d")).await,
        Err(RegistrationError::Expired)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_registrations_do_not_pass_the_limit() {
    let house = House::new().await;
    let activation = house.activated(3).await;
    let attempts: Vec<_> = (0..20u8)
        .map(|key| {
            let (store, now) = (house.store.clone(), house.clock.now());
            let registration = house.registration(&activation, &[key]);
            tokio::spawn(async move { store.register_node(&registration, now).await })
        })
        .collect();
    let mut registered = 0;
    for attempt in attempts {
        match attempt.await.expect("no panic") {
            Ok(_) => registered += 1,
            Err(RegistrationError::LimitReached) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(registered, 3);
    let nodes = house
        .store
        .nodes_after(&house.account, &house.region, None, 50)
        .await
        .expect("listed");
    assert_eq!(nodes.len(), 3);
}

#[tokio::test]
async fn lists_nodes_in_pages_and_forgets_one_with_all_that_is_its() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for key in 0..5u8 {
        ids.push(house.node(&[key]).await.id);
    }
    ids.sort();
    let list = async |after, limit| {
        let nodes = house
            .store
            .nodes_after(&house.account, &house.region, after, limit)
            .await
            .expect("listed");
        nodes.into_iter().map(|node| node.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 3).await, ids[..3]);
    assert_eq!(list(Some(&ids[2]), 3).await, ids[3..]);

    let (token, grant) = house.grant(TokenBinding::ControlChannel { node: ids[0].clone() });
    house.store.grant_token(&grant).await.expect("granted");
    assert!(house.store.remove_node(&ids[0]).await.expect("removed"));
    assert!(!house.store.remove_node(&ids[0]).await.expect("gone"));
    assert_eq!(list(None, 50).await, ids[1..]);
    assert_eq!(
        house
            .store
            .tags(tags_of(&house, ids[0].as_str()))
            .await
            .expect("listed"),
        vec![]
    );
    assert_eq!(
        house
            .store
            .redeem_token(token.expose(), house.clock.now())
            .await
            .expect("asked")
            .map(|redeemed| redeemed.binding),
        None
    );
}

#[tokio::test]
async fn takes_reports_roles_and_keys_of_known_nodes_only() {
    let house = House::new().await;
    let node = house.node(b"a").await;
    house.node(b"b").await;
    let report = AgentReport {
        version: Some("3.3.0.0".into()),
        ..AgentReport::default()
    };
    assert!(
        house
            .store
            .report_node(&node.id, report.clone(), house.clock.now())
            .await
            .expect("taken")
    );
    assert!(
        house
            .store
            .set_node_role(&node.id, "Other")
            .await
            .expect("changed")
    );
    assert!(house.store.set_node_key(&node.id, b"c").await.expect("changed"));
    let refused = house.store.set_node_key(&node.id, b"b").await;
    assert!(matches!(refused, Err(RegistrationError::PublicKeyInUse)));
    let now = house.store.node(&node.id).await.expect("read").expect("there");
    assert_eq!(now.agent.version.as_deref(), Some("3.3.0.0"));
    assert_eq!(now.last_ping_at, Some(house.clock.now()));
    assert_eq!(
        (now.iam_role.as_str(), now.public_key.as_deref()),
        ("Other", Some(b"c".as_slice()))
    );

    let stranger = NodeId::generate(&house.random);
    assert!(
        !house
            .store
            .report_node(&stranger, report, house.clock.now())
            .await
            .expect("asked")
    );
    assert!(
        !house
            .store
            .set_node_role(&stranger, "Other")
            .await
            .expect("asked")
    );
    assert!(!house.store.set_node_key(&stranger, b"d").await.expect("asked"));
}

#[tokio::test]
async fn a_token_opens_once_and_not_late() {
    let house = House::new().await;
    let node = house.node(b"a").await;
    let (session, token) = house.started(&node).await;
    let redeem = async |token: &str| {
        house
            .store
            .redeem_token(token, house.clock.now())
            .await
            .expect("asked")
            .map(|redeemed| redeemed.binding)
    };

    let mut flipped = token.expose().to_owned().into_bytes();
    flipped[10] ^= 1;
    for wrong in [
        &token.expose()[..42],
        &token.expose().to_lowercase(),
        &String::from_utf8_lossy(&flipped),
        "",
        &"x".repeat(100_000),
    ] {
        assert_eq!(redeem(wrong).await, None);
    }
    assert_eq!(
        redeem(token.expose()).await,
        Some(ChannelEnd::ClientStart.of(&session.id))
    );
    assert_eq!(redeem(token.expose()).await, None, "used");

    let (token, grant) = house.grant(ChannelEnd::ClientResume.of(&session.id));
    house.store.grant_token(&grant).await.expect("granted");
    house.clock.advance(Duration::from_millis(59_999));
    assert!(redeem(token.expose()).await.is_some(), "just in time");
    let (token, grant) = house.grant(ChannelEnd::ClientResume.of(&session.id));
    house.store.grant_token(&grant).await.expect("granted");
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(redeem(token.expose()).await, None, "expired");
}

#[tokio::test]
async fn a_later_token_withdraws_the_earlier_of_the_same_end() {
    let house = House::new().await;
    let node = house.node(b"a").await;
    let (session, start) = house.started(&node).await;
    let (other_session, other) = house.started(&node).await;
    let grant = async |end: ChannelEnd| {
        let (token, grant) = house.grant(end.of(&session.id));
        house.store.grant_token(&grant).await.expect("granted");
        token
    };
    let redeem = async |token: &Token| {
        house
            .store
            .redeem_token(token.expose(), house.clock.now())
            .await
            .expect("asked")
            .map(|redeemed| redeemed.binding)
    };

    let node_end = grant(ChannelEnd::Node).await;
    let watcher = grant(ChannelEnd::Watcher).await;
    let resume = grant(ChannelEnd::ClientResume).await;
    let newer = grant(ChannelEnd::ClientResume).await;
    assert_eq!(redeem(&start).await, None);
    assert_eq!(redeem(&resume).await, None);
    assert_eq!(
        redeem(&newer).await,
        Some(ChannelEnd::ClientResume.of(&session.id))
    );
    assert_eq!(redeem(&node_end).await, Some(ChannelEnd::Node.of(&session.id)));
    assert_eq!(redeem(&watcher).await, Some(ChannelEnd::Watcher.of(&session.id)));
    assert_eq!(
        redeem(&other).await,
        Some(ChannelEnd::ClientStart.of(&other_session.id))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_race_with_one_token_one_wins() {
    let house = House::new().await;
    let node = house.node(b"a").await;
    for _ in 0..20 {
        let (_, token) = house.started(&node).await;
        let racers: Vec<_> = (0..4)
            .map(|_| {
                let (store, token, now) = (house.store.clone(), token.clone(), house.clock.now());
                tokio::spawn(async move {
                    store
                        .redeem_token(token.expose(), now)
                        .await
                        .expect("asked")
                        .map(|redeemed| redeemed.binding)
                })
            })
            .collect();
        let mut winners = 0;
        for racer in racers {
            winners += usize::from(racer.await.expect("no panic").is_some());
        }
        assert_eq!(winners, 1);
    }
}

#[tokio::test]
async fn a_session_passes_along_its_states_and_keeps_no_token_at_its_end() {
    let house = House::new().await;
    let node = house.node(b"a").await;
    let (session, token) = house.started(&node).await;
    let change = async |next| house.store.change_session(&session.id, next).await;

    assert_eq!(
        change(SessionState::Connected).await.expect("legal").state,
        SessionState::Connected
    );
    assert!(matches!(
        change(SessionState::Connecting).await,
        Err(StateChangeError::Illegal(_))
    ));
    let ended = SessionState::Terminated(ending(house.clock.now()));
    assert_eq!(change(ended.clone()).await.expect("legal").state, ended);
    assert!(matches!(
        change(SessionState::Connected).await,
        Err(StateChangeError::Illegal(_))
    ));
    assert_eq!(
        house
            .store
            .redeem_token(token.expose(), house.clock.now())
            .await
            .expect("asked")
            .map(|redeemed| redeemed.binding),
        None
    );
    assert_eq!(
        house
            .store
            .session(&session.id)
            .await
            .expect("read")
            .expect("kept")
            .state,
        ended
    );
    assert_eq!(house.store.live_sessions().await.expect("listed"), vec![]);

    let stranger = SessionId::generate("bob", &house.random);
    let unknown = house
        .store
        .change_session(&stranger, SessionState::Connected)
        .await;
    assert!(matches!(unknown, Err(StateChangeError::Unknown(_))));
}

#[tokio::test]
async fn lists_sessions_newest_first_in_pages() {
    let house = House::new().await;
    let node = house.node(b"a").await;
    let mut ids = Vec::new();
    for step in 0..6 {
        // Pairs start in the same millisecond, so that the id has to order them.
        house.clock.advance(Duration::from_millis(step % 2));
        ids.push(house.started(&node).await.0);
    }
    ids.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
    let ids: Vec<_> = ids.into_iter().map(|session| session.id).collect();

    let mut listed = Vec::new();
    let mut before = None;
    loop {
        let page = house
            .store
            .sessions(SessionPage {
                before,
                ..house.page(true, 4)
            })
            .await
            .expect("listed");
        let Some(last) = page.last() else { break };
        before = Some((last.started_at, last.id.clone()));
        listed.extend(page.into_iter().map(|session| session.id));
    }
    assert_eq!(listed, ids);

    let ended = SessionState::Failed(ending(house.clock.now()));
    house.store.change_session(&ids[0], ended).await.expect("ended");
    house
        .store
        .change_session(&ids[1], SessionState::Terminating)
        .await
        .expect("ending");
    let count = async |page| house.store.sessions(page).await.expect("listed").len();
    assert_eq!(count(house.page(true, 50)).await, 4);
    assert_eq!(count(house.page(false, 50)).await, 2);
    let later = house
        .clock
        .now()
        .checked_add(Duration::from_secs(1))
        .expect("in range");
    assert_eq!(
        count(SessionPage {
            ended_since: later,
            ..house.page(false, 50)
        })
        .await,
        1
    );
    let elsewhere = Region::parse("eu-west-1").expect("valid");
    assert_eq!(
        count(SessionPage {
            region: &elsewhere,
            ..house.page(true, 50)
        })
        .await,
        0
    );
}

#[tokio::test]
async fn replaces_removes_and_limits_tags() {
    let house = House::new().await;
    let of = tags_of(&house, "mi-0a1b2c3d4e5f67890");
    let tags = |range: std::ops::Range<usize>, value: &str| {
        range
            .map(|key| Tag::new(format!("k{key:02}"), value))
            .collect::<Vec<_>>()
    };
    house.store.add_tags(of, &tags(0..50, "a")).await.expect("fifty");
    house
        .store
        .add_tags(of, &tags(0..50, "b"))
        .await
        .expect("the same fifty");
    let refused = house.store.add_tags(of, &tags(50..51, "c")).await;
    assert!(matches!(refused, Err(TagError::TooMany)));
    let refused = house.store.add_tags(of, &[Tag::new("K49", "c")]).await;
    assert!(matches!(refused, Err(TagError::TooMany)));
    assert_eq!(house.store.tags(of).await.expect("listed"), tags(0..50, "b"));
    house
        .store
        .remove_tags(of, &["k00".into(), "none".into()])
        .await
        .expect("removed");
    assert_eq!(house.store.tags(of).await.expect("listed"), tags(1..50, "b"));
    let refused = house.store.add_tags(of, &[Tag::new("K01", "c")]).await;
    assert!(
        matches!(refused, Err(TagError::SameKey)),
        "conditions have no case"
    );
    assert_eq!(house.store.tags(of).await.expect("listed"), tags(1..50, "b"));
}

fn tags_of<'a>(house: &'a House, id: &'a str) -> TagsOf<'a> {
    TagsOf {
        account: &house.account,
        region: &house.region,
        target: TagTarget::ManagedInstance,
        id,
    }
}
