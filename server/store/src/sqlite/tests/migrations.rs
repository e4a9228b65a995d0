use drawbridge_session::iam::{KeyOwner, Listing};
use drawbridge_session::{AccessKeyId, Secret};
use sqlx::ConnectOptions as _;

use super::*;
use crate::credentials::{open_secret, seal_secret};
use crate::{Credential, Directories as _, credentials};

const ACCOUNT: &str = "123456789012";
const ADMIN: &str = "AIDAQWERTYUIOPASDFGHJ";
const NODE: &str = "mi-0a1b2c3d4e5f67890";
const ACTIVATION: &str = "a0b1c2d3-0000-4000-8000-000000000000";
const CREATED_MS: i64 = 1_767_323_045_000;

/// What the first schema holds after a while: an administrator with two keys, a node, an activation, a session.
async fn first_schema(folder: &Path, keys: [(&AccessKeyId, Vec<u8>, bool); 2]) {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("store.db"))
        .create_if_missing(true);
    let mut connection = options.connect().await.expect("opens");
    let run = sqlx::raw_sql(MIGRATIONS[0]).execute(&mut connection).await;
    run.expect("the first step");
    set_version(&mut connection, 1).await.expect("set");
    for (id, secret, active) in keys {
        let insert = sqlx::query("INSERT INTO access_keys VALUES (?, ?, 'Admin', ?, ?, ?, ?)")
            .bind(id.as_str())
            .bind(ACCOUNT)
            .bind(ADMIN)
            .bind(secret)
            .bind(active)
            .bind(CREATED_MS);
        insert.execute(&mut connection).await.expect("a key");
    }
    let rows = format!(
        "INSERT INTO nodes VALUES ('{NODE}', '{ACCOUNT}', 'us-east-1', '{ACTIVATION}', 'NodeRole', 'web-1', \
           x'01', 'machine', {CREATED_MS}, NULL, '{{}}'), \
           ('mi-0b1b2c3d4e5f67890', '{ACCOUNT}', 'eu-west-1', NULL, 'noderole', NULL, x'02', 'machine', \
           {CREATED_MS}, NULL, '{{}}'); \
         INSERT INTO activations VALUES ('{ACTIVATION}', '{ACCOUNT}', 'us-east-1', x'03', NULL, NULL, \
           'Other+Role', 5, 1, {CREATED_MS}, {CREATED_MS}, '[]'); \
         INSERT INTO tags VALUES ('{ACCOUNT}', 'us-east-1', 'ManagedInstance', '{NODE}', 'Environment', 'Dev'); \
         INSERT INTO sessions VALUES ('Admin-0a1b2c3d4e5f67890', '{ACCOUNT}', 'us-east-1', '{NODE}', \
           'arn:aws:iam::{ACCOUNT}:user/Admin', '{ADMIN}', NULL, '{start}', {CREATED_MS}, '\"Connected\"', 1, NULL);",
        start = to_json(&SessionStart::default_shell()),
    );
    let insert = sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut connection);
    insert.await.expect("the rest");
    sqlx::Connection::close(connection).await.expect("closed");
}

#[tokio::test]
async fn the_administrator_the_nodes_and_their_roles_survive() {
    let folder = tempfile::tempdir().expect("a folder");
    let random = SeededRandom::new(1);
    let root = Arc::new(RootKey::ephemeral(&random));
    let (active, inactive) = (AccessKeyId::generate(&random), AccessKeyId::generate(&random));
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let sealed = |id: &AccessKeyId| seal_secret(&root, id, &secret, &random).as_bytes().to_vec();
    let keys = [
        (&active, sealed(&active), true),
        (&inactive, sealed(&inactive), false),
    ];
    first_schema(folder.path(), keys).await;

    let store = Sqlite::open(&folder.path().join("store.db"), root.clone())
        .await
        .expect("opens");
    let account = AccountId::parse(ACCOUNT).expect("valid");
    let directory = store.directory(&account).expect("an account");
    let user = directory.user("admin").expect("the administrator");
    assert_eq!((user.name.as_str(), user.id.as_str()), ("Admin", ADMIN));
    assert_eq!(user.created_at.as_millisecond(), CREATED_MS);
    let attached: Vec<_> = user.policies.attached.iter().map(ToString::to_string).collect();
    assert_eq!(attached, ["arn:aws:iam::aws:policy/AdministratorAccess"]);
    let keys = directory.access_keys(KeyOwner::User("Admin")).expect("keys");
    let states: Vec<_> = keys.iter().map(|key| (&key.id, key.active)).collect();
    assert_eq!(states.len(), 2);
    assert!(states.contains(&(&active, true)) && states.contains(&(&inactive, false)));

    let region = Region::parse("us-east-1").expect("valid");
    let now = FixedClock::default().now();
    let found = credentials::credential(&store, &root, active.as_str(), None, &region, now).await;
    let Ok(Credential::Secret {
        secret: found,
        principal,
        grant: None,
    }) = found
    else {
        panic!("the key still signs")
    };
    assert!(found.equals(secret.expose()));
    assert_eq!(principal.arn(), "arn:aws:iam::123456789012:user/Admin");
    for key in keys {
        assert!(open_secret(&root, &key.id, &key.sealed_secret).is_ok());
    }

    let roles: Vec<_> = directory
        .roles(Listing::default())
        .map(|role| role.name.as_str())
        .collect();
    assert_eq!(roles.len(), 2, "names that differ in case are one: {roles:?}");
    let role = directory.role("NODEROLE").expect("the nodes' role");
    assert!(directory.role("other+role").is_ok(), "the activation's role");
    let attached: Vec<_> = role.policies.attached.iter().map(ToString::to_string).collect();
    assert_eq!(attached, ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]);
    assert_eq!(role.max_session_duration_s, 3600);
    let node = NodeId::parse(NODE).expect("valid");
    let found = store.node(&node).await.expect("read").expect("survived");
    assert_eq!(found.name.as_deref(), Some("web-1"));
    let tags = store.tags(TagsOf::node(&found)).await.expect("listed");
    assert_eq!(tags, [Tag::new("Environment", "Dev")]);
    let own_key = credentials::credential(&store, &root, NODE, None, &region, now).await;
    let Ok(Credential::NodeKey { principal, .. }) = own_key else {
        panic!("the node still signs")
    };
    assert_eq!(
        principal.user_id(),
        format!("{}:{NODE}", role.id),
        "with the role that was made for it"
    );
    let sessions = store.live_sessions().await.expect("listed");
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].grounds, None);
}

#[tokio::test]
async fn a_store_without_an_administrator_has_no_account() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("store.db"))
        .create_if_missing(true);
    let mut connection = options.connect().await.expect("opens");
    let run = sqlx::raw_sql(MIGRATIONS[0]).execute(&mut connection).await;
    run.expect("the first step");
    set_version(&mut connection, 1).await.expect("set");
    sqlx::Connection::close(connection).await.expect("closed");
    let root = Arc::new(RootKey::ephemeral(&SeededRandom::new(1)));
    let store = Sqlite::open(&folder.path().join("store.db"), root)
        .await
        .expect("opens");
    assert_eq!(store.accounts(), vec![]);
}
