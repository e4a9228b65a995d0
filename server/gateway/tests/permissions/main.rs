//! Who may do what: one table over every operation of every service by classes of principals.
//!
//! `table.txt` is what the decisions make of it. A row that changes is a change of who may do what; an operation without a
//! row, or a row without its operation, fails. To accept a change, run this test with `DRAWBRIDGE_ACCEPT` set and read the
//! difference.

use std::fmt::Write as _;
use std::path::Path;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_house::House;
use drawbridge_session::iam::{Holder, NewRole, NewUser};
use drawbridge_session::{Caller, Clock as _, Declaration, Operation};
use serde_json::{Value, json};

const TABLE: &str = include_str!("table.txt");

const HEADING: &str = "\
# One row per operation; `yes` where the caller gets past the decision.
#
# admin    a user with AdministratorAccess
# reader   a user with ReadOnlyAccess
# user     a user without policies
# role     a session of a role without policies
# node     a node with its role's credentials, about itself
# other    the same node, about another node
# key      a node with its own key, about itself
# nobody   a request without a signature
";

const CLASSES: [&str; 8] = [
    "admin", "reader", "user", "role", "node", "other", "key", "nobody",
];

const TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;

/// A key that is not there: what is left to decide is the account's.
const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

#[tokio::test]
async fn every_operation_is_open_to_those_of_the_table_only() {
    let mut table = HEADING.to_owned();
    let house = House::new().await;
    let callers = callers(&house).await;
    let _ = write!(table, "\n{:<52}", "");
    for class in CLASSES {
        let _ = write!(table, "{class:<8}");
    }
    trim(&mut table);
    rows(
        "cloudtrail",
        drawbridge_service_cloudtrail::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "drawbridge",
        drawbridge_service_operator::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "drawbridge",
        drawbridge_service_ssm::DRAWBRIDGE_OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "ec2",
        drawbridge_service_ec2::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "ec2messages",
        drawbridge_service_ec2messages::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "iam",
        drawbridge_service_iam::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "kms",
        drawbridge_service_kms::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "logs",
        drawbridge_service_logs::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    rows(
        "organizations",
        drawbridge_service_organizations::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    for declared in drawbridge_service_s3::DECLARATIONS {
        row("s3", *declared, &house, &callers, &mut table).await;
    }
    table.push('\n');
    rows(
        "ssm",
        drawbridge_service_ssm::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;
    let channels = [
        drawbridge_service_ssmmessages::CREATE_CONTROL_CHANNEL,
        drawbridge_service_ssmmessages::CREATE_DATA_CHANNEL,
    ];
    rows("ssmmessages", &channels, &house, &callers, &mut table).await;
    rows(
        "sts",
        drawbridge_service_sts::OPERATIONS,
        &house,
        &callers,
        &mut table,
    )
    .await;

    if std::env::var_os("DRAWBRIDGE_ACCEPT").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/permissions/table.txt");
        std::fs::write(file, &table).expect("written");
        return;
    }
    let (mut expected, mut actual) = (TABLE.lines(), table.lines());
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => break,
            (expected, actual) => assert_eq!(actual, expected, "the decisions (left) and table.txt (right)"),
        }
    }
}

/// A caller, and the node that it asks about.
struct Asking {
    caller: Caller,
    about: String,
}

async fn callers(house: &House) -> [Asking; 8] {
    let (now, random) = (house.clock.now(), house.random.as_ref());
    house
        .change(|directory| {
            for name in ["alice", "reader", "nothing"] {
                let user = NewUser {
                    name,
                    ..NewUser::default()
                };
                directory.create_user(user, now, random)?;
            }
            directory.attach_policy(Holder::User("reader"), "arn:aws:iam::aws:policy/ReadOnlyAccess")?;
            let role = NewRole {
                name: "web",
                trust: TRUST,
                ..NewRole::default()
            };
            directory.create_role(role, &|_| true, now, random)
        })
        .await;
    let (node, other) = (house.node().await, house.node().await);
    let asking = |caller, about: &str| Asking {
        caller,
        about: about.to_owned(),
    };
    let (own, others) = (node.id.as_str(), other.id.as_str());
    [
        asking(house.admin(), own),
        asking(house.user("reader"), own),
        asking(house.user("nothing"), own),
        asking(house.role("web", "someone"), own),
        asking(house.node_role(&node), own),
        asking(house.node_role(&node), others),
        asking(house.node_key(&node), own),
        asking(house.anonymous(), own),
    ]
}

async fn rows<S>(
    service: &str,
    operations: &[Operation<S, AwsError>],
    house: &House,
    callers: &[Asking],
    table: &mut String,
) {
    for operation in operations {
        row(service, operation.declaration(), house, callers, table).await;
    }
    table.push('\n');
}

async fn row(service: &str, declared: Declaration, house: &House, callers: &[Asking], table: &mut String) {
    let _ = write!(table, "\n{:<52}", format!("{service}:{}", declared.name));
    for Asking { caller, about } in callers {
        let allowed = house.declares(declared, caller.clone(), input(about)).await;
        let _ = write!(table, "{:<8}", if allowed { "yes" } else { "-" });
    }
    trim(table);
}

/// What every operation finds its subjects in: each looks only at the members that it has.
fn input(node: &str) -> Value {
    json!({
        "InstanceId": node, "Target": node, "Destination": node,
        "ResourceType": "ManagedInstance",
        // The node for SSM's operations; those of EC2 and agents take it from elsewhere.
        "ResourceId": node,
        "Resources": ["i-0123456789abcdef0"],
        "SessionId": "admin-00000000000000000",
        "AssociationFilterList": [{"key": "InstanceId", "value": node}],
        "IamRole": "web", "InstanceProfile": "web",
        "SettingId": "/ssm/managed-instance/activation-tier", "SettingValue": "advanced",
        "UserName": "alice", "GroupName": "dev", "RoleName": "web", "PolicyName": "p",
        "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "PolicySourceArn": "arn:aws:iam::123456789012:user/alice",
        "InstanceProfileName": "web", "AccessKeyId": "AKIAAAAAAAAAAAAAAAAA",
        "RoleArn": "arn:aws:iam::123456789012:role/web", "RoleSessionName": "someone",
        "Principal": "user/alice", "Action": "ssm:StartSession", "Resource": node,
        "AccountId": "123456789012",
        "logGroupName": "sessions", "logStreamName": "admin-00000000000000000",
        "bucketName": "logs", "key": "k", "source": {"bucketName": "logs", "key": "k"},
        "KeyId": KEY, "SourceKeyId": KEY, "DestinationKeyId": KEY, "TargetKeyId": KEY, "AliasName": "alias/app",
        "Name": "SSM-sudo", "Names": ["port"],
    })
}

fn trim(table: &mut String) {
    table.truncate(table.trim_end_matches(' ').len());
}
