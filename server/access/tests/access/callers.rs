//! What is known of whoever asks.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::iam::Tagged;
use drawbridge_session::{Need, Resource, SessionGrant, Tag};
use serde_json::{Value, json};

use crate::{Lab, allow_all, allow_if};

fn anything() -> Need {
    Need::also("ssm:DescribeSessions", Resource::any())
}

fn tagged(key: &str, value: &str) -> Value {
    allow_if(
        &json!("ssm:DescribeSessions"),
        &json!({"StringEquals": {format!("aws:PrincipalTag/{key}"): value}}),
    )
}

#[tokio::test]
async fn the_tags_of_a_user_count_as_they_are_now() {
    let lab = Lab::new().await;
    let alice = lab.user("alice", tagged("Team", "web")).await;
    assert!(!lab.allows(&alice, anything()).await);
    let tags = vec![Tag::new("team", "web")];
    lab.house
        .change(|directory| directory.tag(Tagged::User("alice"), tags))
        .await;
    assert!(lab.allows(&alice, anything()).await);
    lab.house
        .change(|directory| directory.untag(Tagged::User("alice"), &["team".to_owned()]))
        .await;
    assert!(!lab.allows(&alice, anything()).await);
}

#[tokio::test]
async fn the_tags_of_a_session_win_over_its_roles() {
    let lab = Lab::new().await;
    let plain = lab.role("Ops", tagged("Team", "web")).await;
    let tags = vec![Tag::new("Team", "database")];
    lab.house
        .change(|directory| directory.tag(Tagged::Role("Ops"), tags))
        .await;
    assert!(!lab.allows(&plain, anything()).await);
    let mut tagged = plain.clone();
    let grant = plain.grant.as_deref().expect("a grant").clone();
    tagged.grant = Some(Arc::new(SessionGrant {
        tags: vec![Tag::new("TEAM", "web")],
        ..grant
    }));
    assert!(lab.allows(&tagged, anything()).await);
}

#[tokio::test]
async fn an_organization_is_that_of_the_callers_account() {
    let lab = Lab::new().await;
    let other = "210987654321".parse().expect("valid");
    lab.house.found(&other, "").await;
    let org = |id: &str| {
        allow_if(
            &json!("ssm:DescribeSessions"),
            &json!({"StringEquals": {"aws:PrincipalOrgID": id}}),
        )
    };
    let inside = lab.user("inside", org("o-exampleorgid")).await;
    let outside = lab.user("outside", org("o-anotherorgid")).await;
    assert!(lab.allows(&inside, anything()).await);
    assert!(!lab.allows(&outside, anything()).await);
    // An account without an organization has no such key at all.
    let none = json!({"Null": {"aws:PrincipalOrgID": "true"}});
    let text = crate::document(&allow_if(&json!("ssm:DescribeSessions"), &none));
    lab.house
        .change_in(&other, |directory| {
            let admin = drawbridge_session::iam::Holder::User("admin");
            directory.detach_policy(admin, "arn:aws:iam::aws:policy/AdministratorAccess")?;
            directory.put_inline_policy(admin, "own", &text)
        })
        .await;
    let stranger = lab.house.user_of(&other, "admin");
    assert!(lab.allows(&stranger, anything()).await);
}

#[tokio::test]
async fn the_address_and_the_hour_are_those_of_the_request() {
    let lab = Lab::new().await;
    let condition = json!({
        "IpAddress": {"aws:SourceIp": "10.0.0.0/8"},
        "DateLessThan": {"aws:CurrentTime": "2026-01-02T03:05:00Z"},
        "Bool": {"aws:SecureTransport": "true"},
    });
    let alice = lab.user("alice", allow_if(&json!("*"), &condition)).await;
    assert!(!lab.allows(&alice, anything()).await, "from elsewhere");
    let mut near = alice.clone();
    near.source_ip = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
    assert!(lab.allows(&near, anything()).await);
    let mut late = near.clone();
    late.received_at = late
        .received_at
        .checked_add(Duration::from_secs(60))
        .expect("in range");
    assert!(!lab.allows(&late, anything()).await, "too late");
    // The clock of the server does not matter to a request that came in time.
    lab.house.clock.advance(Duration::from_secs(3600));
    assert!(lab.allows(&near, anything()).await);
}

#[tokio::test]
async fn a_request_cannot_say_what_the_server_knows() {
    let lab = Lab::new().await;
    let condition = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
    let alice = lab.user("alice", allow_if(&json!("*"), &condition)).await;
    let forged = anything()
        .with("aws:SourceIp", "10.1.2.3")
        .with("aws:username", "admin");
    assert!(!lab.allows(&alice, forged).await);
}

#[tokio::test]
async fn whoever_is_deleted_may_nothing_even_if_another_has_their_name() {
    let lab = Lab::new().await;
    let alice = lab.user("alice", allow_all()).await;
    assert!(lab.allows(&alice, anything()).await);
    let bob = lab.role("Ops", allow_all()).await;
    lab.house
        .change(|directory| {
            use drawbridge_session::iam::Holder;
            directory.delete_inline_policy(Holder::User("alice"), "own")?;
            directory.delete_user("alice")?;
            directory.delete_inline_policy(Holder::Role("Ops"), "own")?;
            directory.delete_role("Ops")
        })
        .await;
    assert!(!lab.allows(&alice, anything()).await);
    assert!(!lab.allows(&bob, anything()).await);
    let (alices_heir, bobs_heir) = (
        lab.user("alice", allow_all()).await,
        lab.role("Ops", allow_all()).await,
    );
    assert!(lab.allows(&alices_heir, anything()).await);
    assert!(lab.allows(&bobs_heir, anything()).await);
    assert!(!lab.allows(&alice, anything()).await, "the first of the name");
    assert!(!lab.allows(&bob, anything()).await, "the first of the name");
}

#[tokio::test]
async fn the_root_may_everything_and_nobody_may_register_only() {
    let lab = Lab::new().await;
    assert!(lab.allows(&lab.house.root_user(), anything()).await);
    let nobody = lab.house.anonymous();
    assert!(!lab.allows(&nobody, anything()).await);
    let register = Need::also("ssm:RegisterManagedInstance", Resource::any());
    assert!(lab.allows(&nobody, register).await);
}
