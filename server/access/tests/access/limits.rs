//! What limits a caller beside their own policies: boundaries and the policies of a session.

use std::sync::Arc;

use drawbridge_session::iam::{Bounded, NewPolicy};
use drawbridge_session::{Caller, Clock as _, Need, Resource, SessionGrant, SessionPolicies};
use serde_json::json;

use crate::{Lab, allow_all, document};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess";

fn describe() -> Need {
    Need::also("ssm:DescribeSessions", Resource::any())
}

fn create() -> Need {
    Need::also("ssm:CreateActivation", Resource::any())
}

fn limited(caller: &Caller, inline: Option<&str>, managed: &[&str]) -> Caller {
    let grant = caller.grant.as_deref().expect("a grant").clone();
    let policies = SessionPolicies {
        inline: inline.map(str::to_owned),
        managed: managed.iter().map(|arn| (*arn).to_owned()).collect(),
    };
    Caller {
        grant: Some(Arc::new(SessionGrant {
            policies: Some(policies),
            ..grant
        })),
        ..caller.clone()
    }
}

#[tokio::test]
async fn a_boundary_must_allow_as_well() {
    let lab = Lab::new().await;
    let (alice, bob) = (
        lab.user("alice", allow_all()).await,
        lab.role("Ops", allow_all()).await,
    );
    assert!(lab.allows(&alice, create()).await && lab.allows(&bob, create()).await);
    lab.house
        .change(|directory| {
            directory.put_boundary(Bounded::User("alice"), READ_ONLY)?;
            directory.put_boundary(Bounded::Role("Ops"), READ_ONLY)
        })
        .await;
    for caller in [&alice, &bob] {
        assert!(lab.allows(caller, describe()).await);
        let denied = lab.denial(caller, create()).await.expect("beyond");
        assert!(
            denied.ends_with("because no permissions boundary allows the ssm:CreateActivation action"),
            "{denied}"
        );
    }
    lab.house
        .change(|directory| directory.delete_boundary(Bounded::User("alice")))
        .await;
    assert!(lab.allows(&alice, create()).await);
}

#[tokio::test]
async fn the_policies_of_a_session_must_allow_as_well() {
    let lab = Lab::new().await;
    let bob = lab.role("Ops", allow_all()).await;
    let inline = document(&json!([{"Effect": "Allow", "Action": "ssm:Create*", "Resource": "*"}]));
    let by_inline = limited(&bob, Some(&inline), &[]);
    assert!(lab.allows(&by_inline, create()).await);
    let denied = lab.denial(&by_inline, describe()).await.expect("beyond");
    assert!(
        denied.ends_with("because no session policy allows the ssm:DescribeSessions action"),
        "{denied}"
    );
    let by_managed = limited(&bob, None, &[READ_ONLY]);
    assert!(lab.allows(&by_managed, describe()).await && !lab.allows(&by_managed, create()).await);
    let by_both = limited(&bob, Some(&inline), &[READ_ONLY]);
    assert!(lab.allows(&by_both, describe()).await && lab.allows(&by_both, create()).await);
    let by_none = limited(&bob, None, &[]);
    assert!(!lab.allows(&by_none, describe()).await);
}

#[tokio::test]
async fn a_session_policy_that_is_gone_or_unreadable_allows_nothing() {
    let lab = Lab::new().await;
    let bob = lab.role("Ops", allow_all()).await;
    let (now, random) = (lab.house.clock.now(), lab.house.random.as_ref());
    let text = document(&allow_all());
    let new = NewPolicy {
        name: "all",
        document: &text,
        ..NewPolicy::default()
    };
    let policy = lab
        .house
        .change(|directory| directory.create_policy(new, now, random))
        .await;
    let by_managed = limited(&bob, None, &[policy.arn.as_str()]);
    assert!(lab.allows(&by_managed, describe()).await);
    lab.house
        .change(|directory| directory.delete_policy(policy.arn.as_str()))
        .await;
    assert!(!lab.allows(&by_managed, describe()).await);
    assert!(!lab.allows(&limited(&bob, Some("{"), &[]), describe()).await);
}
