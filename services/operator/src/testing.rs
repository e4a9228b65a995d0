//! The lab that the tests of questions are about: a developer who is kept from production by a tag.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_aws_dialects::model;
use drawbridge_house::House;
use drawbridge_session::iam::{Holder, NewPolicy, NewRole, NewUser};
use drawbridge_session::{Caller, Clock as _, ManagedNode, Tag};
use serde_json::Value;

use crate::{Operation, Operator};

/// What somebody may do who is denied sessions on instances, and forgot the other kind of node.
const DEV_ACCESS: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["ssm:StartSession", "ssm:DescribeSessions"], "Resource": "*"},
    {"Sid": "OwnSessions", "Effect": "Allow", "Action": "ssm:TerminateSession",
     "Resource": "arn:aws:ssm:*:*:session/${aws:username}-*"},
    {"Sid": "NotToProd", "Effect": "Deny", "Action": "ssm:StartSession",
     "Resource": "arn:aws:ec2:*:*:instance/*",
     "Condition": {"StringLike": {"ssm:resourceTag/Environment": "Prod"}}}
]}"#;

const TEAM_ACCESS: &str = r#"{"Version": "2012-10-17", "Statement":
    {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": "*",
     "Condition": {"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team}"}}}}"#;

pub(crate) struct Lab {
    pub(crate) house: House,
    pub(crate) operator: Arc<Operator>,
    pub(crate) dev: ManagedNode,
    pub(crate) prod: ManagedNode,
}

impl Lab {
    /// Has the users `admin`, `alice` (a developer) and `guest` (nothing), the role `Team` with the tag `Team` = `a`,
    /// a node for development, and one for production which belongs to team `a`.
    pub(crate) async fn new() -> Self {
        let house = House::new().await;
        let (now, random) = (house.clock.now(), Arc::clone(&house.random));
        house
            .change(|directory| {
                for name in ["alice", "guest"] {
                    let user = NewUser {
                        name,
                        ..NewUser::default()
                    };
                    directory.create_user(user, now, random.as_ref())?;
                }
                let policy = NewPolicy {
                    name: "DevAccess",
                    document: DEV_ACCESS,
                    ..NewPolicy::default()
                };
                let arn = directory.create_policy(policy, now, random.as_ref())?.arn.to_string();
                directory.attach_policy(Holder::User("alice"), &arn)?;
                let role = NewRole {
                    name: "Team",
                    path: Some("/teams/"),
                    trust: r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#,
                    tags: vec![Tag::new("Team", "a")],
                    ..NewRole::default()
                };
                directory.create_role(role, &|_| true, now, random.as_ref())?;
                directory.put_inline_policy(Holder::Role("Team"), "own", TEAM_ACCESS)
            })
            .await;
        let dev = house.node().await;
        let prod = house
            .node_tagged(vec![Tag::new("Environment", "Prod"), Tag::new("Team", "a")])
            .await;
        let operator = Operator::new(house.foundation(), Arc::new(house.access.clone()));
        Self {
            operator: Arc::new(operator),
            house,
            dev,
            prod,
        }
    }

    pub(crate) async fn ask(
        &self,
        operation: &Operation,
        caller: Caller,
        input: Value,
    ) -> Result<Value, AwsError> {
        self.house
            .ask(&self.operator, model::drawbridge(), operation, caller, input)
            .await
    }
}
