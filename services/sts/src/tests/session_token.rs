use drawbridge_session::iam::Holder;
use drawbridge_session::{Caller, Clock as _, Principal};
use serde_json::Value;

use super::world::{World, allow, refused};

const TOKEN: (&str, &str) = ("Action", "GetSessionToken");

async fn lasts(world: &World, caller: &Caller, seconds: Option<&str>) -> i64 {
    let mut fields = vec![TOKEN];
    fields.extend(seconds.map(|seconds| ("DurationSeconds", seconds)));
    let answer = world.ask(caller, &fields).await.expect("given");
    let ends = answer["Credentials"]["Expiration"].as_i64().expect("a time");
    ends - world.house.clock.now().as_second()
}

async fn with_token(world: &World, caller: &Caller) -> Caller {
    let answer: Value = world.ask(caller, &[TOKEN]).await.expect("given");
    world.signed(&answer).await.expect("signs")
}

#[tokio::test]
async fn credentials_of_users_and_roots_have_their_times() {
    let world = World::new().await;
    let (alice, root) = (world.alice(), world.house.root_user());
    assert_eq!(lasts(&world, &alice, None).await, 43_200);
    assert_eq!(lasts(&world, &alice, Some("129600")).await, 129_600);
    assert_eq!(lasts(&world, &root, None).await, 3600);
    assert_eq!(lasts(&world, &root, Some("129600")).await, 3600);
    assert_eq!(lasts(&world, &root, Some("900")).await, 900);
    for seconds in ["899", "129601"] {
        refused(
            world.ask(&alice, &[TOKEN, ("DurationSeconds", seconds)]).await,
            "ValidationError",
            "'durationSeconds' failed to satisfy",
        );
    }
}

#[tokio::test]
async fn whoever_signs_with_temporary_credentials_gets_none() {
    let world = World::new().await;
    let admin = world.house.admin();
    let node = world.house.node().await;
    for caller in [
        with_token(&world, &admin).await,
        world.becomes(&admin, "Ops", &[]).await,
        world.house.node_role(&node),
    ] {
        refused(
            world.ask(&caller, &[TOKEN]).await,
            "AccessDenied",
            "Cannot call GetSessionToken with session credentials",
        );
    }
    for caller in [world.house.anonymous(), world.house.node_key(&node)] {
        refused(
            world.ask(&caller, &[TOKEN]).await,
            "AccessDenied",
            "is not authorized",
        );
    }
}

#[tokio::test]
async fn a_session_of_a_user_does_what_the_user_may_save_iam_and_sts() {
    let world = World::new().await;
    for caller in [world.house.admin(), world.house.root_user()] {
        let session = with_token(&world, &caller).await;
        assert_eq!(session.principal, caller.principal);
        for action in ["ssm:StartSession", "iam:PassRole", "organizations:ListAccounts"] {
            assert!(world.may_any(&session, action).await, "{action}");
        }
        for action in [
            "iam:CreateUser",
            "iam:ListUsers",
            "sts:DecodeAuthorizationMessage",
        ] {
            assert!(world.may_any(&caller, action).await, "{action}");
            assert!(!world.may_any(&session, action).await, "{action}");
        }
        assert!(
            world
                .ask(&session, &[("Action", "GetCallerIdentity")])
                .await
                .is_ok()
        );
    }
    let session = with_token(&world, &world.house.admin()).await;
    assert!(world.assume(&session, "Ops", &[]).await.is_ok());
}

#[tokio::test]
async fn a_session_of_a_user_may_no_more_than_the_user() {
    let world = World::new().await;
    world.give(Holder::User("alice"), &allow("ssm:Describe*")).await;
    let session = with_token(&world, &world.alice()).await;
    assert!(matches!(session.principal, Principal::User { .. }));
    assert!(world.may_any(&session, "ssm:DescribeSessions").await);
    assert!(!world.may_any(&session, "ssm:StartSession").await);
}
