use drawbridge_session::iam::Holder;

use super::world::{MAY_ASSUME, TRUSTS_ACCOUNT, World, allow, refused, trust};

/// A world in which `Ops` may assume `Next`, and both may last twelve hours.
async fn chained() -> World {
    let world = World::new().await;
    world.add_role("Next", TRUSTS_ACCOUNT).await;
    world.give(Holder::Role("Ops"), &allow("sts:*")).await;
    for role in ["Ops", "Next"] {
        world
            .house
            .change(|directory| directory.update_role(role, None, Some(43_200)))
            .await;
    }
    world
}

#[tokio::test]
async fn a_role_that_assumes_a_role_gets_an_hour() {
    let world = chained().await;
    let session = world.becomes(&world.house.admin(), "Ops", &[]).await;
    assert!(
        world
            .assume(&session, "Next", &[("DurationSeconds", "3600")])
            .await
            .is_ok()
    );
    refused(
        world
            .assume(&session, "Next", &[("DurationSeconds", "3601")])
            .await,
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    );
}

#[tokio::test]
async fn the_source_identity_is_set_once_for_the_whole_chain() {
    let world = chained().await;
    let source = [("SourceIdentity", "alice@example.com")];
    let answer = world
        .assume(&world.house.admin(), "Ops", &source)
        .await
        .expect("assumed");
    assert_eq!(answer["SourceIdentity"], "alice@example.com");
    let first = world.signed(&answer).await.expect("signs");
    let answer = world.assume(&first, "Next", &[]).await.expect("assumed");
    assert_eq!(answer["SourceIdentity"], "alice@example.com");
    assert!(world.assume(&first, "Next", &source).await.is_ok());
    refused(
        world
            .assume(&first, "Next", &[("SourceIdentity", "mallory")])
            .await,
        "AccessDenied",
        "The source identity is already set",
    );

    let second = world.signed(&answer).await.expect("signs");
    let only_alice = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssm:DescribeSessions",
        "Resource": "*", "Condition": {"StringEquals": {"aws:SourceIdentity": "alice@example.com"}}}}"#;
    world.give(Holder::Role("Next"), only_alice).await;
    assert!(world.may_any(&second, "ssm:DescribeSessions").await);
    let without = world.becomes(&world.house.admin(), "Next", &[]).await;
    assert!(!world.may_any(&without, "ssm:DescribeSessions").await);
}

#[tokio::test]
async fn a_source_identity_needs_its_own_permission() {
    let world = chained().await;
    world.give(Holder::User("alice"), MAY_ASSUME).await;
    let source = [("SourceIdentity", "alice")];
    assert!(world.assume(&world.alice(), "Ops", &[]).await.is_ok());
    let why = "sts:SetSourceIdentity";
    refused(
        world.assume(&world.alice(), "Ops", &source).await,
        "AccessDenied",
        why,
    );

    world
        .add_role_trusting("Plain", &trust(TRUSTS_ACCOUNT, "sts:AssumeRole"))
        .await;
    let first = world.becomes(&world.house.admin(), "Ops", &source).await;
    refused(world.assume(&first, "Plain", &[]).await, "AccessDenied", why);
}

#[tokio::test]
async fn a_session_policy_does_not_go_down_the_chain_but_must_allow_it() {
    let world = chained().await;
    world
        .give(Holder::Role("Next"), &allow("ssm:DescribeSessions"))
        .await;
    let admin = world.house.admin();
    let may = allow("sts:AssumeRole");
    let first = world.becomes(&admin, "Ops", &[("Policy", may.as_str())]).await;
    let second = world.becomes(&first, "Next", &[]).await;
    assert!(world.may_any(&second, "ssm:DescribeSessions").await);

    let may_not = allow("ssm:*");
    let first = world
        .becomes(&admin, "Ops", &[("Policy", may_not.as_str())])
        .await;
    refused(
        world.assume(&first, "Next", &[]).await,
        "AccessDenied",
        "because no session policy allows the sts:AssumeRole action",
    );
}
