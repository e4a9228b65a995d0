//! Live sessions when what allowed them changes.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_access::{OpenChannels, Revocation, open_channel_need};
use drawbridge_house::{House, NODE_ROLE};
use drawbridge_session::floor::Requirement;
use drawbridge_session::iam::{Holder, KeyOwner, NewAccessKey, NewRole};
use drawbridge_session::{
    AccessKeyId, Caller, Clock as _, Floor, FloorScope, Grounds, ManagedNode, Need, Resource, SessionId, Tag,
};
use drawbridge_store::{Directories as _, Nodes as _, Tags as _, TagsOf, credentials, set_floor};
use serde_json::json;

use crate::{Lab, allow_all};

const AGENT: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

impl Lab {
    /// Looks at every live session; returns those that were ended, with the reason.
    async fn swept(&self) -> Vec<(SessionId, String)> {
        let before = self.house.relay.terminated().len();
        let (access, relay) = (self.house.access.clone(), self.house.relay.clone());
        let revocation = Revocation::new(access, relay, Arc::default());
        let ended = revocation.sweep().await.expect("swept");
        let terminated = self.house.relay.terminated().split_off(before);
        assert_eq!(ended, terminated.len());
        terminated
    }

    /// Sweeps, and says which sessions ended.
    pub(crate) async fn ended(&self) -> Vec<SessionId> {
        let swept = self.swept().await;
        swept.into_iter().map(|(session, _)| session).collect()
    }

    /// Gives a user an access key, with which they sign from now on.
    async fn with_key(&self, name: &str) -> Caller {
        let house = &self.house;
        let id = AccessKeyId::generate(house.random.as_ref());
        let secret = credentials::draw_secret(house.random.as_ref());
        let new = NewAccessKey {
            id: id.clone(),
            sealed_secret: credentials::seal_secret(&house.root, &id, &secret, house.random.as_ref()),
        };
        let now = house.clock.now();
        house
            .change(|directory| directory.create_access_key(KeyOwner::User(name), new, now))
            .await;
        Caller {
            access_key_id: Some(id),
            ..house.user(name)
        }
    }

    async fn set_key_active(&self, caller: &Caller, name: &str, active: bool) {
        let id = caller.access_key_id.as_ref().expect("a key");
        self.house
            .change(|directory| directory.update_access_key(KeyOwner::User(name), id.as_str(), active))
            .await;
    }
}

#[tokio::test]
async fn a_policy_that_is_detached_ends_its_users_sessions_and_no_others() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    let alice = lab.user("alice", allow_all()).await;
    let bob = lab.user("bob", allow_all()).await;
    let (hers, his) = (lab.session(&alice, &node).await, lab.session(&bob, &node).await);
    assert_eq!(lab.swept().await, vec![]);
    lab.house
        .change(|directory| directory.delete_inline_policy(Holder::User("alice"), "own"))
        .await;
    let ended = lab.swept().await;
    let [(session, reason)] = ended.as_slice() else {
        panic!("{ended:?}")
    };
    assert_eq!(*session, hers);
    assert!(
        reason.starts_with("no longer allowed: User: arn:aws:iam::123456789012:user/alice is not authorized"),
        "{reason}"
    );
    assert_eq!(lab.swept().await, vec![], "once");
    lab.house
        .change(|directory| directory.delete_inline_policy(Holder::User("bob"), "own"))
        .await;
    assert_eq!(lab.swept().await[0].0, his);
}

