//! `DescribeDocumentPermission`: lists the accounts that a document is shared with.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{DocumentShare, SharedWith};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{check_changeable, check_permission_type, does_not_exist};
use super::{needs_document, own};
use crate::error::internal;
use crate::{Operation, Ssm, input, page};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ssm:DescribeDocumentPermission",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(describe(ssm, call)),
};

const NAME: &str = "DescribeDocumentPermission";

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: u32 = 200;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    permission_type: String,
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    account_ids: Vec<String>,
    account_sharing_info_list: Vec<Sharing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Sharing {
    account_id: String,
    shared_document_version: &'static str,
}

impl From<&DocumentShare> for Sharing {
    fn from(share: &DocumentShare) -> Self {
        Self {
            account_id: share.with.as_str().to_owned(),
            shared_document_version: share.versions.as_str(),
        }
    }
}

async fn describe(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    check_changeable(&input.name, "InvalidDocumentOperation")?;
    check_permission_type(&input.permission_type)?;
    let at = own(&caller, &input.name);
    let after: Option<SharedWith> = page::last(NAME, input.next_token.as_deref())?;
    let limit = input.max_results.unwrap_or(MAX_RESULTS);
    let there = ssm.store.document(at).await.map_err(internal)?;
    if there.is_none() {
        return Err(does_not_exist(&input.name));
    }
    let shares = ssm.store.document_shares(at, after.as_ref(), limit).await;
    let shares = shares.map_err(internal)?;
    let is_full = shares.len() == limit as usize;
    let last = shares.last().filter(|_| is_full);
    input::write(&Output {
        account_ids: shares
            .iter()
            .map(|share| share.with.as_str().to_owned())
            .collect(),
        account_sharing_info_list: shares.iter().map(Sharing::from).collect(),
        next_token: last.map(|share| page::token(NAME, share.with.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn lists_in_pages() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let describe = |more: Value| {
            let mut input = json!({"Name": "Doc", "PermissionType": "Share", "MaxResults": 2});
            input["NextToken"] = more;
            input
        };
        let none = house.ask(NAME, describe(Value::Null)).await;
        assert_eq!(none, Ok(json!({"AccountIds": [], "AccountSharingInfoList": []})));
        for (accounts, versions) in [
            (json!(["222222222222", "111111111111"]), "$ALL"),
            (json!(["ALL"]), "$LATEST"),
        ] {
            let share = json!({
                "Name": "Doc", "PermissionType": "Share", "AccountIdsToAdd": accounts, "SharedDocumentVersion": versions,
            });
            house.done("ModifyDocumentPermission", share).await;
        }
        let first = house.done(NAME, describe(Value::Null)).await;
        assert_eq!(first["AccountIds"], json!(["111111111111", "222222222222"]));
        let second = house.ask(NAME, describe(first["NextToken"].clone())).await;
        let expected = json!({
            "AccountIds": ["all"],
            "AccountSharingInfoList": [{"AccountId": "all", "SharedDocumentVersion": "$LATEST"}],
        });
        assert_eq!(second, Ok(expected));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let on = |name: &str| json!({"Name": name, "PermissionType": "Share"});
        house
            .refuses(
                NAME,
                &[
                    (json!({"Name": "Doc"}), "ValidationException"),
                    (
                        json!({"Name": "Doc", "PermissionType": "Own"}),
                        "InvalidPermissionType",
                    ),
                    (on("Other"), "InvalidDocument"),
                    (on("AWS-StartSSHSession"), "InvalidDocumentOperation"),
                    (
                        json!({"Name": "Doc", "PermissionType": "Share", "NextToken": "x"}),
                        "InvalidNextToken",
                    ),
                ],
            )
            .await;
    }
}
