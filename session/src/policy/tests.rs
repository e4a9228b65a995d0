use super::*;
use crate::ids::{AccountId, Region};
use crate::principal::EntityName;
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
        user: EntityName::new("alice", "AIDAALICE"),
    }
}

fn node() -> Principal {
    Principal::Node {
        account: account(),
        role: EntityName::new("NodeRole", "AROANODE"),
        node: NodeId::parse(NODE).expect("valid"),
    }
}

fn on_node(id: &str) -> Vec<Resource> {
    vec![Resource::node(&region(), &account(), id)]
}

/// Asks for one action on resources under identity policies.
fn ask(principal: &Principal, action: &str, resources: &[Resource], policies: &[NamedPolicy]) -> Decision {
    let needs: Vec<_> = resources
        .iter()
        .map(|resource| Need::on(resource.clone()).or_action(action))
        .collect();
    let question = |need| Question {
        need,
        context: Identity::from(principal).context(),
        policies: PolicySet {
            identity: policies.to_vec(),
            ..PolicySet::default()
        },
    };
    decide(principal, needs.iter().map(question).collect())
}

fn allows(principal: &Principal, action: &str, resources: &[Resource], policies: &[NamedPolicy]) -> bool {
    matches!(ask(principal, action, resources, policies), Decision::Allow(_))
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
fn whoever_has_the_administrators_policy_may_start_a_session() {
    let policies = [administrator()];
    assert!(allows(&user(), "ssm:StartSession", &on_node(NODE), &policies));
    assert!(!allows(&user(), "ssm:StartSession", &on_node(NODE), &[]));
    let root = Principal::Root { account: account() };
    assert!(allows(&root, "ssm:CreateActivation", &[Resource::any()], &[]));
}

#[test]
fn a_node_acts_for_itself_only_whatever_its_role_allows() {
    let policies = [administrator(), node_guard()];
    for action in NODE_ACTIONS {
        assert!(allows(&node(), action, &on_node(NODE), &policies), "{action}");
        assert!(
            !allows(&node(), action, &on_node(OTHER_NODE), &policies),
            "{action}"
        );
        assert!(
            !allows(&node(), action, &[Resource::any()], &policies),
            "{action}"
        );
    }
}

#[test]
fn the_guard_grants_nothing() {
    for action in NODE_ACTIONS {
        assert!(
            !allows(&node(), action, &on_node(NODE), &[node_guard()]),
            "{action}"
        );
    }
}

#[test]
fn a_nodes_own_key_is_good_for_its_credentials_only() {
    let policies = [node_key()];
    let allowed = |action, id| allows(&node(), action, &on_node(id), &policies);
    assert!(allowed("ssm:RequestManagedInstanceRoleToken", NODE));
    assert!(allowed("ssm:UpdateManagedInstancePublicKey", NODE));
    assert!(!allowed("ssm:RequestManagedInstanceRoleToken", OTHER_NODE));
    assert!(!allowed("ssm:UpdateInstanceInformation", NODE));
}

#[test]
fn nobody_may_only_register() {
    let nobody = Principal::Anonymous { account: account() };
    let policies = [anonymous()];
    assert!(allows(
        &nobody,
        "ssm:RegisterManagedInstance",
        &[Resource::any()],
        &policies
    ));
    assert!(!allows(&nobody, "ssm:StartSession", &on_node(NODE), &policies));
    assert!(!allows(
        &nobody,
        "sts:GetCallerIdentity",
        &[Resource::any()],
        &policies
    ));
}

#[test]
fn every_need_must_be_allowed_and_there_must_be_one() {
    let mut resources = on_node(NODE);
    resources.extend(on_node(OTHER_NODE));
    let policies = [administrator(), node_guard()];
    assert!(!allows(
        &node(),
        "ssm:UpdateInstanceInformation",
        &resources,
        &policies
    ));
    assert!(!allows(&user(), "ssm:StartSession", &[], &[administrator()]));
}

#[test]
fn denies_in_the_words_that_clients_show() {
    let Decision::Deny(denied) = ask(&node(), "ssm:StartSession", &on_node(OTHER_NODE), &[node_guard()])
    else {
        panic!("allowed");
    };
    assert_eq!(
        denied.to_string(),
        "User: arn:aws:sts::123456789012:assumed-role/NodeRole/mi-0a1b2c3d4e5f67890 is not authorized to \
         perform: ssm:StartSession on resource: arn:aws:ssm:us-east-1:123456789012:managed-instance/\
         mi-0fffffffffffffff0 because no identity-based policy allows the ssm:StartSession action"
    );
}

#[test]
fn another_accounts_reasons_are_not_told() {
    let other = AccountId::parse("210987654321").expect("valid");
    let theirs = [Resource::node(&region(), &other, NODE)];
    let Decision::Deny(denied) = ask(&user(), "ssm:StartSession", &theirs, &[administrator()]) else {
        panic!("allowed");
    };
    assert_eq!(
        denied.to_string(),
        "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: ssm:StartSession on resource: \
         arn:aws:ssm:us-east-1:210987654321:managed-instance/mi-0a1b2c3d4e5f67890"
    );
    assert_eq!(denied.statement(), None);
}

#[test]
fn a_session_token_is_not_good_for_iam_and_sts() {
    let allowed = |action| allows(&user(), action, &[Resource::any()], &[session_token()]);
    for action in [
        "ssm:StartSession",
        "iam:PassRole",
        "sts:AssumeRole",
        "sts:TagSession",
    ] {
        assert!(allowed(action), "{action}");
    }
    for action in [
        "iam:ListUsers",
        "iam:CreateAccessKey",
        "sts:DecodeAuthorizationMessage",
    ] {
        assert!(!allowed(action), "{action}");
    }
}

#[test]
fn only_a_decision_about_this_node_opens_a_session() {
    let open = |action, decided: &str, wanted: &str| {
        let Decision::Allow(allowed) = ask(&user(), action, &on_node(decided), &[administrator()]) else {
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
