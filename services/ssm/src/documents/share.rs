//! `ModifyDocumentPermission`: changes with which accounts a document is shared.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, SignedWith};
use drawbridge_store::documents::UnknownSharedVersions;
use drawbridge_store::{ChangeDocumentError, ShareChange, SharedVersions, SharedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{check_changeable, check_permission_type, does_not_exist};
use super::{needs_document, own};
use crate::error::internal;
use crate::service_settings::allows_public_documents;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "ModifyDocumentPermission",
    action: "ssm:ModifyDocumentPermission",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(modify(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    permission_type: String,
    account_ids_to_add: Option<Vec<String>>,
    account_ids_to_remove: Option<Vec<String>>,
    shared_document_version: Option<String>,
}

async fn modify(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    check_changeable(&input.name, "InvalidDocument")?;
    check_permission_type(&input.permission_type)?;
    let add = accounts(input.account_ids_to_add.as_deref())?;
    let remove = accounts(input.account_ids_to_remove.as_deref())?;
    check_public(&ssm, &caller, &add).await?;
    let versions = match &input.shared_document_version {
        None => SharedVersions::Default,
        Some(word) => word
            .parse()
            .map_err(|error: UnknownSharedVersions| AwsError::validation(error.to_string()))?,
    };
    let change = ShareChange {
        add: &add,
        remove: &remove,
        versions,
    };
    let shared = ssm.store.share_document(own(&caller, &input.name), change).await;
    shared.map_err(|error| match error {
        ChangeDocumentError::Unknown => does_not_exist(&input.name),
        ChangeDocumentError::TooMany => AwsError::new(
            "DocumentPermissionLimit",
            "The document can't be shared with more than 1000 accounts.",
        ),
        error => internal(error),
    })?;
    tracing::info!(
        document.name = input.name,
        principal.id = caller.principal.user_id(),
        "document shared"
    );
    Ok(json!({}))
}

fn accounts(named: Option<&[String]>) -> Result<Vec<SharedWith>, AwsError> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| AwsError::validation(format!("{text} is no account.")))
    };
    named.unwrap_or_default().iter().map(parse).collect()
}

/// Everybody cannot be told apart from the accounts that are named beside them, and an account may forbid them.
async fn check_public(ssm: &Ssm, caller: &Caller, add: &[SharedWith]) -> Result<(), AwsError> {
    if !add.contains(&SharedWith::All) {
        return Ok(());
    }
    if add.len() > 1 {
        return Err(AwsError::validation(
            "A document is shared with all or with the accounts that are named, not with both at once.",
        ));
    }
    if allows_public_documents(ssm, caller).await? {
        return Ok(());
    }
    Err(AwsError::new(
        "AccessDeniedException",
        "The service setting /ssm/documents/console/public-sharing-permission does not let documents be shared with all.",
    ))
}

#[cfg(test)]
mod tests {
    use drawbridge_session::Caller;

    use super::*;
    use crate::testing::{House, shell_document};

    const ARN: &str = "arn:aws:ssm:us-east-1:123456789012:document/Doc";
    const OTHER: &str = "210987654321";

    fn share(member: &str, accounts: &Value, versions: &str) -> Value {
        json!({"Name": "Doc", "PermissionType": "Share", member: accounts, "SharedDocumentVersion": versions})
    }

    /// The description of the version that the caller sees, or the error.
    async fn seen(house: &House, caller: &Caller, version: Value) -> Result<String, String> {
        let mut input = json!({"Name": ARN});
        input["DocumentVersion"] = version;
        let answer = house.ask_as(caller.clone(), "DescribeDocument", input).await;
        let answer = answer.map_err(|error| error.code().to_owned())?;
        assert_eq!(answer["Document"]["Name"], ARN);
        assert_eq!(answer["Document"]["Owner"], "123456789012");
        assert_eq!(answer["Document"]["Tags"], json!([]));
        Ok(answer["Document"]["Description"]
            .as_str()
            .expect("a text")
            .to_owned())
    }

