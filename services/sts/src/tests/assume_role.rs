use drawbridge_session::Clock as _;
use drawbridge_session::iam::Holder;

use super::world::{MAY_ASSUME, TRUSTS_ACCOUNT, World, allow, refused, role_arn, trust};

const ALICE: Holder<'_> = Holder::User("alice");

#[tokio::test]
async fn answers_with_credentials_that_are_the_roles() {
    let world = World::new().await;
    world.give(ALICE, MAY_ASSUME).await;
    world
        .give(Holder::Role("Ops"), &allow("ssm:DescribeSessions"))
        .await;
    let alice = world.alice();
    let answer = world.assume(&alice, "Ops", &[]).await.expect("assumed");

    let given = &answer["Credentials"];
    assert!(given["AccessKeyId"].as_str().expect("a text").starts_with("ASIA"));
    assert_eq!(given["Expiration"], world.house.clock.now().as_second() + 3600);
    let user = &answer["AssumedRoleUser"];
    assert_eq!(user["Arn"], "arn:aws:sts::123456789012:assumed-role/Ops/work");
    let id = user["AssumedRoleId"].as_str().expect("a text");
    assert!(id.starts_with("AROA") && id.ends_with(":work"), "{id}");
    assert!(answer.get("PackedPolicySize").is_none() && answer.get("SourceIdentity").is_none());

    let session = world.signed(&answer).await.expect("signs");
    assert_eq!(session.principal.user_id(), id);
    assert!(world.may_any(&session, "ssm:DescribeSessions").await);
    assert!(!world.may_any(&alice, "ssm:DescribeSessions").await);
    assert!(!world.may_any(&session, "iam:ListUsers").await);
}

#[tokio::test]
async fn trust_in_the_account_leaves_it_to_identity_policies() {
    let world = World::new().await;
    let alice = world.alice();
    refused(
        world.assume(&alice, "Ops", &[]).await,
        "AccessDenied",
        "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sts:AssumeRole on resource: \
         arn:aws:iam::123456789012:role/Ops because no identity-based policy allows the sts:AssumeRole action",
    );
    world.give(ALICE, MAY_ASSUME).await;
    assert!(world.assume(&alice, "Ops", &[]).await.is_ok());
}

