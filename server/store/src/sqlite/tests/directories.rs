use drawbridge_session::iam::{
    Directory, Holder, KeyOwner, Listing, NewAccessKey, NewGroup, NewInstanceProfile, NewPolicy, NewRole,
    NewUser,
};
use drawbridge_session::{AccessKeyId, Account, OrganizationId};

use super::*;
use crate::credentials::{draw_secret, seal_secret};
use crate::{ChangeError, Directories as _, change_directory};

const ALLOW: &str = r#"{"Statement":{"Effect":"Allow","Action":"ssm:*","Resource":"*"}}"#;
const TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

impl House {
    fn account(&self, id: &str, organization: Option<&str>) -> Account {
        Account {
            id: AccountId::parse(id).expect("valid"),
            name: "test".to_owned(),
            email: "test@example.com".to_owned(),
            organization: organization.map(|id| OrganizationId::parse(id).expect("valid")),
            created_at: self.clock.now(),
        }
    }

    async fn founded(&self) {
        let account = self.account(self.account.as_str(), None);
        assert!(self.store.create_account(&account).await.expect("created"));
    }

    /// Creates a user.
    fn create_user(&self, directory: &mut Directory, name: &str) {
        let new = NewUser {
            name,
            ..NewUser::default()
        };
        let created = directory.create_user(new, self.clock.now(), &self.random);
        created.expect("created");
    }

    async fn user(&self, name: &str) {
        let changed = change_directory(&self.store, &self.account, |directory| {
            self.create_user(directory, name);
            Ok(())
        });
        changed.await.expect("changed");
    }

    fn names(&self) -> Vec<String> {
        let directory = self.store.directory(&self.account).expect("an account");
        let users = directory.users(Listing::default());
        users.map(|user| user.name.clone()).collect()
    }
}

#[tokio::test]
async fn an_account_is_created_once_and_begins_empty() {
    let house = House::new().await;
    let first = house.account("123456789012", Some("o-exampleorgid"));
    let second = house.account("210987654321", None);
    assert!(house.store.create_account(&second).await.expect("created"));
    assert!(house.store.create_account(&first).await.expect("created"));
    house.user("alice").await;
    assert!(
        !house.store.create_account(&first).await.expect("asked"),
        "its id is taken"
    );

    assert_eq!(house.names(), ["alice"], "the second attempt changed nothing");
    let empty = house.store.directory(&second.id).expect("an account");
    assert_eq!(empty.users(Listing::default()).count(), 0);
    assert_eq!(house.store.organization_of(&first.id), first.organization);
    assert_eq!(house.store.organization_of(&second.id), None);
    let both = vec![first, second];
    assert_eq!(house.store.accounts(), both);
    assert_eq!(house.reopened().await.accounts(), both);
}

#[tokio::test]
async fn everything_of_an_account_is_there_after_a_restart() {
    let house = House::new().await;
    house.founded().await;
    let key = AccessKeyId::generate(&house.random);
    let changed = change_directory(&house.store, &house.account, |directory| {
        let (now, random) = (house.clock.now(), &house.random);
        for name in ["Alice", "gone"] {
            house.create_user(directory, name);
        }
        let group = NewGroup {
            name: "ops",
            ..NewGroup::default()
        };
        directory.create_group(group, now, random)?;
        directory.add_user_to_group("ops", "alice")?;
        let role = NewRole {
            name: "node",
            trust: TRUST,
            ..NewRole::default()
        };
        directory.create_role(role, &|_| true, now, random)?;
        let profile = NewInstanceProfile {
            name: "profile",
            ..NewInstanceProfile::default()
        };
        directory.create_instance_profile(profile, now, random)?;
        directory.add_role_to_instance_profile("profile", "node")?;
        let policy = NewPolicy {
            name: "all",
            document: ALLOW,
            ..NewPolicy::default()
        };
        let arn = directory.create_policy(policy, now, random)?.arn.to_string();
        directory.attach_policy(Holder::Group("ops"), &arn)?;
        directory.put_inline_policy(Holder::User("alice"), "own", ALLOW)?;
        let sealed = seal_secret(&house.root, &key, &draw_secret(random), random);
        let new = NewAccessKey {
            id: key.clone(),
            sealed_secret: sealed,
        };
        directory.create_access_key(KeyOwner::User("alice"), new, now)?;
        Ok(())
    });
    changed.await.expect("changed");
    let deleted = change_directory(&house.store, &house.account, |directory| {
        directory.delete_user("GONE")
    });
    deleted.await.expect("deleted");

    let before = house.store.directory(&house.account).expect("an account");
    assert_eq!(before.entities().count(), 6, "with the root");
    let again = house.reopened().await;
    let after = again.directory(&house.account).expect("restored");
    let sorted = |directory: &Directory| {
        let mut bodies: Vec<String> = directory.entities().map(|entity| to_json(&entity)).collect();
        bodies.sort();
        bodies
    };
    assert_eq!(sorted(&after), sorted(&before));
    let found = again.directory_of_key(&key).expect("whose key it is");
    assert_eq!(found.account(), &house.account);
    let stranger = AccessKeyId::generate(&house.random);
    assert!(again.directory_of_key(&stranger).is_none());
}

