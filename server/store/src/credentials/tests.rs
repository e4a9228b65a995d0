use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::iam::{
    Directory, IamError, KeyOwner, NewAccessKey, NewInstanceProfile, NewRole, NewUser,
};
use drawbridge_session::{
    Account, Activation, ActivationId, AgentReport, Clock as _, FixedClock, ManagedNode, SeededRandom, Tag,
};

use super::*;
use crate::{
    Activations as _, Directories as _, NodeAccessKey, Nodes as _, Registration, Sqlite, TokenHash,
    change_directory,
};

const TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

struct House {
    store: Sqlite,
    root: Arc<RootKey>,
    clock: FixedClock,
    random: SeededRandom,
    node: ManagedNode,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let random = SeededRandom::new(1);
        let clock = FixedClock::default();
        let root = Arc::new(RootKey::ephemeral(&random));
        let store = Sqlite::open(&folder.path().join("store.db"), root.clone())
            .await
            .expect("opens");
        let account = Account {
            id: AccountId::parse("123456789012").expect("valid"),
            name: "test".to_owned(),
            email: "test@example.com".to_owned(),
            organization: None,
            created_at: clock.now(),
        };
        assert!(store.create_account(&account).await.expect("created"));
        let activation = Activation {
            id: ActivationId::generate(&random),
            account: account.id,
            region: Region::parse("us-east-1").expect("valid"),
            description: None,
            default_instance_name: None,
            iam_role: "NodeRole".into(),
            registration_limit: 1,
            registrations_count: 0,
            expires_at: clock
                .now()
                .checked_add(Duration::from_secs(60))
                .expect("in range"),
            created_at: clock.now(),
            tags: Vec::new(),
        };
        let code = TokenHash::of("code");
        store
            .create_activation(&activation, &code)
            .await
            .expect("created");
        let registration = Registration {
            activation: activation.id,
            code,
            node: NodeId::generate(&random),
            public_key: b"key".to_vec(),
            fingerprint: "machine".into(),
        };
        let node = store
            .register_node(&registration, clock.now())
            .await
            .expect("registered");
        Self {
            store,
            root,
            clock,
            random,
            node,
            _folder: folder,
        }
    }

    async fn ask(
        &self,
        named: &str,
        token: Option<&str>,
        region: &str,
    ) -> Result<Credential, CredentialError> {
        let region = Region::parse(region).expect("valid");
        credential(&self.store, &self.root, named, token, &region, self.clock.now()).await
    }

    fn mint(&self) -> TemporaryCredentials {
        let expires_at = self
            .clock
            .now()
            .checked_add(Duration::from_secs(3600))
            .expect("in range");
        let holder = Holder::Node {
            node: self.node.id.clone(),
            region: self.node.region.clone(),
        };
        TemporaryCredentials::mint(holder, None, expires_at, &self.root, &self.random)
    }

    fn mint_for(&self, holder: Holder, grant: Option<SessionGrant>) -> TemporaryCredentials {
        let expires_at = self.clock.now().checked_add(Duration::from_secs(60));
        let expires_at = expires_at.expect("in range");
        TemporaryCredentials::mint(holder, grant, expires_at, &self.root, &self.random)
    }

    async fn change<T: Send>(&self, rule: impl FnOnce(&mut Directory) -> Result<T, IamError> + Send) -> T {
        let changed = change_directory(&self.store, &self.node.account, rule).await;
        changed.expect("the rule succeeds")
    }

    /// Creates a user and returns its unique id.
    async fn user(&self, name: &str) -> String {
        let new = NewUser {
            name,
            path: Some("/ops/"),
            ..NewUser::default()
        };
        let (now, random) = (self.clock.now(), &self.random);
        let user = self
            .change(|directory| directory.create_user(new, now, random))
            .await;
        user.id.to_string()
    }

    /// Creates a role and returns its unique id.
    async fn role(&self, name: &str) -> String {
        let new = NewRole {
            name,
            trust: TRUST,
            ..NewRole::default()
        };
        let (now, random) = (self.clock.now(), &self.random);
        let role = self
            .change(|directory| directory.create_role(new, &|_| true, now, random))
            .await;
        role.id.to_string()
    }

    async fn key(&self, owner: KeyOwner<'_>) -> (AccessKeyId, Secret) {
        let (id, secret) = (AccessKeyId::generate(&self.random), draw_secret(&self.random));
        let new = NewAccessKey {
            id: id.clone(),
            sealed_secret: seal_secret(&self.root, &id, &secret, &self.random),
        };
        let now = self.clock.now();
        self.change(|directory| directory.create_access_key(owner, new, now))
            .await;
        (id, secret)
    }

    async fn is_unknown(&self, id: &str, token: Option<&str>) -> bool {
        let asked = self.ask(id, token, "us-east-1").await;
        matches!(asked, Err(CredentialError::Unknown))
    }
}

