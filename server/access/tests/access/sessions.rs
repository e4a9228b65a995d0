//! Decisions about sessions: whose they are.

use std::time::Duration;

use drawbridge_session::{
    Authority as _, Caller, Clock as _, Decision, Grounds, ManagedNode, Need, Resource, Session, SessionId,
    SessionStart,
};
use drawbridge_store::{ChannelEnd, SessionLimits, Sessions as _, TokenGrant};
use serde_json::json;

use crate::{Lab, allow_if};

impl Lab {
    /// Stores a session that this caller may start.
    pub(crate) async fn session(&self, caller: &Caller, node: &ManagedNode) -> SessionId {
        self.session_on(caller, node, vec![self.start(node)]).await
    }

    /// Starts a session that needs these.
    pub(crate) async fn session_on(
        &self,
        caller: &Caller,
        node: &ManagedNode,
        needs: Vec<Need>,
    ) -> SessionId {
        let house = &self.house;
        let decided = house.access.decide(caller, &needs).await;
        let Decision::Allow(allowed) = decided.expect("decided") else {
            panic!("they may")
        };
        let id = SessionId::generate(caller.principal.session_prefix(), house.random.as_ref());
        let authorized = allowed.open_session(id.clone(), node.id.clone());
        let authorized = authorized.expect("about this node");
        let (now, region) = (house.clock.now(), house.region.clone());
        let start = SessionStart::default_shell();
        let session = Session {
            grounds: Some(Grounds {
                caller: caller.clone(),
                needs,
            }),
            ..Session::new(&authorized, region, None, start.clone(), now)
        };
        let binding = ChannelEnd::ClientStart.of(&id);
        let (_, grant) = TokenGrant::draw(binding, now, Duration::ZERO, house.random.as_ref());
        house
            .store
            .create_session(&session, &grant, SessionLimits::default())
            .await
            .expect("stored");
        house.relay.connect(&node.id);
        let started = drawbridge_session::Relay::start(house.relay.as_ref(), authorized, start);
        started.await.expect("started");
        id
    }

    fn terminate(&self, session: &SessionId) -> Need {
        let resource = Resource::session(&self.house.region, &self.house.account, session.as_str());
        Need::also("ssm:TerminateSession", resource)
    }
}

#[tokio::test]
async fn a_session_says_who_started_it_and_where_it_runs() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    let other = lab.house.node().await;
    let own = json!({"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}});
    let statements = json!([
        {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"},
        {"Effect": "Allow", "Action": "ssm:TerminateSession", "Resource": "*", "Condition": own},
    ]);
    let alice = lab.user("alice", statements.clone()).await;
    let bob = lab.user("bob", statements.clone()).await;
    let role = lab.role("Ops", statements).await;
    let carol = lab.house.role("Ops", "carol");
    let (hers, his, theirs) = (
        lab.session(&alice, &node).await,
        lab.session(&bob, &node).await,
        lab.session(&role, &node).await,
    );
    assert!(lab.allows(&alice, lab.terminate(&hers)).await);
    assert!(!lab.allows(&bob, lab.terminate(&hers)).await);
    assert!(!lab.allows(&alice, lab.terminate(&his)).await);
    assert!(lab.allows(&role, lab.terminate(&theirs)).await);
    assert!(
        !lab.allows(&carol, lab.terminate(&theirs)).await,
        "the same role, another name"
    );

    let target = json!({"StringEquals": {"ssm:resourceTag/aws:ssmmessages:target-id": node.id}});
    let warden = lab
        .user("warden", allow_if(&json!("ssm:TerminateSession"), &target))
        .await;
    let elsewhere = lab.session(&alice, &other).await;
    assert!(lab.allows(&warden, lab.terminate(&hers)).await);
    assert!(!lab.allows(&warden, lab.terminate(&elsewhere)).await);
}

#[tokio::test]
async fn a_session_of_another_region_or_none_has_no_owner() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    let own = json!({"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}});
    let alice = lab
        .user("alice", allow_if(&json!("ssm:TerminateSession"), &own))
        .await;
    let session = lab.session(&lab.house.admin(), &node).await;
    let unknown = SessionId::parse("alice-00000000000000000").expect("valid");
    assert!(!lab.allows(&alice, lab.terminate(&session)).await);
    assert!(!lab.allows(&alice, lab.terminate(&unknown)).await);
    let admin_only = lab
        .user(
            "auditor",
            allow_if(
                &json!("ssm:TerminateSession"),
                &json!({"Null": {"ssm:resourceTag/aws:ssmmessages:target-id": "false"}}),
            ),
        )
        .await;
    assert!(lab.allows(&admin_only, lab.terminate(&session)).await);
    let mut elsewhere = admin_only;
    elsewhere.region = "eu-west-1".parse().expect("valid");
    assert!(!lab.allows(&elsewhere, lab.terminate(&session)).await);
}
