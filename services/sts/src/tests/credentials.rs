use std::time::Duration;

use drawbridge_session::iam::Holder;
use drawbridge_session::{Principal, Resource};
use drawbridge_store::CredentialError;
use serde_json::json;

use super::world::{TRUSTS_ACCOUNT, World, allow, refused};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

#[tokio::test]
async fn a_session_policy_limits_and_never_widens() {
    let world = World::new().await;
    world.give(Holder::Role("Ops"), &allow("ssm:*")).await;
    let admin = world.house.admin();
    let wide = allow("*");
    let narrow = allow("ssm:Describe*");
    for (fields, describes, starts) in [
        (&[][..], true, true),
        (&[("Policy", wide.as_str())], true, true),
        (&[("Policy", narrow.as_str())], true, false),
        (&[("PolicyArns.member.1.arn", READ_ONLY)], true, false),
        (
            &[
                ("Policy", narrow.as_str()),
                (
                    "PolicyArns.member.1.arn",
                    "arn:aws:iam::aws:policy/AmazonS3FullAccess",
                ),
            ],
            true,
            false,
        ),
    ] {
        let session = world.becomes(&admin, "Ops", fields).await;
        assert_eq!(
            world.may_any(&session, "ssm:DescribeSessions").await,
            describes,
            "{fields:?}"
        );
        assert_eq!(
            world.may_any(&session, "ssm:StartSession").await,
            starts,
            "{fields:?}"
        );
        assert!(!world.may_any(&session, "iam:ListUsers").await, "{fields:?}");
        assert!(!world.may_any(&session, "s3:GetObject").await, "{fields:?}");
    }
}

#[tokio::test]
async fn credentials_end_when_their_time_is_over() {
    let world = World::new().await;
    let answer = world
        .assume(&world.house.admin(), "Ops", &[("DurationSeconds", "900")])
        .await
        .expect("assumed");
    world.house.clock.advance(Duration::from_millis(899_999));
    assert!(world.signed(&answer).await.is_ok());
    world.house.clock.advance(Duration::from_millis(1));
    assert!(matches!(
        world.signed(&answer).await,
        Err(CredentialError::Expired)
    ));
}

#[tokio::test]
async fn credentials_end_with_their_role_or_user() {
    let world = World::new().await;
    let role = world
        .assume(&world.house.admin(), "Ops", &[])
        .await
        .expect("assumed");
    let token = [("Action", "GetSessionToken")];
    let user = world.ask(&world.alice(), &token).await.expect("given");
    for answer in [&role, &user] {
        assert!(world.signed(answer).await.is_ok());
    }
    world
        .house
        .change(|directory| {
            directory.delete_role("Ops")?;
            directory.delete_user("alice")
        })
        .await;
    // Another of the same name is somebody else.
    world.add_role("Ops", TRUSTS_ACCOUNT).await;
    world.add_user("alice").await;
    for answer in [&role, &user] {
        assert!(matches!(
            world.signed(answer).await,
            Err(CredentialError::Unknown)
        ));
    }
}

#[tokio::test]
async fn a_deny_by_the_time_of_issue_revokes_older_sessions() {
    let world = World::new().await;
    let admin = world.house.admin();
    world.give(Holder::Role("Ops"), &allow("ssm:*")).await;
    let older = world.becomes(&admin, "Ops", &[]).await;
    world.house.clock.advance(Duration::from_secs(60));
    let revoke = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-01-02T03:05:00.000Z"}},
    }});
    world
        .house
        .change(|directory| {
            directory.put_inline_policy(Holder::Role("Ops"), "AWSRevokeOlderSessions", &revoke.to_string())
        })
        .await;
    assert!(!world.may_any(&older, "ssm:DescribeSessions").await);
    let newer = world.becomes(&admin, "Ops", &[]).await;
    assert!(world.may_any(&newer, "ssm:DescribeSessions").await);
}

#[tokio::test]
async fn a_session_is_nobody_but_itself_whatever_its_name() {
    let world = World::new().await;
    let admin = world.house.admin();
    let node = world.house.node().await;
    let node_role = world.house.node_role(&node);
    world
        .add_role("ForAlice", r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#)
        .await;
    world
        .add_role(
            "ForWork",
            r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/Ops/work"}"#,
        )
        .await;
    world.add_user("work").await;
    world.give(Holder::User("work"), &allow("sts:*")).await;

    let alice = world
        .becomes(&admin, "Ops", &[("RoleSessionName", "alice")])
        .await;
    refused(world.assume(&alice, "ForAlice", &[]).await, "AccessDenied", "");
    refused(
        world.assume(&world.house.user("work"), "ForWork", &[]).await,
        "AccessDenied",
        "",
    );
    let work = world.becomes(&admin, "Ops", &[]).await;
    assert!(world.assume(&work, "ForWork", &[]).await.is_ok());

    // A person under a node's role and name is no node.
    let admin_trust =
        r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:*"}}"#;
    world
        .house
        .change(|directory| directory.update_trust(drawbridge_house::NODE_ROLE, admin_trust, &|_| true))
        .await;
    let named = [("RoleSessionName", node.id.as_str())];
    let person = world.becomes(&admin, drawbridge_house::NODE_ROLE, &named).await;
    assert_eq!(person.principal.arn(), node_role.principal.arn());
    assert!(matches!(person.principal, Principal::AssumedRole { .. }));
    assert_eq!(person.principal.node(), None);
    let own_key = "ssm:RequestManagedInstanceRoleToken";
    let on_node = Resource::node(&world.house.region, &world.house.account, node.id.as_str());
    assert!(!world.may(&person, own_key, on_node).await);
}

#[tokio::test]
async fn a_token_belongs_to_its_key() {
    let world = World::new().await;
    let admin = world.house.admin();
    let mut mixed = world.assume(&admin, "Ops", &[]).await.expect("assumed");
    let other = world.assume(&admin, "Ops", &[]).await.expect("assumed");
    mixed["Credentials"]["SessionToken"] = other["Credentials"]["SessionToken"].clone();
    assert!(matches!(
        world.signed(&mixed).await,
        Err(CredentialError::InvalidToken)
    ));
}
