use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::{Activation, ActivationId, Clock as _, FixedClock, SeededRandom};

use super::*;
use crate::{AccessKey, AccessKeys as _, Activations as _, Nodes as _, Registration, Sqlite, TokenHash};

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
        let activation = Activation {
            id: ActivationId::generate(&random),
            account: AccountId::parse("123456789012").expect("valid"),
            region: Region::parse("us-east-1").expect("valid"),
            description: None,
            default_instance_name: None,
            iam_role: "DrawbridgeNodeRole".into(),
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
        TemporaryCredentials::mint(&self.node, expires_at, &self.root, &self.random)
    }
}

#[tokio::test]
async fn a_nodes_credentials_prove_the_node_until_they_expire() {
    let house = House::new().await;
    let minted = house.mint();
    let (id, token) = (minted.access_key_id.as_str(), minted.session_token.expose());
    let found = house.ask(id, Some(token), "us-east-1").await.expect("valid");
    let Credential::Secret { secret, principal } = found else {
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
async fn a_long_lived_key_signs_while_it_is_active_and_takes_no_token() {
    let house = House::new().await;
    let mut key = AccessKey {
        id: AccessKeyId::generate(&house.random),
        secret: draw_secret(&house.random),
        principal: Principal::Root {
            account: house.node.account.clone(),
        },
        active: true,
        created_at: house.clock.now(),
    };
    house.store.create_access_key(&key).await.expect("created");
    assert!(house.ask(key.id.as_str(), None, "anywhere").await.is_ok());
    let with_token = house.ask(key.id.as_str(), Some("token"), "us-east-1").await;
    assert!(matches!(with_token, Err(CredentialError::InvalidToken)));

    key.id = AccessKeyId::generate(&house.random);
    key.active = false;
    house.store.create_access_key(&key).await.expect("created");
    assert!(matches!(
        house.ask(key.id.as_str(), None, "us-east-1").await,
        Err(CredentialError::Unknown)
    ));
    assert!(matches!(
        house.ask("AKIA../../etc", None, "us-east-1").await,
        Err(CredentialError::Unknown)
    ));
}
