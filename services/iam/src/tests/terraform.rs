//! What Terraform's provider asks for each of its resources: create, read, update, delete, and gone.

use serde_json::{Value, json};

use crate::testing::{ALLOW, AWS_POLICY, Desk, TRUST, policy_arn};

/// Asks for each in turn; the last must answer that there is no such entity.
async fn lives(desk: &Desk, steps: &[(&str, Value)], last: (&str, Value)) {
    for (operation, input) in steps {
        desk.ask(operation, input.clone()).await;
    }
    let (status, code, _) = desk.refused(last.0, last.1).await;
    assert_eq!((status, code.as_str()), (404, "NoSuchEntity"), "{}", last.0);
}

#[tokio::test]
async fn a_role() {
    let desk = Desk::new().await;
    let role = || json!({"RoleName": "web"});
    lives(
        &desk,
        &[
            (
                "CreateRole",
                json!({
                    "RoleName": "web", "Path": "/", "AssumeRolePolicyDocument": TRUST, "MaxSessionDuration": 3600,
                    "Tags": [{"Key": "Team", "Value": "blue"}],
                }),
            ),
            ("GetRole", role()),
            ("ListRolePolicies", role()),
            ("ListAttachedRolePolicies", role()),
            ("TagRole", json!({"RoleName": "web", "Tags": [{"Key": "Team", "Value": "red"}]})),
            ("UntagRole", json!({"RoleName": "web", "TagKeys": ["Team"]})),
            (
                "UpdateAssumeRolePolicy",
                json!({"RoleName": "web", "PolicyDocument": TRUST.replace("ec2", "ssm")}),
            ),
            ("UpdateRoleDescription", json!({"RoleName": "web", "Description": "serves"})),
            ("UpdateRole", json!({"RoleName": "web", "MaxSessionDuration": 7200})),
            (
                "PutRolePermissionsBoundary",
                json!({"RoleName": "web", "PermissionsBoundary": AWS_POLICY}),
            ),
            ("DeleteRolePermissionsBoundary", role()),
            ("GetRole", role()),
            ("ListInstanceProfilesForRole", role()),
            ("DeleteRole", role()),
        ],
        ("GetRole", role()),
    )
    .await;
}

#[tokio::test]
async fn a_policy_and_its_versions() {
    let desk = Desk::new().await;
    let arn = policy_arn("own");
    let policy = || json!({"PolicyArn": arn});
    let version = |id: &str| json!({"PolicyArn": arn, "VersionId": id});
    lives(
        &desk,
        &[
            (
                "CreatePolicy",
                json!({"PolicyName": "own", "PolicyDocument": ALLOW}),
            ),
            ("GetPolicy", policy()),
            ("GetPolicyVersion", version("v1")),
            (
                "TagPolicy",
                json!({"PolicyArn": arn, "Tags": [{"Key": "Team", "Value": "blue"}]}),
            ),
            ("ListPolicyVersions", policy()),
            (
                "CreatePolicyVersion",
                json!({"PolicyArn": arn, "PolicyDocument": ALLOW, "SetAsDefault": true}),
            ),
            ("GetPolicyVersion", version("v2")),
            ("ListPolicyVersions", policy()),
            ("DeletePolicyVersion", version("v1")),
            ("DeletePolicy", policy()),
        ],
        ("GetPolicy", policy()),
    )
    .await;
}

#[tokio::test]
async fn an_instance_profile() {
    let desk = Desk::new().await;
    let profile = || json!({"InstanceProfileName": "web"});
    let pair = || json!({"InstanceProfileName": "web", "RoleName": "web"});
    desk.ask(
        "CreateRole",
        json!({"RoleName": "web", "AssumeRolePolicyDocument": TRUST}),
    )
    .await;
    lives(
        &desk,
        &[
            (
                "CreateInstanceProfile",
                json!({"InstanceProfileName": "web", "Path": "/"}),
            ),
            ("GetInstanceProfile", profile()),
            ("AddRoleToInstanceProfile", pair()),
            ("GetInstanceProfile", profile()),
            ("GetRole", json!({"RoleName": "web"})),
            (
                "TagInstanceProfile",
                json!({"InstanceProfileName": "web", "Tags": [{"Key": "Team", "Value": "blue"}]}),
            ),
            (
                "UntagInstanceProfile",
                json!({"InstanceProfileName": "web", "TagKeys": ["Team"]}),
            ),
            ("RemoveRoleFromInstanceProfile", pair()),
            ("DeleteInstanceProfile", profile()),
        ],
        ("GetInstanceProfile", profile()),
    )
    .await;
}

