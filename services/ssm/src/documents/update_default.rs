//! `UpdateDocumentDefaultVersion`: chooses the version that is used where none is named.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use drawbridge_store::{ChangeDocumentError, WantedVersion};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{check_changeable, does_not_exist, invalid_version};
use super::view::View;
use super::{needs_document, own, written};
use crate::error::internal;
use crate::{Operation, Ssm, floor, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "UpdateDocumentDefaultVersion",
    action: "ssm:UpdateDocumentDefaultVersion",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(update(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    document_version: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Chosen {
    name: String,
    default_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_version_name: Option<String>,
}

async fn update(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input {
        name,
        document_version,
    } = input::read(input)?;
    check_changeable(&name, "InvalidDocument")?;
    let number = document_version.parse().map_err(|_| invalid_version())?;
    let view = View::find_wanted(&ssm, &caller, &name, WantedVersion::Number(number)).await?;
    // One that cannot be used is refused at its use.
    if let Ok(content) = written::stored(&view.content, view.facts.version.format) {
        floor::check_written(&ssm, &caller, &name, &content, "InvalidDocument").await?;
    }
    let chosen = ssm
        .store
        .set_default_document_version(own(&caller, &name), number)
        .await;
    let chosen = chosen.map_err(|error| match error {
        ChangeDocumentError::Unknown => does_not_exist(&name),
        ChangeDocumentError::WrongVersion => invalid_version(),
        error => internal(error),
    })?;
    let description = Chosen {
        name,
        default_version: chosen.version.number.to_string(),
        default_version_name: chosen.version.name,
    };
    Ok(json!({ "Description": input::write(&description)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{House, shell_document};

    #[tokio::test]
    async fn what_is_used_where_no_version_is_named() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let second = json!({"Name": "Doc", "Content": shell_document("two"), "VersionName": "second"});
        house.done("UpdateDocument", second).await;
        let chosen = house
            .ask(
                "UpdateDocumentDefaultVersion",
                json!({"Name": "Doc", "DocumentVersion": "2"}),
            )
            .await;
        let expected =
            json!({"Description": {"Name": "Doc", "DefaultVersion": "2", "DefaultVersionName": "second"}});
        assert_eq!(chosen, Ok(expected));
        let shown = house.done("GetDocument", json!({"Name": "Doc"})).await;
        assert_eq!(shown["Content"], shell_document("two"));
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let on = |name: &str, version: &str| json!({"Name": name, "DocumentVersion": version});
        house
            .refuses(
                "UpdateDocumentDefaultVersion",
                &[
                    (json!({"Name": "Doc"}), "ValidationException"),
                    (on("Doc", "$LATEST"), "ValidationException"),
                    (on("Doc", "2"), "InvalidDocumentVersion"),
                    (on("Doc", "99999999999999999999"), "InvalidDocumentVersion"),
                    (on("Other", "1"), "InvalidDocument"),
                    (on("AWS-StartSSHSession", "1"), "InvalidDocument"),
                ],
            )
            .await;
    }
}
