use super::*;
use crate::ids::{AccountId, Region};
use crate::principal::NODE_ROLE;
use crate::random::SeededRandom;

const NODE: &str = "mi-0a1b2c3d4e5f67890";
const OTHER_NODE: &str = "mi-0fffffffffffffff0";

fn account() -> AccountId {
    AccountId::parse("123456789012").expect("valid")
}

fn region() -> Region {
    Region::parse("us-east-1").expect("valid")
}

fn user() -> Principal {
    Principal::User {
        account: account(),
        name: "alice".into(),
        id: "AIDAALICE".into(),
    }
}

fn node() -> Principal {
    Principal::Node {
        account: account(),
        role: NODE_ROLE.into(),
        node: NodeId::parse(NODE).expect("valid"),
    }
}

fn on_node(id: &str) -> Vec<Resource> {
    vec![Resource::node(&region(), &account(), id)]
}

fn allows(principal: &Principal, action: &'static str, resources: &[Resource]) -> bool {
    matches!(decide(principal, action, resources), Decision::Allow(_))
}

/// The actions of agents, each only on the node that calls.
const NODE_ACTIONS: &[&str] = &[
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:PutComplianceItems",
    "ssm:PutInventory",
    "ssm:RequestManagedInstanceRoleToken",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
    "ssm:UpdateManagedInstancePublicKey",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
];

#[test]
fn an_administrator_may_start_a_session() {
    assert!(allows(&user(), "ssm:StartSession", &on_node(NODE)));
    assert!(allows(
        &Principal::Root { account: account() },
        "ssm:CreateActivation",
        &[Resource::any()]
    ));
}

#[test]
fn a_node_may_act_for_itself_only() {
    for action in NODE_ACTIONS {
        assert!(allows(&node(), action, &on_node(NODE)), "{action}");
        assert!(!allows(&node(), action, &on_node(OTHER_NODE)), "{action}");
        assert!(!allows(&node(), action, &[Resource::any()]), "{action}");
    }
}

#[test]
fn a_node_may_do_nothing_that_people_do() {
    for action in [
        "ssm:StartSession",
        "ssm:DescribeInstanceInformation",
        "ssm:CreateActivation",
        "ssm:ResumeSession",
    ] {
        assert!(!allows(&node(), action, &on_node(NODE)), "{action}");
    }
}

#[test]
fn nobody_may_only_register() {
    let nobody = Principal::Anonymous { account: account() };
    assert!(allows(&nobody, "ssm:RegisterManagedInstance", &[Resource::any()]));
    assert!(!allows(&nobody, "ssm:StartSession", &on_node(NODE)));
    assert!(!allows(&nobody, "sts:GetCallerIdentity", &[Resource::any()]));
}

#[test]
fn a_role_without_policies_may_only_ask_who_it_is() {
    let role = Principal::AssumedRole {
        account: account(),
        role: "Ops".into(),
        session_name: "bob".into(),
        id: "AROAOPS".into(),
    };
    assert!(!allows(&role, "ssm:StartSession", &on_node(NODE)));
    assert!(allows(&role, "sts:GetCallerIdentity", &[Resource::any()]));
    assert!(allows(&node(), "sts:GetCallerIdentity", &[Resource::any()]));
}

#[test]
fn every_resource_must_be_allowed_and_there_must_be_one() {
    let mut resources = on_node(NODE);
    resources.extend(on_node(OTHER_NODE));
    assert!(!allows(&node(), "ssm:UpdateInstanceInformation", &resources));
    assert!(!allows(&user(), "ssm:StartSession", &[]));
}

#[test]
fn denies_in_the_words_that_clients_show() {
    let Decision::Deny(denied) = decide(&node(), "ssm:StartSession", &on_node(OTHER_NODE)) else {
        panic!("allowed");
    };
    assert_eq!(
        denied.to_string(),
        "User: arn:aws:sts::123456789012:assumed-role/DrawbridgeNodeRole/mi-0a1b2c3d4e5f67890 is not authorized to \
         perform: ssm:StartSession on resource: arn:aws:ssm:us-east-1:123456789012:managed-instance/\
         mi-0fffffffffffffff0 because no identity-based policy allows the ssm:StartSession action"
    );
}

#[test]
fn only_a_decision_about_this_node_opens_a_session() {
    let open = |action, decided: &str, wanted: &str| {
        let Decision::Allow(allowed) = decide(&user(), action, &on_node(decided)) else {
            panic!("denied")
        };
        let session = SessionId::generate("alice", &SeededRandom::new(1));
        allowed.open_session(session, NodeId::parse(wanted).expect("valid"))
    };
    let session = open("ssm:StartSession", NODE, NODE).expect("authorized");
    assert_eq!(session.owner_arn(), "arn:aws:iam::123456789012:user/alice");
    assert!(open("ssm:StartSession", NODE, OTHER_NODE).is_none());
    assert!(open("ssm:GetConnectionStatus", NODE, NODE).is_none());
}
