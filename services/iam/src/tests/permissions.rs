//! Who may do what, as a table over every operation.

use drawbridge_session::Clock as _;
use drawbridge_session::iam::{Holder, NewRole, NewUser};
use serde_json::json;

use crate::OPERATIONS;
use crate::testing::{AWS_POLICY, Desk, TRUST};

/// One row per operation; a column holds `yes` where the caller gets past the decision.
///
/// The columns: the administrator, a user with `IAMReadOnlyAccess`, a user and a role without policies, a node, and
/// nobody. The requests are about another user than the callers.
const TABLE: &str = "
SimulateCustomPolicy             yes  yes  -    -    -    -
SimulatePrincipalPolicy          yes  yes  -    -    -    -
CreateUser                       yes  -    -    -    -    -
GetUser                          yes  yes  -    -    -    -
UpdateUser                       yes  -    -    -    -    -
DeleteUser                       yes  -    -    -    -    -
ListUsers                        yes  yes  -    -    -    -
CreateGroup                      yes  -    -    -    -    -
GetGroup                         yes  yes  -    -    -    -
UpdateGroup                      yes  -    -    -    -    -
DeleteGroup                      yes  -    -    -    -    -
ListGroups                       yes  yes  -    -    -    -
AddUserToGroup                   yes  -    -    -    -    -
RemoveUserFromGroup              yes  -    -    -    -    -
ListGroupsForUser                yes  yes  -    -    -    -
CreateRole                       yes  -    -    -    -    -
GetRole                          yes  yes  -    -    -    -
UpdateRole                       yes  -    -    -    -    -
UpdateRoleDescription            yes  -    -    -    -    -
UpdateAssumeRolePolicy           yes  -    -    -    -    -
DeleteRole                       yes  -    -    -    -    -
ListRoles                        yes  yes  -    -    -    -
CreatePolicy                     yes  -    -    -    -    -
GetPolicy                        yes  yes  -    -    -    -
DeletePolicy                     yes  -    -    -    -    -
ListPolicies                     yes  yes  -    -    -    -
CreatePolicyVersion              yes  -    -    -    -    -
GetPolicyVersion                 yes  yes  -    -    -    -
SetDefaultPolicyVersion          yes  -    -    -    -    -
DeletePolicyVersion              yes  -    -    -    -    -
ListPolicyVersions               yes  yes  -    -    -    -
ListEntitiesForPolicy            yes  yes  -    -    -    -
AttachUserPolicy                 yes  -    -    -    -    -
AttachGroupPolicy                yes  -    -    -    -    -
AttachRolePolicy                 yes  -    -    -    -    -
DetachUserPolicy                 yes  -    -    -    -    -
DetachGroupPolicy                yes  -    -    -    -    -
DetachRolePolicy                 yes  -    -    -    -    -
ListAttachedUserPolicies         yes  yes  -    -    -    -
ListAttachedGroupPolicies        yes  yes  -    -    -    -
ListAttachedRolePolicies         yes  yes  -    -    -    -
PutUserPolicy                    yes  -    -    -    -    -
PutGroupPolicy                   yes  -    -    -    -    -
PutRolePolicy                    yes  -    -    -    -    -
GetUserPolicy                    yes  yes  -    -    -    -
GetGroupPolicy                   yes  yes  -    -    -    -
GetRolePolicy                    yes  yes  -    -    -    -
DeleteUserPolicy                 yes  -    -    -    -    -
DeleteGroupPolicy                yes  -    -    -    -    -
DeleteRolePolicy                 yes  -    -    -    -    -
ListUserPolicies                 yes  yes  -    -    -    -
ListGroupPolicies                yes  yes  -    -    -    -
ListRolePolicies                 yes  yes  -    -    -    -
PutUserPermissionsBoundary       yes  -    -    -    -    -
PutRolePermissionsBoundary       yes  -    -    -    -    -
DeleteUserPermissionsBoundary    yes  -    -    -    -    -
DeleteRolePermissionsBoundary    yes  -    -    -    -    -
CreateInstanceProfile            yes  -    -    -    -    -
GetInstanceProfile               yes  yes  -    -    -    -
DeleteInstanceProfile            yes  -    -    -    -    -
AddRoleToInstanceProfile         yes  -    -    -    -    -
RemoveRoleFromInstanceProfile    yes  -    -    -    -    -
ListInstanceProfiles             yes  yes  -    -    -    -
ListInstanceProfilesForRole      yes  yes  -    -    -    -
CreateAccessKey                  yes  -    -    -    -    -
UpdateAccessKey                  yes  -    -    -    -    -
DeleteAccessKey                  yes  -    -    -    -    -
ListAccessKeys                   yes  yes  -    -    -    -
GetAccessKeyLastUsed             yes  yes  -    -    -    -
CreateLoginProfile               yes  -    -    -    -    -
GetLoginProfile                  yes  yes  -    -    -    -
UpdateLoginProfile               yes  -    -    -    -    -
DeleteLoginProfile               yes  -    -    -    -    -
TagUser                          yes  -    -    -    -    -
TagRole                          yes  -    -    -    -    -
TagPolicy                        yes  -    -    -    -    -
TagInstanceProfile               yes  -    -    -    -    -
UntagUser                        yes  -    -    -    -    -
UntagRole                        yes  -    -    -    -    -
UntagPolicy                      yes  -    -    -    -    -
UntagInstanceProfile             yes  -    -    -    -    -
ListUserTags                     yes  yes  -    -    -    -
ListRoleTags                     yes  yes  -    -    -    -
ListPolicyTags                   yes  yes  -    -    -    -
ListInstanceProfileTags          yes  yes  -    -    -    -
GetAccountSummary                yes  yes  -    -    -    -
ListAccountAliases               yes  yes  -    -    -    -
ListMFADevices                   yes  yes  -    -    -    -
ListSigningCertificates          yes  yes  -    -    -    -
ListSSHPublicKeys                yes  yes  -    -    -    -
ListServiceSpecificCredentials   yes  yes  -    -    -    -
ListVirtualMFADevices            yes  yes  -    -    -    -
";