#[tokio::test]
async fn a_nodes_credentials_prove_the_node_until_they_expire() {
    let house = House::new().await;
    let minted = house.mint();
    let (id, token) = (minted.access_key_id.as_str(), minted.session_token.expose());
    let found = house.ask(id, Some(token), "us-east-1").await.expect("valid");
    let Credential::Secret {
        secret,
        principal,
        grant: None,
    } = found
    else {
        panic!("not a secret")
    };
    assert_eq!(secret, minted.secret_access_key);
    assert_eq!(principal.node(), Some(&house.node.id));

    house.clock.advance(Duration::from_secs(3599));
    assert!(house.ask(id, Some(token), "us-east-1").await.is_ok());
    house.clock.advance(Duration::from_secs(1));
    assert!(matches!(
        house.ask(id, Some(token), "us-east-1").await,
        Err(CredentialError::Expired)
    ));
}

#[tokio::test]
async fn refuses_a_token_of_other_credentials_another_region_or_no_maker() {
    let house = House::new().await;
    let (first, second) = (house.mint(), house.mint());
    let id = first.access_key_id.as_str();
    let swapped = house
        .ask(id, Some(second.session_token.expose()), "us-east-1")
        .await;
    assert!(matches!(swapped, Err(CredentialError::InvalidToken)));
    let elsewhere = house
        .ask(id, Some(first.session_token.expose()), "eu-west-1")
        .await;
    assert!(matches!(elsewhere, Err(CredentialError::Unknown)));
    for token in [
        "",
        "x",
        "AAAA",
        &"A".repeat(10_000),
        &first.session_token.expose()[1..],
    ] {
        assert!(matches!(
            house.ask(id, Some(token), "us-east-1").await,
            Err(CredentialError::InvalidToken)
        ));
    }
    assert!(matches!(
        house.ask(id, None, "us-east-1").await,
        Err(CredentialError::Unknown)
    ));
}

#[tokio::test]
async fn credentials_end_with_the_registration() {
    let house = House::new().await;
    let minted = house.mint();
    let (id, token) = (minted.access_key_id.as_str(), minted.session_token.expose());
    house.store.remove_node(&house.node.id).await.expect("removed");
    assert!(matches!(
        house.ask(id, Some(token), "us-east-1").await,
        Err(CredentialError::Unknown)
    ));
    let key = house.ask(house.node.id.as_str(), None, "us-east-1").await;
    assert!(matches!(key, Err(CredentialError::Unknown)));
}

#[tokio::test]
async fn a_node_id_names_the_nodes_key_in_its_region() {
    let house = House::new().await;
    let found = house
        .ask(house.node.id.as_str(), None, "us-east-1")
        .await
        .expect("known");
    let Credential::NodeKey {
        public_key,
        principal,
    } = found
    else {
        panic!("not a key")
    };
    assert_eq!(public_key, b"key");
    assert_eq!(principal.node(), Some(&house.node.id));
    let elsewhere = house.ask(house.node.id.as_str(), None, "eu-west-1").await;
    assert!(matches!(elsewhere, Err(CredentialError::Unknown)));
}

