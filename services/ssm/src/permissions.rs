//! Who may do what: a table over every operation by classes of principals.

use drawbridge_session::Caller;
use serde_json::json;

use crate::testing::{EMPTY_USER, House};
use crate::{DRAWBRIDGE_OPERATIONS, OPERATIONS};

/// One row per operation; a column holds `yes` where the caller gets past the decision.
///
/// The columns: the administrator, a user without policies, a node about itself, a node about another node, a node's
/// own key about itself, a role without policies, and nobody.
const TABLE: &str = "
CreateActivation                 yes  -    -    -    -    -    -
DeleteActivation                 yes  -    -    -    -    -    -
DescribeActivations              yes  -    -    -    -    -    -
PutComplianceItems               yes  -    yes  -    -    -    -
PutInventory                     yes  -    yes  -    -    -    -
ListAssociations                 yes  -    yes  -    -    -    -
ListInstanceAssociations         yes  -    yes  -    -    -    -
UpdateInstanceAssociationStatus  yes  -    yes  -    -    -    -
RegisterManagedInstance          -    -    -    -    -    -    yes
UpdateInstanceInformation        yes  -    yes  -    -    -    -
UpdateManagedInstancePublicKey   -    -    -    -    yes  -    -
RequestManagedInstanceRoleToken  -    -    -    -    yes  -    -
DeregisterManagedInstance        yes  -    -    -    -    -    -
DescribeInstanceInformation      yes  -    -    -    -    -    -
DescribeInstanceProperties       yes  -    -    -    -    -    -
UpdateManagedInstanceRole        yes  -    -    -    -    -    -
GetServiceSetting                yes  -    -    -    -    -    -
ResetServiceSetting              yes  -    -    -    -    -    -
UpdateServiceSetting             yes  -    -    -    -    -    -
GetConnectionStatus              yes  -    -    -    -    -    -
DescribeSessions                 yes  -    -    -    -    -    -
ResumeSession                    yes  -    -    -    -    -    -
StartSession                     yes  -    -    -    -    -    -
TerminateSession                 yes  -    -    -    -    -    -
AddTagsToResource                yes  -    -    -    -    -    -
ListTagsForResource              yes  -    -    -    -    -    -
RemoveTagsFromResource           yes  -    -    -    -    -    -
AttachSession                    yes  -    -    -    -    -    -
WatchSession                     yes  -    -    -    -    -    -
";

#[tokio::test]
async fn every_operation_is_open_to_those_of_the_table_only() {
    let house = House::new().await;
    let (node, other) = (house.node().await, house.node().await);
    let callers: [(Caller, &str); 7] = [
        (house.admin(), node.id.as_str()),
        (house.user(EMPTY_USER), node.id.as_str()),
        (house.node_role(&node), node.id.as_str()),
        (house.node_role(&node), other.id.as_str()),
        (house.node_key(&node), node.id.as_str()),
        (house.as_role("bob"), node.id.as_str()),
        (house.anonymous(), node.id.as_str()),
    ];
    let mut actual = String::from("\n");
    for operation in OPERATIONS.iter().chain(DRAWBRIDGE_OPERATIONS) {
        let mut row = format!("{:<33}", operation.name);
        for (caller, about) in &callers {
            // Each operation finds the node where it looks for it.
            let input = json!({
                "InstanceId": about, "ResourceId": about, "Target": about, "SessionId": "admin-00000000000000000",
                "AssociationFilterList": [{"key": "InstanceId", "value": about}],
            });
            let allowed = house.allows(operation, caller.clone(), input).await;
            row.push_str(if allowed { "yes  " } else { "-    " });
        }
        actual.push_str(row.trim_end());
        actual.push('\n');
    }
    // A node's own key is always about the node itself, whatever the request says.
    assert_eq!(actual, TABLE, "the table that the rules make:\n{actual}");
}