#[tokio::test]
async fn trust_in_a_principal_is_enough_within_the_account() {
    let world = World::new().await;
    let user = r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#;
    world.add_role("Named", user).await;
    assert!(world.assume(&world.alice(), "Named", &[]).await.is_ok());
    refused(
        world.assume(&world.house.admin(), "Named", &[]).await,
        "AccessDenied",
        "because no role trust policy allows the sts:AssumeRole action",
    );

    world
        .add_role("Next", r#"{"AWS": "arn:aws:iam::123456789012:role/Named"}"#)
        .await;
    let session = world.becomes(&world.alice(), "Named", &[]).await;
    assert!(world.assume(&session, "Next", &[]).await.is_ok());
    refused(
        world.assume(&world.alice(), "Next", &[]).await,
        "AccessDenied",
        "because no",
    );
}

#[tokio::test]
async fn across_accounts_both_sides_must_agree() {
    let world = World::new().await;
    let other = World::other_account();
    world.house.found(&other, "o-anotherorgid").await;
    let user = r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#;
    world.add_role_in(&other, "Guests", &trust(user, "sts:*")).await;
    world
        .add_role_in(&other, "Private", &trust(r#"{"AWS": "210987654321"}"#, "sts:*"))
        .await;
    let arn = |role: &str| format!("arn:aws:iam::{other}:role/{role}");
    let alice = world.alice();

    refused(
        world.assume_arn(&alice, &arn("Guests"), &[]).await,
        "AccessDenied",
        "",
    );
    world.give(ALICE, MAY_ASSUME).await;
    let answer = world
        .assume_arn(&alice, &arn("Guests"), &[])
        .await
        .expect("assumed");
    let guest = world.signed(&answer).await.expect("signs");
    assert_eq!(guest.principal.account(), &other);
    assert_eq!(guest.account, other);
    refused(
        world.assume_arn(&alice, &arn("Private"), &[]).await,
        "AccessDenied",
        "",
    );
}

#[tokio::test]
async fn a_role_that_is_not_there_is_denied_like_one_that_trusts_somebody_else() {
    let world = World::new().await;
    let other = World::other_account();
    world.house.found(&other, "o-anotherorgid").await;
    let nobody = trust(r#"{"Service": "ec2.amazonaws.com"}"#, "sts:AssumeRole");
    let shut = r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}}"#;
    world.add_role_in(&other, "There", &nobody).await;
    world.add_role_in(&other, "Shut", shut).await;
    world.add_role_trusting("There", &nobody).await;
    let said = async |arn: String| {
        let answered = world.assume_arn(&world.alice(), &arn, &[]).await;
        let error = answered.expect_err("denied");
        let name = arn.rsplit('/').next().expect("a name");
        (error.code().to_owned(), error.message().replace(name, "…"))
    };
    for may in [false, true] {
        if may {
            world.give(ALICE, MAY_ASSUME).await;
        }
        assert_eq!(said(role_arn("There")).await, said(role_arn("Missing")).await);
        let elsewhere = |role: &str| format!("arn:aws:iam::{other}:role/{role}");
        let missing = said(elsewhere("Missing")).await;
        assert_eq!(said(elsewhere("There")).await, missing);
        assert_eq!(said(elsewhere("Shut")).await, missing);
        let nowhere = said("arn:aws:iam::999999999999:role/There".to_owned()).await;
        assert_eq!(nowhere.1.replace("999999999999", other.as_str()), missing.1);
    }
}

#[tokio::test]
async fn the_path_is_part_of_a_roles_arn() {
    let world = World::new().await;
    world.give(ALICE, MAY_ASSUME).await;
    world.add_role("/team/web/Deploy", TRUSTS_ACCOUNT).await;
    let alice = world.alice();
    let answer = world
        .assume(&alice, "team/web/Deploy", &[])
        .await
        .expect("assumed");
    assert_eq!(
        answer["AssumedRoleUser"]["Arn"],
        "arn:aws:sts::123456789012:assumed-role/Deploy/work"
    );
    for wrong in ["Deploy", "team/Deploy", "team/web/deploy", "x/Ops", "ops"] {
        refused(
            world.assume(&alice, wrong, &[]).await,
            "AccessDenied",
            "because no role trust policy allows",
        );
    }
}

#[tokio::test]
async fn the_root_assumes_nothing() {
    let world = World::new().await;
    refused(
        world.assume(&world.house.root_user(), "Ops", &[]).await,
        "AccessDenied",
        "Roles may not be assumed by root accounts.",
    );
}

#[tokio::test]
async fn nobody_and_a_nodes_own_key_assume_nothing() {
    let world = World::new().await;
    world.add_role("Open", r#""*""#).await;
    let node = world.house.node().await;
    for caller in [world.house.anonymous(), world.house.node_key(&node)] {
        refused(
            world.assume(&caller, "Open", &[]).await,
            "AccessDenied",
            "not authorized",
        );
    }
    assert!(
        world
            .assume(&world.house.node_role(&node), "Open", &[])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_trust_policy_sees_what_the_request_says() {
    let world = World::new().await;
    let alice = world.alice();
    world.give(ALICE, &allow("sts:*")).await;
    for (role, key, wanted, field) in [
        ("ById", "sts:ExternalId", "s3cret", ("ExternalId", "s3cret")),
        (
            "ByName",
            "sts:RoleSessionName",
            "${aws:username}",
            ("RoleSessionName", "alice"),
        ),
        ("BySource", "sts:SourceIdentity", "al", ("SourceIdentity", "al")),
    ] {
        let trust = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {TRUSTS_ACCOUNT},
                "Action": "sts:*", "Condition": {{"StringEquals": {{"{key}": "{wanted}"}}}}}}}}"#
        );
        world.add_role_trusting(role, &trust).await;
        assert!(world.assume(&alice, role, &[field]).await.is_ok(), "{role}");
        for fields in [&[][..], &[(field.0, "bob")]] {
            refused(
                world.assume(&alice, role, fields).await,
                "AccessDenied",
                "role trust policy",
            );
        }
    }
}
