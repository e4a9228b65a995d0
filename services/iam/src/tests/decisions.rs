//! The facts that requests bring to a decision: conditions of policies that people write.

use drawbridge_session::iam::{Holder, NewRole, NewUser};
use drawbridge_session::{Clock as _, Tag};
use serde_json::{Value, json};

use crate::Iam;
use crate::testing::{ALLOW, AWS_POLICY, Desk, TRUST};

const OTHER_POLICY: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// An account where `alice` may do what these statements say; `bob` is at `/people/` with the tag Team=blue.
async fn with_alice(statements: Value) -> Desk {
    let desk = Desk::new().await;
    let (now, random) = (desk.house.clock.now(), desk.house.random.as_ref());
    let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    desk.house
        .change(|directory| {
            directory.create_user(
                NewUser {
                    name: "alice",
                    ..NewUser::default()
                },
                now,
                random,
            )?;
            directory.put_inline_policy(Holder::User("alice"), "p", &document)?;
            let bob = NewUser {
                name: "bob",
                path: Some("/people/"),
                tags: vec![Tag::new("Team", "blue")],
                ..NewUser::default()
            };
            directory.create_user(bob, now, random)?;
            let role = NewRole {
                name: "web",
                trust: TRUST,
                ..NewRole::default()
            };
            directory.create_role(role, &|_| true, now, random)
        })
        .await;
    desk
}

