use std::time::Duration;

use drawbridge_store::{Buckets as _, DefaultRetention, RetentionMode};
use http::{Method, StatusCode};

use crate::testing::World;

const LOCKS: &[(&str, &str)] = &[("x-amz-bucket-object-lock-enabled", "true")];
const BYPASS: &[(&str, &str)] = &[("x-amz-bypass-governance-retention", "true")];
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn put(world: &World) -> String {
    let answer = world.ask(Method::PUT, "/locks/k", &[], b"kept").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let id = answer.headers["x-amz-version-id"].to_str().expect("text");
    format!("/locks/k?versionId={id}")
}

async fn by_default(world: &World, mode: RetentionMode) {
    let retention = DefaultRetention {
        mode,
        days: 2,
        years: None,
    };
    let set = world.house.store.set_retention("locks", Some(retention)).await;
    assert!(set.expect("set"));
}

#[tokio::test]
async fn what_the_bucket_locks_by_default_ends_with_its_days() {
    let world = World::new().await;
    world.bucket("locks", LOCKS).await;
    for (mode, bypassed) in [
        (RetentionMode::Compliance, StatusCode::FORBIDDEN),
        (RetentionMode::Governance, StatusCode::NO_CONTENT),
    ] {
        by_default(&world, mode).await;
        let (first, second) = (put(&world).await, put(&world).await);
        world.house.clock.advance(DAY);
        let answer = world.ask(Method::DELETE, &first, &[], b"").await;
        assert_eq!(
            (answer.status, answer.code()),
            (StatusCode::FORBIDDEN, "AccessDenied".to_owned())
        );
        let answer = world.ask(Method::DELETE, &second, BYPASS, b"").await;
        assert_eq!(answer.status, bypassed, "{mode:?}");
        world.house.clock.advance(DAY);
        let answer = world.ask(Method::DELETE, &first, &[], b"").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    }
}

#[tokio::test]
async fn root_and_administrators_meet_the_same_lock() {
    let world = World::new().await;
    world.bucket("locks", LOCKS).await;
    by_default(&world, RetentionMode::Compliance).await;
    let version = put(&world).await;
    for caller in [world.house.root_user(), world.house.admin()] {
        let answer = world.ask_as(caller, Method::DELETE, &version, BYPASS, b"").await;
        assert_eq!(answer.code(), "AccessDenied", "{}", answer.text());
    }
    let answer = world.ask(Method::GET, &version, &[], b"").await;
    assert_eq!(answer.text(), "kept");
}

#[tokio::test]
async fn to_bypass_governance_takes_a_right_of_its_own() {
    let world = World::new().await;
    world.bucket("locks", LOCKS).await;
    by_default(&world, RetentionMode::Governance).await;
    let version = put(&world).await;
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},
        {"Effect":"Deny","Action":"s3:BypassGovernanceRetention","Resource":"*"}]}"#;
    let user = world.user("most", policy).await;
    let answer = world
        .ask_as(user.clone(), Method::DELETE, &version, BYPASS, b"")
        .await;
    assert_eq!(answer.code(), "AccessDenied");
    assert!(
        answer.text().contains("BypassGovernanceRetention"),
        "{}",
        answer.text()
    );
    let (path, id) = version.split_once('=').expect("a version");
    let _ = path;
    let document = format!("<Delete><Object><Key>k</Key><VersionId>{id}</VersionId></Object></Delete>");
    let answer = world
        .ask_as(user, Method::POST, "/locks?delete", BYPASS, document.as_bytes())
        .await;
    assert_eq!(answer.elements("Code"), ["AccessDenied"], "{}", answer.text());
    let answer = world.ask(Method::DELETE, &version, BYPASS, b"").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
}

#[tokio::test]
async fn a_hold_that_was_lifted_is_told_from_none() {
    let world = World::new().await;
    world.bucket("locks", LOCKS).await;
    world.ask(Method::PUT, "/locks/k", &[], b"kept").await;
    let header = async || {
        let answer = world.ask(Method::HEAD, "/locks/k", &[], b"").await;
        let hold = answer.headers.get("x-amz-object-lock-legal-hold");
        hold.map(|value| value.to_str().expect("text").to_owned())
    };
    assert_eq!(header().await, None);
    let answer = world.ask(Method::GET, "/locks/k?legal-hold", &[], b"").await;
    assert_eq!(
        (answer.status, answer.code()),
        (StatusCode::NOT_FOUND, "NoSuchObjectLockConfiguration".to_owned())
    );
    for status in ["ON", "OFF"] {
        let document = format!("<LegalHold><Status>{status}</Status></LegalHold>");
        let answer = world
            .ask(Method::PUT, "/locks/k?legal-hold", &[], document.as_bytes())
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert_eq!(header().await.as_deref(), Some(status));
        let answer = world.ask(Method::GET, "/locks/k?legal-hold", &[], b"").await;
        assert_eq!(answer.element("Status"), status);
    }
}