#[tokio::test]
async fn a_secret_is_not_on_the_disk_in_the_clear() {
    let house = House::new().await;
    house.founded().await;
    let id = AccessKeyId::generate(&house.random);
    let secret = drawbridge_session::Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let changed = change_directory(&house.store, &house.account, |directory| {
        let sealed_secret = seal_secret(&house.root, &id, &secret, &house.random);
        let new = NewAccessKey {
            id: id.clone(),
            sealed_secret,
        };
        directory.create_access_key(KeyOwner::Root, new, house.clock.now())
    });
    changed.await.expect("created");
    house.store.close().await;
    for entry in std::fs::read_dir(house.folder.path()).expect("listed") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("read");
        let found = bytes.windows(12).any(|part| part == b"wJalrXUtnFEM");
        assert!(!found, "the secret is on the disk in the clear");
    }
}

#[tokio::test]
async fn two_edits_take_turns() {
    let house = House::new().await;
    house.founded().await;
    let edit = house.store.edit_directory(&house.account).await.expect("begins");
    let mut first = edit.expect("an account");
    let second = tokio::spawn({
        let (store, account) = (house.store.clone(), house.account.clone());
        async move { store.edit_directory(&account).await.expect("begins") }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished(), "the first is not over");

    house.create_user(first.directory(), "alice");
    assert_eq!(house.names(), Vec::<String>::new(), "not stored yet");
    first.store().await.expect("stored");
    let mut second = second.await.expect("no panic").expect("an account");
    assert!(
        second.directory().user("alice").is_ok(),
        "the second sees the first"
    );
    house.create_user(second.directory(), "bob");
    second.store().await.expect("stored");
    assert_eq!(house.names(), ["alice", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_lost_among_many() {
    let house = Arc::new(House::new().await);
    house.founded().await;
    let changes: Vec<_> = (0..20)
        .map(|at| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.user(&format!("user-{at:02}")).await })
        })
        .collect();
    for change in changes {
        change.await.expect("no panic");
    }
    let expected: Vec<_> = (0..20).map(|at| format!("user-{at:02}")).collect();
    assert_eq!(house.names(), expected);
}

#[tokio::test]
async fn a_dropped_edit_and_a_refused_rule_change_nothing() {
    let house = House::new().await;
    house.founded().await;
    let changes = house.store.access_changes();
    let edit = house.store.edit_directory(&house.account).await.expect("begins");
    let mut edit = edit.expect("an account");
    house.create_user(edit.directory(), "alice");
    drop(edit);
    let refused = change_directory(&house.store, &house.account, |directory| {
        house.create_user(directory, "bob");
        directory.delete_user("carol")
    });
    assert!(matches!(refused.await, Err(ChangeError::Refused(_))));

    assert_eq!(house.names(), Vec::<String>::new());
    assert!(!changes.has_changed().expect("open"));
    let again = house.reopened().await;
    let directory = again.directory(&house.account).expect("restored");
    assert_eq!(directory.users(Listing::default()).count(), 0);
}

#[tokio::test]
async fn an_account_that_is_not_there_cannot_be_changed() {
    let house = House::new().await;
    let edit = house.store.edit_directory(&house.account).await.expect("asked");
    assert!(edit.is_none());
    assert!(house.store.directory(&house.account).is_none());
    let changed = change_directory(&house.store, &house.account, |_| Ok(())).await;
    assert_eq!(
        changed.expect_err("no account").to_string(),
        "there is no account 123456789012"
    );
}

#[tokio::test]
async fn counts_what_decisions_depend_on_and_nothing_else() {
    let house = House::new().await;
    house.founded().await;
    let node = house.node(b"key").await;
    let mut changes = house.store.access_changes();
    let mut changed = || {
        let changed = changes.has_changed().expect("open");
        changes.borrow_and_update();
        changed
    };
    assert!(!changed());
    house.user("alice").await;
    assert!(changed(), "a user");
    let nothing = change_directory(&house.store, &house.account, |_| Ok(()));
    nothing.await.expect("changed");
    assert!(!changed(), "a rule that changes nothing");
    let tags = TagsOf::node(&node);
    let prod = [Tag::new("Environment", "Prod")];
    house.store.add_tags(tags, &prod).await.expect("added");
    assert!(changed(), "a tag");
    let keys = ["Environment".to_owned()];
    house.store.remove_tags(tags, &keys).await.expect("removed");
    assert!(changed(), "a tag that is gone");
    house
        .store
        .set_node_role(&node.id, "Other")
        .await
        .expect("changed");
    assert!(changed(), "a node's role");
    let report = AgentReport::default();
    let reported = house.store.report_node(&node.id, report, house.clock.now());
    reported.await.expect("reported");
    assert!(!changed(), "what a node says of itself");
}