    #[tokio::test]
    async fn another_account_sees_what_is_shared_with_it() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        for description in ["two", "three"] {
            let update = json!({"Name": "Doc", "Content": shell_document(description)});
            house.done("UpdateDocument", update).await;
        }
        let tag = json!({"ResourceType": "Document", "ResourceId": "Doc", "Tags": [{"Key": "Own", "Value": "secret"}]});
        house.done("AddTagsToResource", tag).await;
        let other = house.other_admin().await;
        let wrong = |code: &str| Err(code.to_owned());
        let denied = wrong("AccessDeniedException");
        assert_eq!(seen(&house, &other, Value::Null).await, denied);

        for (versions, default, second, latest) in [
            (
                "$DEFAULT",
                "one",
                wrong("InvalidDocumentVersion"),
                wrong("InvalidDocumentVersion"),
            ),
            (
                "$LATEST",
                "three",
                wrong("InvalidDocumentVersion"),
                Ok("three".to_owned()),
            ),
            ("$ALL", "one", Ok("two".to_owned()), Ok("three".to_owned())),
        ] {
            for with in [json!([OTHER]), json!(["All"])] {
                let add = share("AccountIdsToAdd", &with, versions);
                house.done("ModifyDocumentPermission", add).await;
                assert_eq!(
                    seen(&house, &other, Value::Null).await.as_deref(),
                    Ok(default),
                    "{versions}"
                );
                assert_eq!(seen(&house, &other, json!("2")).await, second, "{versions}");
                assert_eq!(seen(&house, &other, json!("$LATEST")).await, latest, "{versions}");
                let remove = share("AccountIdsToRemove", &with, versions);
                house.done("ModifyDocumentPermission", remove).await;
                assert_eq!(seen(&house, &other, Value::Null).await, denied);
            }
        }
    }

    #[tokio::test]
    async fn nobody_changes_what_another_account_shares() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let add = share("AccountIdsToAdd", &json!(["all"]), "$ALL");
        house.done("ModifyDocumentPermission", add).await;
        let other = house.other_admin().await;
        let tag = json!({"ResourceType": "Document", "ResourceId": ARN, "Tags": [{"Key": "a", "Value": ""}]});
        house
            .refuses_as(&other, "AddTagsToResource", &[(tag, "AccessDeniedException")])
            .await;
        let by_name = json!({"Name": "Doc"});
        for operation in [
            "DeleteDocument",
            "GetDocument",
            "DescribeDocument",
            "ListDocumentVersions",
        ] {
            house
                .refuses_as(&other, operation, &[(by_name.clone(), "InvalidDocument")])
                .await;
        }
    }

    #[tokio::test]
    async fn an_account_may_forbid_sharing_with_all() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let setting = json!({"SettingId": "/ssm/documents/console/public-sharing-permission", "SettingValue": "Disable"});
        house.done("UpdateServiceSetting", setting).await;
        let all = share("AccountIdsToAdd", &json!(["All"]), "$DEFAULT");
        house
            .refuses("ModifyDocumentPermission", &[(all, "AccessDeniedException")])
            .await;
        let one = share("AccountIdsToAdd", &json!([OTHER]), "$DEFAULT");
        assert_eq!(house.ask("ModifyDocumentPermission", one).await, Ok(json!({})));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let with = |member: &str, value: Value| {
            let mut input = json!({"Name": "Doc", "PermissionType": "Share"});
            input[member] = value;
            input
        };
        let many: Value = (0..21).map(|it| json!(format!("{it:012}"))).collect();
        house
            .refuses(
                "ModifyDocumentPermission",
                &[
                    (json!({"Name": "Doc"}), "ValidationException"),
                    (with("PermissionType", json!("Own")), "InvalidPermissionType"),
                    (with("Name", json!("Other")), "InvalidDocument"),
                    (with("Name", json!("AWS-StartSSHSession")), "InvalidDocument"),
                    (with("Name", json!(ARN)), "ValidationException"),
                    (with("AccountIdsToAdd", json!(["bob"])), "ValidationException"),
                    (with("AccountIdsToAdd", many), "ValidationException"),
                    (
                        with("AccountIdsToAdd", json!(["all", OTHER])),
                        "ValidationException",
                    ),
                    (with("SharedDocumentVersion", json!("1")), "ValidationException"),
                ],
            )
            .await;
    }
}
