//! Decisions about nodes and their tags.

use drawbridge_session::{Need, Resource, SignedWith};
use drawbridge_store::{Nodes as _, Tags as _, TagsOf};
use serde_json::json;

use crate::{Lab, allow_all, allow_if};

/// The statements of seed 004's `SSMDevAccess` on sessions.
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
    let dev = lab.node("i-0a1b2c3d4e5f67890", "Dev").await;
    let prod = lab.node("i-0b1b2c3d4e5f67890", "Prod").await;
    let registered = lab.node("mi-0c1b2c3d4e5f67890", "Prod").await;
    assert_eq!(lab.denial(&alice, lab.start(&dev)).await, None);
    assert_eq!(lab.denial(&alice, lab.start(&registered)).await, None);
    assert_eq!(
        lab.denial(&alice, lab.start(&prod)).await.as_deref(),
        Some(
            "User: arn:aws:iam::123456789012:user/MyWorkshopUser is not authorized to perform: ssm:StartSession on \
             resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0b1b2c3d4e5f67890 with an explicit deny in an \
             identity-based policy"
        )
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
    for id in ["i-0a1b2c3d4e5f67890", "mi-0c1b2c3d4e5f67890"] {
        let node = lab.node(id, "Dev").await;
        for key in ["ssm:resourceTag/Environment", "aws:ResourceTag/Environment"] {
            let condition = json!({"StringEquals": {key: "Dev"}});
            let name = format!("{}-{}", id.split('-').next().unwrap_or_default(), &key[..3]);
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
    let node = lab.node("mi-0c1b2c3d4e5f67890", "Dev").await;
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
    lab.house
        .store
        .set_node_role(&node.id, "Mighty")
        .await
        .expect("changed");
    let mighty = lab
        .house
        .store
        .node(&node.id)
        .await
        .expect("read")
        .expect("there");
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
    lab.house
        .store
        .set_node_role(&node.id, "Mighty")
        .await
        .expect("changed");
    let node = lab
        .house
        .store
        .node(&node.id)
        .await
        .expect("read")
        .expect("there");
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
}
