//! `DeleteDocument`: removes a document, or one version of it.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, SignedWith};
use drawbridge_store::{ChangeDocumentError, WantedVersion};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{check_changeable, does_not_exist};
use super::view::View;
use super::{needs_document, own};
use crate::error::internal;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DeleteDocument",
    action: "ssm:DeleteDocument",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(delete(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    document_version: Option<String>,
    version_name: Option<String>,
}

async fn delete(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    check_changeable(&input.name, "InvalidDocumentOperation")?;
    let removed = if input.document_version.is_none() && input.version_name.is_none() {
        ssm.store.remove_document(own(&caller, &input.name)).await
    } else {
        remove_version(&ssm, &caller, &input).await?
    };
    removed.map_err(|error| refusal(error, &input.name))?;
    tracing::info!(
        document.name = input.name,
        document.version = input.document_version,
        principal.id = caller.principal.user_id(),
        "document deleted"
    );
    Ok(json!({}))
}

async fn remove_version(
    ssm: &Ssm,
    caller: &Caller,
    input: &Input,
) -> Result<Result<(), ChangeDocumentError>, AwsError> {
    let (version, version_name) = (input.document_version.as_deref(), input.version_name.as_deref());
    let found = View::find(ssm, caller, &input.name, version, version_name).await;
    let number = found.map_err(undeclared)?.facts.version.number;
    Ok(ssm
        .store
        .remove_document_version(own(caller, &input.name), WantedVersion::Number(number))
        .await)
}

/// The operation has no error of its own for a version that is not there.
fn undeclared(error: AwsError) -> AwsError {
    match error.code() {
        "InvalidDocumentVersion" => AwsError::new("InvalidDocumentOperation", error.message()),
        _ => error,
    }
}

fn refusal(error: ChangeDocumentError, name: &str) -> AwsError {
    let invalid = |message: &str| AwsError::new("InvalidDocumentOperation", message);
    match error {
        ChangeDocumentError::Unknown => does_not_exist(name),
        ChangeDocumentError::Shared => invalid(
            "You attempted to delete a document while it is still shared. You must stop sharing the document before \
             you can delete it.",
        ),
        ChangeDocumentError::WrongVersion => invalid("The default version of a document cannot be deleted."),
        error => internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{House, shell_document};

    #[tokio::test]
    async fn a_document_goes_with_all_its_versions_or_one_at_a_time() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        for description in ["two", "three"] {
            let update = json!({"Name": "Doc", "Content": shell_document(description)});
            house.done("UpdateDocument", update).await;
        }
        let on = |version: &str| json!({"Name": "Doc", "DocumentVersion": version});
        house.done("DeleteDocument", on("2")).await;
        house
            .refuses(
                "DeleteDocument",
                &[
                    (on("1"), "InvalidDocumentOperation"),
                    (on("$DEFAULT"), "InvalidDocumentOperation"),
                    (on("2"), "InvalidDocumentOperation"),
                    (json!({"Name": "Other"}), "InvalidDocument"),
                    (json!({"Name": "AWS-StartSSHSession"}), "InvalidDocumentOperation"),
                    (
                        json!({"Name": "Drawbridge-StartPortForwarding"}),
                        "InvalidDocumentOperation",
                    ),
                    (
                        json!({"Name": "arn:aws:ssm:us-east-1:123456789012:document/Doc"}),
                        "ValidationException",
                    ),
                ],
            )
            .await;
        assert_eq!(
            house.ask("DeleteDocument", json!({"Name": "Doc"})).await,
            Ok(json!({}))
        );
        house
            .refuses("DeleteDocument", &[(json!({"Name": "Doc"}), "InvalidDocument")])
            .await;
    }

    #[tokio::test]
    async fn a_shared_document_is_not_removed_under_others() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let permission =
            |member: &str| json!({"Name": "Doc", "PermissionType": "Share", member: ["210987654321"]});
        let delete = json!({"Name": "Doc"});
        house
            .done("ModifyDocumentPermission", permission("AccountIdsToAdd"))
            .await;
        house
            .refuses("DeleteDocument", &[(delete.clone(), "InvalidDocumentOperation")])
            .await;
        house
            .done("ModifyDocumentPermission", permission("AccountIdsToRemove"))
            .await;
        assert_eq!(house.ask("DeleteDocument", delete).await, Ok(json!({})));
    }
}