#[tokio::test]
async fn a_node_has_the_role_of_its_name_as_it_is_when_it_signs() {
    let house = House::new().await;
    let minted = house.mint();
    let (id, token) = (minted.access_key_id.as_str(), minted.session_token.expose());
    let role = async || match house.ask(id, Some(token), "us-east-1").await {
        Ok(Credential::Secret { principal, .. }) => principal.role().expect("a role").clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        role().await,
        EntityName::new("NodeRole", ""),
        "one that is not there has no id, and so no rights"
    );
    let first = house.role("NodeRole").await;
    assert_eq!(role().await.id, first);
    house.change(|directory| directory.delete_role("NodeRole")).await;
    let second = house.role("NodeRole").await;
    assert_eq!(role().await.id, second);
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_long_lived_key_signs_while_it_is_active_and_takes_no_token() {
    let house = House::new().await;
    let user = house.user("alice").await;
    let (root, _) = house.key(KeyOwner::Root).await;
    let (key, secret) = house.key(KeyOwner::User("alice")).await;
    let Ok(Credential::Secret { principal, .. }) = house.ask(root.as_str(), None, "anywhere").await else {
        panic!("the root signs")
    };
    assert_eq!(principal.arn(), "arn:aws:iam::123456789012:root");
    let Ok(Credential::Secret {
        secret: found,
        principal,
        grant: None,
    }) = house.ask(key.as_str(), None, "anywhere").await
    else {
        panic!("the user signs")
    };
    assert!(found.equals(secret.expose()));
    assert_eq!(principal.arn(), "arn:aws:iam::123456789012:user/ops/alice");
    assert_eq!(principal.user_id(), user);
    let with_token = house.ask(key.as_str(), Some("token"), "us-east-1").await;
    assert!(matches!(with_token, Err(CredentialError::InvalidToken)));

    let owner = KeyOwner::User("alice");
    house
        .change(|directory| directory.update_access_key(owner, key.as_str(), false))
        .await;
    assert!(house.is_unknown(key.as_str(), None).await, "inactive");
    house
        .change(|directory| directory.update_access_key(owner, key.as_str(), true))
        .await;
    assert!(!house.is_unknown(key.as_str(), None).await, "active again");
    house
        .change(|directory| directory.delete_access_key(owner, key.as_str()))
        .await;
    assert!(house.is_unknown(key.as_str(), None).await, "deleted");
    assert!(house.is_unknown("AKIA../../etc", None).await);
}

#[tokio::test]
async fn a_secret_that_another_root_key_sealed_is_the_stores_trouble() {
    let house = House::new().await;
    let (key, _) = house.key(KeyOwner::Root).await;
    let other = RootKey::ephemeral(&house.random);
    let region = Region::parse("us-east-1").expect("valid");
    let asked = credential(
        &house.store,
        &other,
        key.as_str(),
        None,
        &region,
        house.clock.now(),
    )
    .await;
    assert!(matches!(asked, Err(CredentialError::Store(_))));
}

#[tokio::test]
async fn temporary_credentials_prove_whom_they_were_made_for_with_their_grant() {
    let house = House::new().await;
    let account = house.node.account.clone();
    let (user, role) = (house.user("alice").await, house.role("Ops").await);
    let grant = SessionGrant {
        issued_at: house.clock.now(),
        tags: vec![Tag::new("Team", "web")],
        transitive_tag_keys: vec!["Team".to_owned()],
        policies: None,
        source_identity: Some("carol".to_owned()),
        external_id: None,
    };
    for (holder, arn) in [
        (
            Holder::User {
                account: account.clone(),
                id: user,
            },
            "arn:aws:iam::123456789012:user/ops/alice",
        ),
        (
            Holder::Root {
                account: account.clone(),
            },
            "arn:aws:iam::123456789012:root",
        ),
        (
            Holder::Role {
                account,
                id: role,
                session_name: "bob".to_owned(),
            },
            "arn:aws:sts::123456789012:assumed-role/Ops/bob",
        ),
    ] {
        let minted = house.mint_for(holder, Some(grant.clone()));
        let (id, token) = (minted.access_key_id.as_str(), minted.session_token.expose());
        // Unlike a node's, they are good in every region.
        let Ok(Credential::Secret {
            principal,
            grant: found,
            ..
        }) = house.ask(id, Some(token), "anywhere").await
        else {
            panic!("{arn} signs")
        };
        assert_eq!(principal.arn(), arn);
        assert_eq!(found.as_ref(), Some(&grant));
        let mut tampered = token.to_owned();
        let last = if tampered.ends_with('A') { 'B' } else { 'A' };
        tampered.pop();
        tampered.push(last);
        let asked = house.ask(id, Some(&tampered), "anywhere").await;
        assert!(matches!(asked, Err(CredentialError::InvalidToken)), "{arn}");
        house.clock.advance(Duration::from_secs(60));
        let asked = house.ask(id, Some(token), "anywhere").await;
        assert!(matches!(asked, Err(CredentialError::Expired)), "{arn}");
    }
}

#[tokio::test]
async fn credentials_end_with_their_user_or_role_whatever_is_made_under_its_name() {
    let house = House::new().await;
    let account = house.node.account.clone();
    let user = Holder::User {
        account: account.clone(),
        id: house.user("alice").await,
    };
    let role = Holder::Role {
        account,
        id: house.role("Ops").await,
        session_name: "bob".to_owned(),
    };
    let minted = [house.mint_for(user, None), house.mint_for(role, None)];
    let unknown = async |at: usize| {
        let credentials = &minted[at];
        let token = Some(credentials.session_token.expose());
        house.is_unknown(credentials.access_key_id.as_str(), token).await
    };
    assert!(!unknown(0).await && !unknown(1).await);
    house.change(|directory| directory.delete_user("alice")).await;
    house.change(|directory| directory.delete_role("Ops")).await;
    assert!(unknown(0).await && unknown(1).await);
    house.user("alice").await;
    house.role("Ops").await;
    assert!(
        unknown(0).await && unknown(1).await,
        "they are others of the same name"
    );
}

#[tokio::test]
async fn an_enrolled_nodes_key_proves_it_with_the_role_of_its_profile() {
    let house = House::new().await;
    let (web, database) = (house.role("Web").await, house.role("Database").await);
    let profile = NewInstanceProfile {
        name: "profile",
        ..NewInstanceProfile::default()
    };
    let (now, random) = (house.clock.now(), &house.random);
    house
        .change(|directory| {
            directory.create_instance_profile(profile, now, random)?;
            directory.add_role_to_instance_profile("profile", "Web")
        })
        .await;
    let node = ManagedNode {
        id: NodeId::generate_enrolled(random),
        activation: None,
        iam_role: "Web".to_owned(),
        instance_profile: Some("profile".to_owned()),
        public_key: None,
        agent: AgentReport::default(),
        ..house.node.clone()
    };
    let (id, secret) = (AccessKeyId::generate(random), draw_secret(random));
    let key = NodeAccessKey {
        id: id.clone(),
        node: node.id.clone(),
        sealed_secret: seal_secret(&house.root, &id, &secret, random),
        created_at: now,
    };
    assert!(house.store.enrol_node(&node, &key, &[]).await.expect("enrolled"));

    let proven = async || match house.ask(id.as_str(), None, "us-east-1").await {
        Ok(Credential::Secret {
            secret: found,
            principal,
            grant: None,
        }) => {
            assert!(found.equals(secret.expose()));
            assert_eq!(principal.node(), Some(&node.id));
            principal.role().expect("a role").id.clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(proven().await, web);
    house
        .change(|directory| {
            directory.remove_role_from_instance_profile("profile", "Web")?;
            directory.add_role_to_instance_profile("profile", "Database")
        })
        .await;
    assert_eq!(proven().await, database, "as on AWS, the profile says which");
    house
        .change(|directory| directory.remove_role_from_instance_profile("profile", "Database"))
        .await;
    assert_eq!(
        proven().await,
        "",
        "an empty profile gives no role, and so no rights"
    );

    let elsewhere = house.ask(id.as_str(), None, "eu-west-1").await;
    assert!(matches!(elsewhere, Err(CredentialError::Unknown)));
    assert!(
        house.is_unknown(node.id.as_str(), None).await,
        "it has no key of its own"
    );
    house.store.remove_node(&node.id).await.expect("removed");
    assert!(house.is_unknown(id.as_str(), None).await, "removed");
}