#[tokio::test]
async fn conditions_see_what_a_request_would_do() {
    let tags = |value: &str| json!([{"Key": "Team", "Value": value}]);
    // Statements, an operation, an input that they allow, and one that they do not.
    let cases = [
        (
            json!({"Effect": "Allow", "Action": "iam:AttachUserPolicy", "Resource": "*",
                   "Condition": {"ArnEquals": {"iam:PolicyARN": AWS_POLICY}}}),
            "AttachUserPolicy",
            json!({"UserName": "bob", "PolicyArn": AWS_POLICY}),
            json!({"UserName": "bob", "PolicyArn": OTHER_POLICY}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:DetachRolePolicy", "Resource": "*",
                   "Condition": {"ArnEquals": {"iam:PolicyARN": AWS_POLICY}}}),
            "DetachRolePolicy",
            json!({"RoleName": "web", "PolicyArn": AWS_POLICY}),
            json!({"RoleName": "web", "PolicyArn": OTHER_POLICY}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:CreateUser", "Resource": "*",
                   "Condition": {"StringEquals": {"iam:PermissionsBoundary": AWS_POLICY}}}),
            "CreateUser",
            json!({"UserName": "carol", "PermissionsBoundary": AWS_POLICY}),
            json!({"UserName": "carol"}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:PutRolePermissionsBoundary", "Resource": "*",
                   "Condition": {"StringEquals": {"iam:PermissionsBoundary": AWS_POLICY}}}),
            "PutRolePermissionsBoundary",
            json!({"RoleName": "web", "PermissionsBoundary": AWS_POLICY}),
            json!({"RoleName": "web", "PermissionsBoundary": OTHER_POLICY}),
        ),
        (
            json!({"Effect": "Allow", "Action": ["iam:CreateRole", "iam:TagRole"], "Resource": "*",
                   "Condition": {"StringEquals": {"aws:RequestTag/Team": "red"}}}),
            "CreateRole",
            json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "Tags": tags("red")}),
            json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "Tags": tags("blue")}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:CreateRole", "Resource": "*"}),
            "CreateRole",
            json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST}),
            json!({"RoleName": "t", "AssumeRolePolicyDocument": TRUST, "Tags": tags("red")}),
        ),
        (
            json!([
                {"Effect": "Allow", "Action": "iam:CreatePolicy", "Resource": "*"},
                {"Effect": "Allow", "Action": "iam:TagPolicy", "Resource": "arn:aws:iam::*:policy/t"},
            ]),
            "CreatePolicy",
            json!({"PolicyName": "t", "PolicyDocument": ALLOW, "Tags": tags("red")}),
            json!({"PolicyName": "u", "PolicyDocument": ALLOW, "Tags": tags("red")}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:TagUser", "Resource": "*",
                   "Condition": {"StringEquals": {"aws:RequestTag/Team": "red"}}}),
            "TagUser",
            json!({"UserName": "bob", "Tags": tags("red")}),
            json!({"UserName": "bob", "Tags": tags("blue")}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:UntagUser", "Resource": "*",
                   "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}}}),
            "UntagUser",
            json!({"UserName": "bob", "TagKeys": ["Team"]}),
            json!({"UserName": "bob", "TagKeys": ["Team", "Env"]}),
        ),
        (
            json!([
                {"Effect": "Allow", "Action": "iam:CreateInstanceProfile", "Resource": "*"},
                {"Effect": "Allow", "Action": "iam:AddRoleToInstanceProfile", "Resource": "*"},
                {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/web",
                 "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}},
            ]),
            "AddRoleToInstanceProfile",
            json!({"InstanceProfileName": "p", "RoleName": "web"}),
            json!({"InstanceProfileName": "p", "RoleName": "NodeRole"}),
        ),
        // Paths, tags and names of who is there.
        (
            json!({"Effect": "Allow", "Action": "iam:DeleteUser", "Resource": "arn:aws:iam::*:user/people/*"}),
            "DeleteUser",
            json!({"UserName": "BOB"}),
            json!({"UserName": "admin"}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*",
                   "Condition": {"StringEquals": {"aws:ResourceTag/Team": "blue"}}}),
            "GetUser",
            json!({"UserName": "bob"}),
            json!({"UserName": "admin"}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:CreateAccessKey",
                   "Resource": "arn:aws:iam::*:user/${aws:username}"}),
            "CreateAccessKey",
            json!({}),
            json!({"UserName": "bob"}),
        ),
        // What would be created stands where it is asked for, and has no tags of what has its name already.
        (
            json!({"Effect": "Allow", "Action": "iam:CreateUser", "Resource": "arn:aws:iam::*:user/people/*"}),
            "CreateUser",
            json!({"UserName": "carol", "Path": "/people/"}),
            json!({"UserName": "carol"}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:CreatePolicy", "Resource": "arn:aws:iam::*:policy/dev/*"}),
            "CreatePolicy",
            json!({"PolicyName": "p", "Path": "/dev/", "PolicyDocument": ALLOW}),
            json!({"PolicyName": "dev", "PolicyDocument": ALLOW}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "arn:aws:iam::*:user/people/*"}),
            "ListUsers",
            json!({"PathPrefix": "/people/"}),
            json!({}),
        ),
        // Another name or path must be allowed as well.
        (
            json!({"Effect": "Allow", "Action": "iam:UpdateUser",
                   "Resource": ["arn:aws:iam::*:user/people/*", "arn:aws:iam::*:user/b*"]}),
            "UpdateUser",
            json!({"UserName": "bob", "NewUserName": "bert"}),
            json!({"UserName": "bob", "NewUserName": "root"}),
        ),
        (
            json!({"Effect": "Allow", "Action": "iam:UpdateUser", "Resource": "arn:aws:iam::*:user/people/*"}),
            "UpdateUser",
            json!({"UserName": "bob", "NewPath": "/people/dev/"}),
            json!({"UserName": "bob", "NewPath": "/"}),
        ),
    ];
    for (statements, operation, allowed, denied) in cases {
        let desk = with_alice(statements.clone()).await;
        let operation = Iam::operation(operation).expect("an operation");
        for (input, expected) in [(allowed, true), (denied, false)] {
            let alice = desk.house.user("alice");
            assert_eq!(
                desk.house.allows(operation, alice, input.clone()).await,
                expected,
                "{} {input} by {statements}",
                operation.name
            );
        }
    }
}

#[tokio::test]
async fn whoever_may_not_ask_does_not_learn_what_is_there() {
    let desk = with_alice(json!({"Effect": "Deny", "Action": "*", "Resource": "*"})).await;
    let name_of = |text: &str, name: &str| text.replace(name, "X");
    for (operation, there, missing, member) in [
        ("GetUser", "admin", "nobody", "UserName"),
        ("DeleteUser", "admin", "nobody", "UserName"),
        ("GetRole", "web", "none", "RoleName"),
        ("CreateUser", "admin", "nobody", "UserName"),
    ] {
        let mut messages = Vec::new();
        for name in [there, missing] {
            let input = json!({ member: name });
            let answered = desk.ask_as(desk.house.user("alice"), operation, input).await;
            let error = answered.expect_err("denied");
            assert_eq!(error.code(), "AccessDenied");
            messages.push(name_of(error.message(), name));
        }
        assert_eq!(messages[0], messages[1], "{operation}");
    }
}

#[tokio::test]
async fn a_boundary_holds_whatever_else_is_attached() {
    let desk = with_alice(json!({"Effect": "Allow", "Action": "*", "Resource": "*"})).await;
    let create = || json!({"UserName": "eve"});
    desk.ask_as(desk.house.user("alice"), "CreateUser", create())
        .await
        .expect("allowed");
    desk.tell(
        "PutUserPermissionsBoundary",
        json!({"UserName": "alice", "PermissionsBoundary": AWS_POLICY}),
    )
    .await;
    let denied = desk
        .ask_as(desk.house.user("alice"), "DeleteUser", create())
        .await;
    let error = denied.expect_err("denied");
    assert_eq!(
        error.message(),
        "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: iam:DeleteUser on resource: \
         arn:aws:iam::123456789012:user/eve because no permissions boundary allows the iam:DeleteUser action"
    );
}