#[tokio::test]
async fn a_tag_that_denies_ends_the_sessions_on_its_node() {
    let lab = Lab::new().await;
    let (node, other) = (lab.house.node().await, lab.house.node().await);
    let statements = json!([
        {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"},
        {
            "Effect": "Deny", "Action": "ssm:StartSession", "Resource": "*",
            "Condition": {"StringEquals": {"ssm:resourceTag/Environment": "Prod"}},
        },
    ]);
    let alice = lab.user("alice", statements).await;
    let (on_node, _) = (
        lab.session(&alice, &node).await,
        lab.session(&alice, &other).await,
    );
    let by_admin = lab.session(&lab.house.admin(), &node).await;
    let prod = [Tag::new("Environment", "Prod")];
    lab.house
        .store
        .add_tags(TagsOf::node(&node), &prod)
        .await
        .expect("tagged");
    let ended = lab.ended().await;
    assert_eq!(ended, [on_node]);
    assert_ne!(ended[0], by_admin);
}

#[tokio::test]
async fn a_key_that_signs_no_more_ends_what_it_started() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    lab.user("alice", allow_all()).await;
    let (first, second) = (lab.with_key("alice").await, lab.with_key("alice").await);
    let by_first = lab.session(&first, &node).await;
    let by_second = lab.session(&second, &node).await;
    assert_eq!(lab.swept().await, vec![]);
    lab.set_key_active(&first, "alice", false).await;
    let reason = "the access key that started it is not active any more";
    assert_eq!(lab.swept().await, vec![(by_first, reason.to_owned())]);
    let id = second.access_key_id.expect("a key");
    lab.house
        .change(|directory| directory.delete_access_key(KeyOwner::User("alice"), id.as_str()))
        .await;
    assert_eq!(lab.swept().await, vec![(by_second, reason.to_owned())]);
}

#[tokio::test]
async fn a_role_that_is_deleted_ends_the_sessions_of_those_who_hold_it() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    let (ops, audit) = (
        lab.role("Ops", allow_all()).await,
        lab.role("Audit", allow_all()).await,
    );
    let by_ops = lab.session(&ops, &node).await;
    lab.session(&audit, &node).await;
    lab.house
        .change(|directory| {
            directory.delete_inline_policy(Holder::Role("Ops"), "own")?;
            directory.delete_role("Ops")
        })
        .await;
    // Another role of the name is another role.
    lab.role("Ops", allow_all()).await;
    let ended = lab.ended().await;
    assert_eq!(ended, [by_ops]);
}

#[tokio::test]
async fn time_and_temporary_credentials_that_ran_out_end_nothing() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    let until = json!({"DateLessThan": {"aws:CurrentTime": "2026-01-02T04:00:00Z"}});
    let early = lab.role("Early", crate::allow_if(&json!("*"), &until)).await;
    let temporary = Caller {
        access_key_id: Some(AccessKeyId::generate_temporary(lab.house.random.as_ref())),
        ..early
    };
    lab.session(&temporary, &node).await;
    lab.house.clock.advance(Duration::from_secs(48 * 3600));
    assert_eq!(lab.swept().await, vec![]);
}

#[tokio::test]
async fn an_enrolled_nodes_key_ends_what_it_started_when_another_takes_its_place() {
    let lab = Lab::new().await;
    lab.role("Jump", allow_all()).await;
    let (node, target) = (lab.enrolled("Dev").await, lab.enrolled("Dev").await);
    let house = &lab.house;
    let first = house.node_access_key(&node.id);
    let renewed = house.store.renew_node(&first, "Jump", None).await;
    assert!(renewed.expect("renewed"));
    let node = house.store.node(&node.id).await.expect("read").expect("there");
    let caller = Caller {
        access_key_id: Some(first.id),
        ..house.node_role(&node)
    };
    let session = lab.session(&caller, &target).await;
    assert_eq!(lab.swept().await, vec![]);
    let second = house.node_access_key(&node.id);
    let mut changes = house.store.access_changes();
    changes.borrow_and_update();
    let renewed = house.store.renew_node(&second, "Jump", None).await;
    assert!(renewed.expect("renewed"));
    assert!(changes.has_changed().expect("open"));
    let ended = lab.ended().await;
    assert_eq!(ended, [session]);
}

