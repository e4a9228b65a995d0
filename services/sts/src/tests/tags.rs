use drawbridge_session::iam::{Holder, Tagged};

use super::world::{MAY_ASSUME, TRUSTS_ACCOUNT, World, allow, refused, trust};

const TEAM_B: [(&str, &str); 2] = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "b")];

/// Allows one action to sessions of team b.
const FOR_TEAM_B: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssm:DescribeSessions",
    "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "b"}}}}"#;

#[tokio::test]
async fn a_session_takes_tags_only_where_its_role_trusts_who_asks_for_them() {
    let world = World::new().await;
    let alice = world.alice();
    let trusting = |action: &str| trust(r#"{"AWS": "arn:aws:iam::123456789012:user/alice"}"#, action);
    world
        .add_role_trusting("Untaggable", &trusting("sts:AssumeRole"))
        .await;
    world.add_role_trusting("Taggable", &trusting("sts:*")).await;

    let denied = "is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/";
    assert!(world.assume(&alice, "Taggable", &TEAM_B).await.is_ok());
    world.give(Holder::User("alice"), &allow("sts:*")).await;
    assert!(world.assume(&alice, "Untaggable", &[]).await.is_ok());
    refused(
        world.assume(&alice, "Untaggable", &TEAM_B).await,
        "AccessDenied",
        denied,
    );
}

#[tokio::test]
async fn whoever_may_not_tag_cannot_pass_for_another_team() {
    let world = World::new().await;
    world.tag(Tagged::Role("Ops"), "team", "a").await;
    world.give(Holder::Role("Ops"), FOR_TEAM_B).await;
    world.give(Holder::User("alice"), MAY_ASSUME).await;
    let alice = world.alice();
    refused(
        world.assume(&alice, "Ops", &TEAM_B).await,
        "AccessDenied",
        "sts:TagSession",
    );
    let plain = world.becomes(&alice, "Ops", &[]).await;
    assert!(!world.may_any(&plain, "ssm:DescribeSessions").await);

    world.give(Holder::User("alice"), &allow("sts:*")).await;
    let tagged = world.becomes(&alice, "Ops", &TEAM_B).await;
    assert!(world.may_any(&tagged, "ssm:DescribeSessions").await);
}

#[tokio::test]
async fn policies_see_the_tags_that_are_asked_for() {
    let world = World::new().await;
    let only = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"},
        {"Effect": "Allow", "Action": "sts:TagSession", "Resource": "*", "Condition": {
            "StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team"], "sts:TransitiveTagKeys": ["none"]}}}]}"#;
    world.give(Holder::User("alice"), only).await;
    world.tag(Tagged::User("alice"), "team", "b").await;
    let alice = world.alice();
    assert!(world.assume(&alice, "Ops", &TEAM_B).await.is_ok());
    let other = [TEAM_B[0], ("Tags.member.1.Value", "c")];
    let more = [
        TEAM_B[0],
        TEAM_B[1],
        ("Tags.member.2.Key", "x"),
        ("Tags.member.2.Value", ""),
    ];
    let transitive = [TEAM_B[0], TEAM_B[1], ("TransitiveTagKeys.member.1", "team")];
    for fields in [&other[..], &more, &transitive] {
        refused(
            world.assume(&alice, "Ops", fields).await,
            "AccessDenied",
            "sts:TagSession",
        );
    }
}

#[tokio::test]
async fn tags_that_clash_are_refused() {
    let world = World::new().await;
    let admin = world.house.admin();
    let tags = |pairs: &'static [(&str, &str)]| pairs;
    for (fields, code, why) in [
        (
            tags(&[("Tags.member.1.Key", "aws:x"), ("Tags.member.1.Value", "")]),
            "InvalidParameterValue",
            "reserved",
        ),
        (
            tags(&[
                ("Tags.member.1.Key", "a"),
                ("Tags.member.1.Value", ""),
                ("Tags.member.2.Key", "A"),
                ("Tags.member.2.Value", ""),
            ]),
            "InvalidParameterValue",
            "Duplicate tag keys",
        ),
        (
            tags(&[("TransitiveTagKeys.member.1", "a")]),
            "InvalidParameterValue",
            "must be included",
        ),
        (tags(&[("Tags.member.1.Key", "")]), "ValidationError", "key"),
    ] {
        refused(world.assume(&admin, "Ops", fields).await, code, why);
    }
    let (key, value) = ("k".repeat(129), "v".repeat(257));
    for fields in [
        [("Tags.member.1.Key", key.as_str()), ("Tags.member.1.Value", "")],
        [
            ("Tags.member.1.Key", "k"),
            ("Tags.member.1.Value", value.as_str()),
        ],
    ] {
        refused(
            world.assume(&admin, "Ops", &fields).await,
            "ValidationError",
            "length less than",
        );
    }
}

#[tokio::test]
async fn transitive_tags_go_down_the_chain_and_stay_what_they_are() {
    let world = World::new().await;
    for role in ["Second", "Third"] {
        world.add_role(role, TRUSTS_ACCOUNT).await;
    }
    world.give(Holder::Role("Ops"), &allow("sts:*")).await;
    world.give(Holder::Role("Second"), &allow("sts:*")).await;
    world.give(Holder::Role("Third"), FOR_TEAM_B).await;
    let transitive = [TEAM_B[0], TEAM_B[1], ("TransitiveTagKeys.member.1", "team")];
    let first = world.becomes(&world.house.admin(), "Ops", &transitive).await;

    let other = [("Tags.member.1.Key", "TEAM"), ("Tags.member.1.Value", "c")];
    refused(
        world.assume(&first, "Second", &other).await,
        "InvalidParameterValue",
        "conflicts with a transitive tag key from the calling session",
    );
    let second = world.becomes(&first, "Second", &[]).await;
    let third = world.becomes(&second, "Third", &[]).await;
    assert!(world.may_any(&third, "ssm:DescribeSessions").await);

    let first = world.becomes(&world.house.admin(), "Ops", &TEAM_B).await;
    let second = world.becomes(&first, "Second", &[]).await;
    assert!(second.grant.expect("temporary").tags.is_empty());
}

#[tokio::test]
async fn a_role_that_takes_no_tags_is_closed_to_sessions_that_hand_some_on() {
    let world = World::new().await;
    world.give(Holder::Role("Ops"), &allow("sts:*")).await;
    world
        .add_role_trusting("Plain", &trust(TRUSTS_ACCOUNT, "sts:AssumeRole"))
        .await;
    let transitive = [TEAM_B[0], TEAM_B[1], ("TransitiveTagKeys.member.1", "team")];
    let first = world.becomes(&world.house.admin(), "Ops", &transitive).await;
    refused(
        world.assume(&first, "Plain", &[]).await,
        "AccessDenied",
        "sts:TagSession",
    );
}
