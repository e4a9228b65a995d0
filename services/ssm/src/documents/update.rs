//! `UpdateDocument`: adds a version, which becomes the newest. The default version stays until another is chosen.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{ChangeDocumentError, NewDocumentVersion, WantedVersion};
use serde::Deserialize;
use serde_json::{Value, json};

use super::description::Description;
use super::error::{check_changeable, does_not_exist, invalid_version};
use super::view::{View, wanted};
use super::written::{self, WireFormat};
use super::{needs_document, own};
use crate::error::internal;
use crate::{Operation, Ssm, floor, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateDocument",
    action: "ssm:UpdateDocument",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(update(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    content: String,
    name: String,
    /// Only the newest version can be changed, so that it may be left out.
    document_version: Option<String>,
    document_format: Option<WireFormat>,
    display_name: Option<String>,
    version_name: Option<String>,
    target_type: Option<String>,
    attachments: Option<Value>,
}

async fn update(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    check_changeable(&input.name, "InvalidDocumentOperation")?;
    if input.attachments.is_some() {
        return Err(AwsError::validation(
            "Documents of type Session have no Attachments.",
        ));
    }
    let base = match &input.document_version {
        None => WantedVersion::Latest,
        some => wanted(some.as_deref())?,
    };
    let at = own(&caller, &input.name);
    let there = ssm.store.document(at).await.map_err(internal)?;
    if there.is_none() {
        return Err(does_not_exist(&input.name));
    }
    let format = input.document_format.unwrap_or_default().written()?;
    let content = written::check(&input.content, format)?;
    floor::check_written(&ssm, &caller, &input.name, &content, "InvalidDocumentContent").await?;
    let version = NewDocumentVersion {
        name: input.version_name.as_deref(),
        display_name: input.display_name.as_deref(),
        target_type: input.target_type.as_deref(),
        format,
        platforms: content.platforms(),
        content: &input.content,
        created_at: ssm.clock.now(),
    };
    let added = ssm.store.add_document_version(at, base, version).await;
    let added = added.map_err(|error| refusal(error, &input.name))?;
    tracing::info!(
        document.name = input.name,
        document.version = added.version.number,
        principal.id = caller.principal.user_id(),
        "document updated"
    );
    let description = Description::of(&ssm, &caller, View::of(&caller, added)).await?;
    Ok(json!({ "DocumentDescription": input::write(&description)? }))
}

fn refusal(error: ChangeDocumentError, name: &str) -> AwsError {
    match error {
        ChangeDocumentError::Unknown => does_not_exist(name),
        ChangeDocumentError::WrongVersion => invalid_version(),
        ChangeDocumentError::SameContent => AwsError::new(
            "DuplicateDocumentContent",
            "The content of the association document matches another document. Change the content of the document \
             and try again.",
        ),
        ChangeDocumentError::SameName => AwsError::new(
            "DuplicateDocumentVersionName",
            "The version name has already been used in this document. Specify a different version name, and then try \
             again.",
        ),
        ChangeDocumentError::TooMany => AwsError::new(
            "DocumentVersionLimitExceeded",
            "The document has too many versions. Delete one or more document versions and try again.",
        ),
        error @ (ChangeDocumentError::Shared | ChangeDocumentError::Store(_)) => internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{House, shell_document};

    fn to(description: &str) -> Value {
        json!({"Name": "Doc", "Content": shell_document(description), "DocumentVersion": "$LATEST"})
    }

    #[tokio::test]
    async fn adds_a_version_and_leaves_the_default() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let mut input = to("two");
        input["VersionName"] = json!("second");
        let answer = house.done("UpdateDocument", input).await;
        let shown = &answer["DocumentDescription"];
        assert_eq!(
            (
                &shown["DocumentVersion"],
                &shown["LatestVersion"],
                &shown["DefaultVersion"]
            ),
            (&json!("2"), &json!("2"), &json!("1"))
        );
        let content = async |version: Value| {
            let mut input = json!({"Name": "Doc"});
            input["DocumentVersion"] = version;
            house.done("GetDocument", input).await["Content"].clone()
        };
        assert_eq!(content(Value::Null).await, shell_document("one"));
        assert_eq!(content(json!("$DEFAULT")).await, shell_document("one"));
        assert_eq!(content(json!("$LATEST")).await, shell_document("two"));
        assert_eq!(content(json!("2")).await, shell_document("two"));
        let mut numbered = to("three");
        numbered["DocumentVersion"] = json!("2");
        house.done("UpdateDocument", numbered).await;
        let mut unnamed = to("four");
        unnamed["DocumentVersion"] = Value::Null;
        house.done("UpdateDocument", unnamed).await;
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let mut second = to("two");
        second["VersionName"] = json!("second");
        house.done("UpdateDocument", second).await;
        let with = |member: &str, value: Value| {
            let mut input = to("three");
            input[member] = value;
            input
        };
        house
            .refuses(
                "UpdateDocument",
                &[
                    (json!({"Name": "Doc"}), "ValidationException"),
                    (with("Name", json!("Other")), "InvalidDocument"),
                    (
                        with("Name", json!("AWS-StartSSHSession")),
                        "InvalidDocumentOperation",
                    ),
                    (with("Name", json!("doc")), "InvalidDocument"),
                    (to("two"), "DuplicateDocumentContent"),
                    (
                        with("VersionName", json!("second")),
                        "DuplicateDocumentVersionName",
                    ),
                    (with("DocumentVersion", json!("1")), "InvalidDocumentVersion"),
                    (
                        with("DocumentVersion", json!("$DEFAULT")),
                        "InvalidDocumentVersion",
                    ),
                    (
                        with("DocumentVersion", json!("9".repeat(30))),
                        "InvalidDocumentVersion",
                    ),
                    (with("DocumentVersion", json!("0")), "ValidationException"),
                    (with("DocumentFormat", json!("TEXT")), "InvalidDocumentContent"),
                    (with("Attachments", json!([])), "ValidationException"),
                    (with("Content", json!("{")), "InvalidDocumentContent"),
                    (
                        with("Content", json!(r#"{"schemaVersion": "0.3"}"#)),
                        "InvalidDocumentSchemaVersion",
                    ),
                    (
                        with("Content", json!(" ".repeat(64 * 1024 + 1))),
                        "MaxDocumentSizeExceeded",
                    ),
                ],
            )
            .await;
    }
}