#[tokio::test]
async fn a_node_whose_role_may_no_more_loses_its_control_channel_and_no_other_does() {
    let lab = Lab::new().await;
    let house = &lab.house;
    let (node, other) = (house.online_node().await, house.online_node().await);
    house
        .change(|directory| {
            let (now, random) = (house.clock.now(), house.random.as_ref());
            let role = NewRole {
                name: "Other",
                trust: r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"sts:AssumeRole"}}"#,
                ..NewRole::default()
            };
            directory.create_role(role, &|_| true, now, random)?;
            directory.attach_policy(Holder::Role("Other"), AGENT)
        })
        .await;
    let other = lab.with_role(&other, "Other").await;
    let channels = Arc::new(OpenChannels::default());
    let open = [&node, &other].map(|node| channels.open(opening(house, node)));
    let revocation = Revocation::new(house.access.clone(), house.relay.clone(), channels);

    revocation.sweep().await.expect("swept");
    assert!(open.iter().all(|channel| !channel.cut().is_cancelled()));
    house
        .change(|directory| directory.detach_policy(Holder::Role(NODE_ROLE), AGENT))
        .await;
    revocation.sweep().await.expect("swept");
    let [of_node, of_other] = open;
    assert!(of_node.cut().is_cancelled());
    assert!(!of_other.cut().is_cancelled());
}

#[tokio::test]
async fn a_node_is_judged_by_the_role_that_it_has_now() {
    let lab = Lab::new().await;
    let house = &lab.house;
    let node = house.online_node().await;
    let channels = Arc::new(OpenChannels::default());
    let open = channels.open(opening(house, &node));
    let revocation = Revocation::new(house.access.clone(), house.relay.clone(), Arc::clone(&channels));
    let renamed = house.store.set_node_role(&node.id, "Nothing").await;
    assert!(renamed.expect("stored"));
    revocation.sweep().await.expect("swept");
    assert!(open.cut().is_cancelled());
}

#[tokio::test]
async fn whoever_joined_a_session_is_cut_off_and_the_session_goes_on() {
    let lab = Lab::new().await;
    let house = &lab.house;
    let bob = lab.user("bob", allow_all()).await;
    let channels = Arc::new(OpenChannels::default());
    let session = Resource::session(&house.region, &house.account, "admin-00000000000000000");
    let watching = channels.open(Grounds {
        caller: bob,
        needs: vec![Need::also("drawbridge:WatchSession", session)],
    });
    let revocation = Revocation::new(house.access.clone(), house.relay.clone(), Arc::clone(&channels));
    assert_eq!(revocation.sweep().await.expect("swept"), 0);
    house
        .change(|directory| directory.delete_inline_policy(Holder::User("bob"), "own"))
        .await;
    assert_eq!(revocation.sweep().await.expect("swept"), 1);
    assert!(watching.cut().is_cancelled());
    assert!(house.relay.terminated().is_empty());
    drop(watching);
    assert_eq!(revocation.sweep().await.expect("swept"), 0, "it is forgotten");
}

/// What a node's control channel is open on.
fn opening(house: &House, node: &ManagedNode) -> Grounds {
    let caller = house.node_role(node);
    Grounds {
        needs: vec![open_channel_need(&caller, "ssmmessages:OpenControlChannel")],
        caller,
    }
}

#[tokio::test]
async fn a_floor_that_is_raised_ends_the_sessions_below_it() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    let alice = lab.user("alice", allow_all()).await;
    let below = lab.session(&alice, &node).await;
    let scope = FloorScope::Account(lab.house.account.clone());
    let (store, mut floor) = (lab.house.store.as_ref(), Floor::default());
    set_floor(store, &scope, &floor).await.expect("stored");
    assert_eq!(lab.swept().await, vec![], "it has no rule");
    floor.requires.insert(Requirement::Kms);
    set_floor(store, &scope, &floor).await.expect("stored");
    let reason = "no longer allowed: document SSM-SessionManagerRunShell is below the session floor: \
                  rule `kms`: `kmsKeyId` is not set";
    assert_eq!(lab.swept().await, vec![(below, reason.to_owned())]);
}

#[tokio::test]
async fn a_change_of_a_floor_is_one_that_decisions_depend_on() {
    let lab = Lab::new().await;
    let mut changes = lab.house.store.access_changes();
    changes.borrow_and_update();
    let scope = FloorScope::Account(lab.house.account.clone());
    set_floor(lab.house.store.as_ref(), &scope, &Floor::default())
        .await
        .expect("stored");
    assert!(changes.has_changed().expect("open"));
}
