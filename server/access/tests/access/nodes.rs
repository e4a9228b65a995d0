//! Decisions about nodes and their tags.

use drawbridge_session::iam::{NewInstanceProfile, NewRole};
use drawbridge_session::{Clock as _, Need, Resource, SignedWith};
use drawbridge_store::{Tags as _, TagsOf};
use serde_json::json;

use crate::{Lab, allow_all, allow_if};

/// The statements of the workshop's `SSMDevAccess` on sessions, in `session/tests/policy/seeds.json`.
fn dev_access() -> serde_json::Value {
    json!([
        {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*"},
        {
            "Sid": "SameUserTerminate", "Effect": "Allow", "Action": "ssm:TerminateSession",
            "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*",
        },
        {
            "Sid": "DenySMtoProd", "Effect": "Deny", "Action": "ssm:StartSession",
            "Resource": ["arn:aws:ec2:*:*:instance/*"],
            "Condition": {"StringLike": {"ssm:resourceTag/Environment": "Prod"}},
        },
    ])
}

#[tokio::test]
async fn the_workshops_deny_reaches_instances_and_not_registered_nodes() {
    let lab = Lab::new().await;
    let alice = lab.user("MyWorkshopUser", dev_access()).await;
    let dev = lab.enrolled("Dev").await;
    let prod = lab.enrolled("Prod").await;
    let registered = lab.registered("Prod").await;
    assert_eq!(lab.denial(&alice, lab.start(&dev)).await, None);
    assert_eq!(lab.denial(&alice, lab.start(&registered)).await, None);
    assert_eq!(
        lab.denial(&alice, lab.start(&prod)).await,
        Some(format!(
            "User: arn:aws:iam::123456789012:user/MyWorkshopUser is not authorized to perform: ssm:StartSession on \
             resource: arn:aws:ec2:us-east-1:123456789012:instance/{} with an explicit deny in an identity-based \
             policy",
            prod.id
        ))
    );
    let session = |id: &str| {
        let resource = Resource::session(&lab.house.region, &lab.house.account, id);
        Need::also("ssm:TerminateSession", resource)
    };
    assert!(
        lab.allows(&alice, session("MyWorkshopUser-0a1b2c3d4e5f67890"))
            .await
    );
    assert!(!lab.allows(&alice, session("admin-0a1b2c3d4e5f67890")).await);
}

#[tokio::test]
async fn the_tags_of_a_node_are_those_of_its_kind_under_both_names() {
    let lab = Lab::new().await;
    for node in [lab.enrolled("Dev").await, lab.registered("Dev").await] {
        let id = &node.id;
        for key in ["ssm:resourceTag/Environment", "aws:ResourceTag/Environment"] {
            let condition = json!({"StringEquals": {key: "Dev"}});
            let name = format!("{id}-{}", &key[..3]);
            let user = lab
                .user(&name, allow_if(&json!("ssm:StartSession"), &condition))
                .await;
            assert_eq!(lab.denial(&user, lab.start(&node)).await, None, "{id} {key}");
            let prod = [drawbridge_session::Tag::new("Environment", "Prod")];
            let tags = TagsOf::node(&node);
            lab.house.store.add_tags(tags, &prod).await.expect("tagged");
            assert!(!lab.allows(&user, lab.start(&node)).await, "{id} {key}");
            let dev = [drawbridge_session::Tag::new("Environment", "Dev")];
            lab.house.store.add_tags(tags, &dev).await.expect("tagged");
        }
        // Whose operation it is makes the prefix.
        let condition = json!({"StringEquals": {"ec2:ResourceTag/Environment": "Dev"}});
        let name = format!("{id}-ec2");
        let user = lab.user(&name, allow_if(&json!("*"), &condition)).await;
        assert!(!lab.allows(&user, lab.start(&node)).await);
        let stop = Need::also("ec2:CreateTags", lab.target(&node));
        assert!(lab.allows(&user, stop).await);
    }
}

#[tokio::test]
async fn a_node_of_another_region_or_account_shows_no_tags() {
    let lab = Lab::new().await;
    let node = lab.registered("Dev").await;
    let condition = json!({"StringEquals": {"ssm:resourceTag/Environment": "Dev"}});
    let alice = lab.user("alice", allow_if(&json!("*"), &condition)).await;
    assert!(lab.allows(&alice, lab.start(&node)).await);
    let mut elsewhere = alice.clone();
    elsewhere.region = "eu-west-1".parse().expect("valid");
    assert!(!lab.allows(&elsewhere, lab.start(&node)).await);
    let mut other = alice;
    other.account = "210987654321".parse().expect("valid");
    assert!(!lab.allows(&other, lab.start(&node)).await);
}

#[tokio::test]
async fn a_node_acts_as_an_agent_for_itself_only_whatever_its_role_allows() {
    let lab = Lab::new().await;
    let (node, other) = (lab.house.node().await, lab.house.node().await);
    lab.role("Mighty", allow_all()).await;
    let mighty = lab.with_role(&node, "Mighty").await;
    for node in [&node, &mighty] {
        let caller = lab.house.node_role(node);
        for action in [
            "ssm:UpdateInstanceInformation",
            "ssm:PutInventory",
            "ssm:ListInstanceAssociations",
        ] {
            assert!(lab.allows(&caller, Need::also(action, lab.target(node))).await);
            let denied = lab.denial(&caller, Need::also(action, lab.target(&other))).await;
            let denied = denied.expect("another's");
            assert!(
                denied.ends_with("with an explicit deny in an identity-based policy"),
                "{denied}"
            );
        }
        let channel = |id: &str| Resource::message_channel(&lab.house.region, &lab.house.account, id);
        let open = |id: &str| Need::also("ssmmessages:CreateControlChannel", channel(id));
        assert!(lab.allows(&caller, open(node.id.as_str())).await);
        assert!(!lab.allows(&caller, open(other.id.as_str())).await);
        let queue = |id: &str| Need::also("ec2messages:GetMessages", Resource::message_queue(id));
        assert!(lab.allows(&caller, queue(node.id.as_str())).await);
        assert!(!lab.allows(&caller, queue(other.id.as_str())).await);
    }
    // What is no agent's work is the role's to allow.
    assert!(!lab.allows(&lab.house.node_role(&node), lab.start(&other)).await);
    assert!(lab.allows(&lab.house.node_role(&mighty), lab.start(&other)).await);
}

#[tokio::test]
async fn a_nodes_own_key_asks_for_credentials_and_nothing_else() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    lab.role("Mighty", allow_all()).await;
    let node = lab.with_role(&node, "Mighty").await;
    let caller = lab.house.node_key(&node);
    assert_eq!(caller.signed_with, SignedWith::NodeKey);
    let on = |action| Need::also(action, lab.target(&node));
    assert!(
        lab.allows(&caller, on("ssm:RequestManagedInstanceRoleToken"))
            .await
    );
    assert!(
        lab.allows(&caller, on("ssm:UpdateManagedInstancePublicKey"))
            .await
    );
    assert!(!lab.allows(&caller, on("ssm:UpdateInstanceInformation")).await);
    assert!(!lab.allows(&caller, on("ssm:StartSession")).await);
}

