//! Wrong inputs, and what is answered.

use serde_json::{Value, json};

use crate::testing::{ALLOW, AWS_POLICY, Desk, TRUST, policy_arn};

/// An account where `alice` has everything that a user can have, and the policy `own` has five versions.
async fn filled() -> Desk {
    let desk = Desk::new().await;
    for (operation, input) in [
        ("CreateUser", json!({"UserName": "alice"})),
        ("CreateUser", json!({"UserName": "bob"})),
        ("CreateGroup", json!({"GroupName": "dev"})),
        (
            "CreateRole",
            json!({"RoleName": "web", "AssumeRolePolicyDocument": TRUST}),
        ),
        (
            "CreateRole",
            json!({"RoleName": "db", "AssumeRolePolicyDocument": TRUST}),
        ),
        ("CreateInstanceProfile", json!({"InstanceProfileName": "web"})),
        (
            "AddRoleToInstanceProfile",
            json!({"InstanceProfileName": "web", "RoleName": "web"}),
        ),
        (
            "CreatePolicy",
            json!({"PolicyName": "own", "PolicyDocument": ALLOW}),
        ),
        (
            "AttachUserPolicy",
            json!({"UserName": "alice", "PolicyArn": policy_arn("own")}),
        ),
        (
            "CreateLoginProfile",
            json!({"UserName": "alice", "Password": "Correct-Horse-7"}),
        ),
        ("CreateAccessKey", json!({"UserName": "alice"})),
        ("CreateAccessKey", json!({"UserName": "alice"})),
        ("AddUserToGroup", json!({"GroupName": "dev", "UserName": "bob"})),
    ] {
        desk.ask(operation, input).await;
    }
    for _ in 0..4 {
        let version = json!({"PolicyArn": policy_arn("own"), "PolicyDocument": ALLOW});
        desk.ask("CreatePolicyVersion", version).await;
    }
    desk
}