#[tokio::test]
async fn every_operation_is_open_to_those_of_the_table_only() {
    let desk = Desk::new().await;
    let (now, random) = (desk.house.clock.now(), desk.house.random.as_ref());
    desk.house
        .change(|directory| {
            for name in ["alice", "reader", "nothing"] {
                directory.create_user(
                    NewUser {
                        name,
                        ..NewUser::default()
                    },
                    now,
                    random,
                )?;
            }
            directory.attach_policy(
                Holder::User("reader"),
                "arn:aws:iam::aws:policy/IAMReadOnlyAccess",
            )?;
            let role = NewRole {
                name: "web",
                trust: TRUST,
                ..NewRole::default()
            };
            directory.create_role(role, &|_| true, now, random)
        })
        .await;
    let node = desk.house.node().await;
    let callers = [
        desk.house.admin(),
        desk.house.user("reader"),
        desk.house.user("nothing"),
        desk.house.role("web", "someone"),
        desk.house.node_role(&node),
        desk.house.anonymous(),
    ];
    let input = json!({
        "UserName": "alice", "GroupName": "dev", "RoleName": "web", "PolicyArn": AWS_POLICY, "PolicyName": "p",
        "InstanceProfileName": "web", "AccessKeyId": "AKIAAAAAAAAAAAAAAAAA",
    });
    let mut actual = String::from("\n");
    for operation in OPERATIONS {
        let mut row = format!("{:<33}", operation.name);
        for caller in &callers {
            let allowed = desk.house.allows(operation, caller.clone(), input.clone()).await;
            row.push_str(if allowed { "yes  " } else { "-    " });
        }
        actual.push_str(row.trim_end());
        actual.push('\n');
    }
    assert_eq!(actual, TABLE, "the table that the rules make:\n{actual}");
}