#[tokio::test]
async fn a_node_whose_role_is_gone_may_nothing() {
    let lab = Lab::new().await;
    let node = lab.house.node().await;
    let before = lab.house.node_role(&node);
    let report = |lab: &Lab| Need::also("ssm:UpdateInstanceInformation", lab.target(&node));
    assert!(lab.allows(&before, report(&lab)).await);
    let trust = json!({"Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::123456789012:role/NodeRole"},
    }});
    let (trust, now, random) = (
        trust.to_string(),
        lab.house.clock.now(),
        lab.house.random.as_ref(),
    );
    let vault = NewRole {
        name: "Vault",
        trust: &trust,
        ..NewRole::default()
    };
    lab.house
        .change(|directory| directory.create_role(vault, &|_| true, now, random))
        .await;
    let assume = Need::also("sts:AssumeRole", Resource::role(&lab.house.account, "Vault"));
    assert!(lab.allows(&before, assume.clone()).await);
    lab.house
        .change(|directory| {
            let arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
            let role = drawbridge_house::NODE_ROLE;
            directory.detach_policy(drawbridge_session::iam::Holder::Role(role), arn)?;
            directory.delete_role(role)
        })
        .await;
    assert!(!lab.allows(&before, report(&lab)).await, "signed before");
    let after = lab.house.node_role(&node);
    assert!(!lab.allows(&after, report(&lab)).await, "signed after");
    assert!(
        !lab.allows(&after, assume).await,
        "the name of a role that is gone opens nothing"
    );
}

#[tokio::test]
async fn a_node_says_where_its_request_comes_from() {
    let lab = Lab::new().await;
    let (enrolled, registered) = (lab.enrolled("Dev").await, lab.registered("Dev").await);
    for (node, key, role) in [
        (&enrolled, "ec2:SourceInstanceARN", "Enrolled"),
        (&registered, "ssm:SourceInstanceARN", "Registered"),
    ] {
        let own = lab.target(node);
        let condition = json!({"ArnEquals": {key: own.arn()}});
        lab.role(role, allow_if(&json!("*"), &condition)).await;
        for (node, expected) in [(node, true), (&lab.house.enrolled_node(&[]).await, false)] {
            let node = lab.with_role(node, role).await;
            let caller = lab.house.node_role(&node);
            assert_eq!(lab.allows(&caller, lab.start(&enrolled)).await, expected, "{key}");
        }
    }
}

#[tokio::test]
async fn what_is_passed_with_an_instance_profile_is_its_role() {
    let lab = Lab::new().await;
    let web = json!([{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:role/Web"}]);
    let alice = lab.user("alice", web).await;
    lab.role("Web", allow_all()).await;
    lab.role("Database", allow_all()).await;
    let (now, random) = (lab.house.clock.now(), lab.house.random.as_ref());
    lab.house
        .change(|directory| {
            for (name, role) in [("one", Some("Web")), ("two", Some("Database")), ("empty", None)] {
                let new = NewInstanceProfile {
                    name,
                    ..NewInstanceProfile::default()
                };
                directory.create_instance_profile(new, now, random)?;
                if let Some(role) = role {
                    directory.add_role_to_instance_profile(name, role)?;
                }
            }
            Ok(())
        })
        .await;
    let pass = |name: &str| {
        let profile = Resource::instance_profile(&lab.house.account, name);
        Need::also("iam:PassRole", profile).with("iam:PassedToService", "ec2.amazonaws.com")
    };
    assert!(lab.allows(&alice, pass("one")).await);
    for name in ["two", "empty", "none"] {
        assert!(!lab.allows(&alice, pass(name)).await, "{name}");
    }
}