#[tokio::test]
async fn wrong_inputs_are_refused_in_awss_words() {
    let desk = filled().await;
    let own = policy_arn("own");
    let none = policy_arn("none");
    let cases: Vec<(&str, Value, u16, &str, &str)> = vec![
        // There is none.
        (
            "GetUser",
            json!({"UserName": "no"}),
            404,
            "NoSuchEntity",
            "The user with name no cannot be found.",
        ),
        (
            "GetGroup",
            json!({"GroupName": "no"}),
            404,
            "NoSuchEntity",
            "The group with name no cannot be found.",
        ),
        (
            "GetRole",
            json!({"RoleName": "no"}),
            404,
            "NoSuchEntity",
            "The role with name no cannot be found.",
        ),
        (
            "GetInstanceProfile",
            json!({"InstanceProfileName": "no"}),
            404,
            "NoSuchEntity",
            "Instance Profile no cannot be found.",
        ),
        (
            "AttachUserPolicy",
            json!({"UserName": "alice", "PolicyArn": none}),
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/none does not exist or is not attachable.",
        ),
        (
            "GetPolicyVersion",
            json!({"PolicyArn": own, "VersionId": "v9"}),
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/own version v9 does not exist or is not attachable.",
        ),
        (
            "GetUserPolicy",
            json!({"UserName": "alice", "PolicyName": "no"}),
            404,
            "NoSuchEntity",
            "The user policy with name no cannot be found.",
        ),
        (
            "DeleteAccessKey",
            json!({"UserName": "bob", "AccessKeyId": "AKIAAAAAAAAAAAAAAAAA"}),
            404,
            "NoSuchEntity",
            "The Access Key with id AKIAAAAAAAAAAAAAAAAA cannot be found.",
        ),
        (
            "UpdateLoginProfile",
            json!({"UserName": "bob", "Password": "Correct-Horse-7"}),
            404,
            "NoSuchEntity",
            "Login Profile for User bob cannot be found.",
        ),
        (
            "ListMFADevices",
            json!({"UserName": "no"}),
            404,
            "NoSuchEntity",
            "The user with name no cannot be found.",
        ),
        (
            "CreateUser",
            json!({"UserName": "eve", "PermissionsBoundary": none}),
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/none does not exist or is not attachable.",
        ),
        // There is one.
        (
            "CreateUser",
            json!({"UserName": "ALICE"}),
            409,
            "EntityAlreadyExists",
            "User with name alice already exists.",
        ),
        (
            "CreatePolicy",
            json!({"PolicyName": "Own", "PolicyDocument": ALLOW, "Path": "/a/"}),
            409,
            "EntityAlreadyExists",
            "A policy called own already exists. Duplicate names are not allowed.",
        ),
        (
            "CreateLoginProfile",
            json!({"UserName": "alice", "Password": "Correct-Horse-7"}),
            409,
            "EntityAlreadyExists",
            "Login Profile for user alice already exists.",
        ),
        // Something is in the way.
        (
            "DeleteUser",
            json!({"UserName": "alice"}),
            409,
            "DeleteConflict",
            "Cannot delete entity, must detach all policies first.",
        ),
        (
            "DeleteGroup",
            json!({"GroupName": "dev"}),
            409,
            "DeleteConflict",
            "Cannot delete entity, must remove users from group first.",
        ),
        (
            "DeleteRole",
            json!({"RoleName": "web"}),
            409,
            "DeleteConflict",
            "Cannot delete entity, must remove roles from instance profile first.",
        ),
        (
            "DeletePolicy",
            json!({"PolicyArn": own}),
            409,
            "DeleteConflict",
            "Cannot delete a policy attached to entities.",
        ),
        (
            "DeletePolicyVersion",
            json!({"PolicyArn": own, "VersionId": "v1"}),
            409,
            "DeleteConflict",
            "Cannot delete the default version of a policy.",
        ),
        // There is enough of it.
        (
            "CreateAccessKey",
            json!({"UserName": "alice"}),
            409,
            "LimitExceeded",
            "Cannot exceed quota for AccessKeysPerUser: 2",
        ),
        (
            "AddRoleToInstanceProfile",
            json!({"InstanceProfileName": "web", "RoleName": "db"}),
            409,
            "LimitExceeded",
            "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
        ),
        (
            "CreatePolicyVersion",
            json!({"PolicyArn": own, "PolicyDocument": ALLOW}),
            409,
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing \
             version.",
        ),
        // It makes no sense.
        (
            "PutUserPolicy",
            json!({"UserName": "alice", "PolicyName": "p", "PolicyDocument": "{}"}),
            400,
            "MalformedPolicyDocument",
            "Statement: Missing required field Statement",
        ),
        (
            "UpdateAssumeRolePolicy",
            json!({
                "RoleName": "web",
                "PolicyDocument": r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/no"},"Action":"sts:AssumeRole"}}"#,
            }),
            400,
            "MalformedPolicyDocument",
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:user/no\"",
        ),
        (
            "TagUser",
            json!({"UserName": "alice", "Tags": [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]}),
            400,
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        (
            "GetPolicy",
            json!({"PolicyArn": "arn:aws:iam::123456789012:user/alice"}),
            400,
            "InvalidInput",
            "ARN arn:aws:iam::123456789012:user/alice is not valid.",
        ),
        (
            "CreateLoginProfile",
            json!({"UserName": "bob", "Password": "short"}),
            400,
            "PasswordPolicyViolation",
            "Password should have a minimum length of 8",
        ),
        (
            "CreateLoginProfile",
            json!({"UserName": "bob"}),
            400,
            "ValidationError",
            "1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null",
        ),
        (
            "UpdateAccessKey",
            json!({"UserName": "alice", "AccessKeyId": "AKIAAAAAAAAAAAAAAAAA", "Status": "Expired"}),
            400,
            "InvalidInput",
            "Status Expired cannot be set. It must be Active or Inactive.",
        ),
        // It is AWS's.
        (
            "DeletePolicy",
            json!({"PolicyArn": AWS_POLICY}),
            403,
            "AccessDenied",
            "Policy is outside your own account.",
        ),
        (
            "CreatePolicyVersion",
            json!({"PolicyArn": AWS_POLICY, "PolicyDocument": ALLOW}),
            403,
            "AccessDenied",
            "Policy is outside your own account.",
        ),
    ];
    for (operation, input, status, code, message) in cases {
        let refused = desk.refused(operation, input).await;
        assert_eq!(
            refused,
            (status, code.to_owned(), message.to_owned()),
            "{operation}"
        );
    }
}

#[tokio::test]
async fn what_breaks_the_model_is_refused_before_anyone_looks() {
    let desk = Desk::new().await;
    for (operation, input, end) in [
        (
            "CreateUser",
            json!({}),
            "'userName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "CreateUser",
            json!({"UserName": "a/b"}),
            "Member must satisfy regular expression pattern: [\\w+=,.@-]+",
        ),
        (
            "CreateRole",
            json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "MaxSessionDuration": 60}),
            "Member must have value greater than or equal to 3600",
        ),
        (
            "ListPolicies",
            json!({"Scope": "Mine"}),
            "Member must satisfy enum value set: [All, AWS, Local]",
        ),
        (
            "GetAccessKeyLastUsed",
            json!({"AccessKeyId": "AKIA"}),
            "Member must have length greater than or equal to 16",
        ),
    ] {
        let (status, code, message) = desk.refused(operation, input).await;
        assert_eq!((status, code.as_str()), (400, "ValidationError"), "{operation}");
        assert!(message.ends_with(end), "{operation}: {message}");
    }
}

#[tokio::test]
async fn a_refused_password_is_not_repeated() {
    let desk = filled().await;
    for (operation, user) in [("CreateLoginProfile", "bob"), ("UpdateLoginProfile", "alice")] {
        // One breaks the rules, the other the model.
        for (password, part) in [("swordfish", "swordfish"), ("Sword-\u{1F41F}-7", "Sword")] {
            let input = json!({"UserName": user, "Password": password});
            let (status, code, message) = desk.refused(operation, input).await;
            assert_eq!(status, 400);
            assert!(!message.contains(part), "{operation}: {code}: {message}");
        }
    }
}
