//! The identities of a public workshop on Session Manager: tasks 1 and 5, as its commands are printed.

use serde_json::json;

use crate::testing::{ALLOW, Desk, NOW, TRUST, policy_arn};

#[tokio::test]
async fn nodes_get_their_role_through_a_profile() {
    let desk = Desk::new().await;
    let answer = desk
        .ask(
            "CreateInstanceProfile",
            json!({"InstanceProfileName": "SSMLabProfile"}),
        )
        .await;
    assert_eq!(answer["InstanceProfile"]["Roles"], json!([]));
    let role = json!({"RoleName": "SSMLabRole", "AssumeRolePolicyDocument": TRUST});
    desk.ask("CreateRole", role.clone()).await;
    let pair = json!({"InstanceProfileName": "SSMLabProfile", "RoleName": "SSMLabRole"});
    desk.tell("AddRoleToInstanceProfile", pair).await;
    desk.tell(
        "AttachRolePolicy",
        json!({
            "RoleName": "SSMLabRole",
            "PolicyArn": "arn:aws:iam::aws:policy/service-role/AmazonEC2RoleforSSM",
        }),
    )
    .await;
    let (status, code, _) = desk.refused("CreateRole", role).await;
    assert_eq!((status, code.as_str()), (409, "EntityAlreadyExists"));

    let trust = TRUST.replace("ec2", "ssm");
    let role = json!({"RoleName": "SSMServiceRole", "AssumeRolePolicyDocument": trust});
    desk.ask("CreateRole", role).await;
    for name in ["AmazonSSMManagedInstanceCore", "CloudWatchAgentServerPolicy"] {
        let policy = format!("arn:aws:iam::aws:policy/{name}");
        desk.tell(
            "AttachRolePolicy",
            json!({"RoleName": "SSMServiceRole", "PolicyArn": policy}),
        )
        .await;
    }
    let attached = desk
        .ask("ListAttachedRolePolicies", json!({"RoleName": "SSMServiceRole"}))
        .await;
    assert_eq!(attached["AttachedPolicies"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn the_workshops_user_gets_a_password_and_three_policies() {
    let desk = Desk::new().await;
    let user = || json!({"UserName": "MyWorkshopUser"});
    desk.ask("CreateUser", user()).await;
    let password = |text: &str| json!({"UserName": "MyWorkshopUser", "Password": text});
    let (status, code, _) = desk.refused("CreateLoginProfile", password("password")).await;
    assert_eq!((status, code.as_str()), (400, "PasswordPolicyViolation"));
    desk.ask("CreateLoginProfile", password("Correct-Horse-7")).await;

    let policy = json!({"PolicyName": "SSMDevAccess", "PolicyDocument": ALLOW});
    let answer = desk.ask("CreatePolicy", policy).await;
    let id = &answer["Policy"]["PolicyId"];
    assert!(
        id.as_str()
            .is_some_and(|id| id.starts_with("ANPA") && id.len() == 21)
    );
    let printed = json!({"Policy": {
        "PolicyName": "SSMDevAccess",
        "PolicyId": id,
        "Arn": policy_arn("SSMDevAccess"),
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": true,
        "CreateDate": NOW,
        "UpdateDate": NOW,
    }});
    assert_eq!(answer, printed);
    assert_eq!(
        answer.to_string(),
        printed.to_string(),
        "in the order in which they are printed"
    );

    let arns = [
        policy_arn("SSMDevAccess"),
        "arn:aws:iam::aws:policy/CloudWatchLogsReadOnlyAccess".to_owned(),
        "arn:aws:iam::aws:policy/CloudWatchEventsReadOnlyAccess".to_owned(),
    ];
    for arn in &arns {
        desk.tell(
            "AttachUserPolicy",
            json!({"UserName": "MyWorkshopUser", "PolicyArn": arn}),
        )
        .await;
    }
    let attached = desk.ask("ListAttachedUserPolicies", user()).await;
    let name = |arn: &str| arn.rsplit('/').next().map(str::to_owned);
    let expected: Vec<_> = arns
        .iter()
        .map(|arn| json!({"PolicyName": name(arn), "PolicyArn": arn}))
        .collect();
    assert_eq!(
        attached,
        json!({"AttachedPolicies": expected, "IsTruncated": false})
    );
}