#[tokio::test]
async fn a_user_with_a_key_and_a_password() {
    let desk = Desk::new().await;
    let user = || json!({"UserName": "alice"});
    lives(
        &desk,
        &[
            ("CreateUser", json!({"UserName": "alice", "Path": "/"})),
            ("GetUser", user()),
            (
                "CreateLoginProfile",
                json!({"UserName": "alice", "Password": "Correct-Horse-7"}),
            ),
            ("GetLoginProfile", user()),
        ],
        ("GetLoginProfile", json!({"UserName": "bob"})),
    )
    .await;
    let key = desk.ask("CreateAccessKey", user()).await;
    let keys = desk.ask("ListAccessKeys", user()).await;
    let id = &key["AccessKey"]["AccessKeyId"];
    assert_eq!(&keys["AccessKeyMetadata"][0]["AccessKeyId"], id);
    lives(
        &desk,
        &[
            ("DeleteAccessKey", json!({"UserName": "alice", "AccessKeyId": id})),
            ("DeleteLoginProfile", user()),
            (
                "TagUser",
                json!({"UserName": "alice", "Tags": [{"Key": "Team", "Value": "blue"}]}),
            ),
            ("UntagUser", json!({"UserName": "alice", "TagKeys": ["Team"]})),
            ("UpdateUser", json!({"UserName": "alice", "NewUserName": "carol"})),
            ("ListGroupsForUser", json!({"UserName": "carol"})),
            ("DeleteUser", json!({"UserName": "carol"})),
        ],
        ("GetUser", json!({"UserName": "carol"})),
    )
    .await;
}

#[tokio::test]
async fn a_group_and_who_is_in_it() {
    let desk = Desk::new().await;
    let group = || json!({"GroupName": "ops"});
    let membership = || json!({"GroupName": "ops", "UserName": "admin"});
    lives(
        &desk,
        &[
            ("CreateGroup", json!({"GroupName": "dev", "Path": "/"})),
            ("UpdateGroup", json!({"GroupName": "dev", "NewGroupName": "ops"})),
            ("AddUserToGroup", membership()),
            ("GetGroup", group()),
            ("ListGroupsForUser", json!({"UserName": "admin"})),
            ("RemoveUserFromGroup", membership()),
            ("DeleteGroup", group()),
        ],
        ("GetGroup", group()),
    )
    .await;
}

#[tokio::test]
async fn policies_of_every_kind_of_holder() {
    let desk = Desk::new().await;
    desk.ask("CreateGroup", json!({"GroupName": "dev"})).await;
    desk.ask(
        "CreateRole",
        json!({"RoleName": "web", "AssumeRolePolicyDocument": TRUST}),
    )
    .await;
    desk.ask("CreateUser", json!({"UserName": "alice"})).await;
    for (kind, name) in [("User", "alice"), ("Group", "dev"), ("Role", "web")] {
        let with = |others: Value| {
            let mut input = json!({format!("{kind}Name"): name});
            for (member, value) in others.as_object().expect("an object") {
                input[member] = value.clone();
            }
            input
        };
        let [attach, attached, detach] = ["Attach_Policy", "ListAttached_Policies", "Detach_Policy"]
            .map(|operation| operation.replace('_', kind));
        let policy = || with(json!({"PolicyArn": AWS_POLICY}));
        lives(
            &desk,
            &[
                (&attach, policy()),
                (&attached, with(json!({}))),
                ("ListEntitiesForPolicy", json!({"PolicyArn": AWS_POLICY})),
                (&detach, policy()),
            ],
            (&detach, policy()),
        )
        .await;
        let [put, get, delete] =
            ["Put_Policy", "Get_Policy", "Delete_Policy"].map(|operation| operation.replace('_', kind));
        let own = || with(json!({"PolicyName": "own"}));
        let document = with(json!({"PolicyName": "own", "PolicyDocument": ALLOW}));
        lives(
            &desk,
            &[
                (&put, document.clone()),
                (&get, own()),
                (&put, document),
                (&delete, own()),
            ],
            (&get, own()),
        )
        .await;
    }
}
