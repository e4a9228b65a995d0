//! `ListDocumentVersions`: lists the versions of a document, the newest first.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, Caller, SignedWith};
use drawbridge_store::{DocumentAt, DocumentVersion, SharedVersions, WantedVersion};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::does_not_exist;
use super::named::Named;
use super::view::View;
use super::{ACTIVE, needs_document, own};
use crate::error::internal;
use crate::{Operation, Ssm, input, page, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: NAME,
    action: "ssm:ListDocumentVersions",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(list(ssm, call)),
};

const NAME: &str = "ListDocumentVersions";

/// The most that one page may hold, which is what a request gets that asks for no number.
const MAX_RESULTS: u32 = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    max_results: Option<u32>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    document_versions: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    document_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    #[serde(serialize_with = "wire::epoch")]
    created_date: Timestamp,
    is_default_version: bool,
    document_format: &'static str,
    status: &'static str,
}

async fn list(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let Input {
        name,
        max_results,
        next_token,
    } = input::read(input)?;
    let before: Option<u32> = page::last(NAME, next_token.as_deref())?;
    let limit = max_results.unwrap_or(MAX_RESULTS);
    let page = match Named::parse(&caller, &name) {
        Named::Own(own_name) => read(&ssm, own(&caller, own_name), &name, before, limit).await?,
        Named::Foreign {
            account,
            name: foreign,
        } => {
            let at = DocumentAt {
                account: &account,
                region: &caller.region,
                name: foreign,
            };
            let shared = ssm.store.document_share(at, &caller.account).await;
            match shared.map_err(internal)? {
                Some(SharedVersions::All) => read(&ssm, at, &name, before, limit).await?,
                _ => only(&ssm, &caller, &name, before).await?,
            }
        }
        Named::Provided(_) => only(&ssm, &caller, &name, before).await?,
        Named::Nowhere => return Err(does_not_exist(&name)),
    };
    let next_token = page.ended_at.map(|last| page::token(NAME, last));
    let document_versions = page.versions.into_iter().map(|version| Listed {
        is_default_version: version.number == page.default,
        name: name.clone(),
        display_name: version.display_name,
        document_version: version.number.to_string(),
        version_name: version.name,
        created_date: version.created_at,
        document_format: version.format.name(),
        status: ACTIVE,
    });
    input::write(&Output {
        document_versions: document_versions.collect(),
        next_token,
    })
}

/// Some versions of a document.
struct Page {
    versions: Vec<DocumentVersion>,
    /// The number of the default one.
    default: u32,
    /// The number of the last one, if there may be more.
    ended_at: Option<u32>,
}

async fn read(
    ssm: &Ssm,
    at: DocumentAt<'_>,
    called: &str,
    before: Option<u32>,
    limit: u32,
) -> Result<Page, AwsError> {
    let document = ssm.store.document(at).await.map_err(internal)?;
    let document = document.ok_or_else(|| does_not_exist(called))?;
    let versions = ssm.store.document_versions(at, before, limit).await;
    let versions = versions.map_err(internal)?;
    let is_full = versions.len() == limit as usize;
    let last = versions.last().map(|version| version.number);
    Ok(Page {
        ended_at: last.filter(|number| is_full && *number > 1),
        versions,
        default: document.default_version,
    })
}

/// Reads the only version that the caller sees, on the first page.
async fn only(ssm: &Ssm, caller: &Caller, name: &str, before: Option<u32>) -> Result<Page, AwsError> {
    let facts = View::find_wanted(ssm, caller, name, WantedVersion::Default)
        .await?
        .facts;
    let version = before.is_none().then_some(facts.version);
    Ok(Page {
        versions: version.into_iter().collect(),
        default: facts.default_version,
        ended_at: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{House, shell_document};

    async fn numbers(house: &House, caller: Caller, name: &str, limit: u32) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut token = Value::Null;
        loop {
            let input = json!({"Name": name, "MaxResults": limit, "NextToken": token});
            let answer = house.done_as(caller.clone(), NAME, input).await;
            let page = answer["DocumentVersions"].as_array().expect("a list").iter();
            let shown = |version: &Value| {
                let default = if version["IsDefaultVersion"] == true {
                    "*"
                } else {
                    ""
                };
                format!(
                    "{}{default}",
                    version["DocumentVersion"].as_str().expect("a number")
                )
            };
            pages.push(page.map(shown).collect());
            token = answer["NextToken"].clone();
            if token.is_null() {
                return pages;
            }
        }
    }

    #[tokio::test]
    async fn lists_the_newest_first_in_pages() {
        let house = House::new().await;
        house.give_document("Doc", "1").await;
        for description in ["2", "3"] {
            let update = json!({"Name": "Doc", "Content": shell_document(description)});
            house.done("UpdateDocument", update).await;
        }
        assert_eq!(
            numbers(&house, house.admin(), "Doc", 2).await,
            [vec!["3", "2"], vec!["1*"]]
        );
        assert_eq!(
            numbers(&house, house.admin(), "AWS-StartSSHSession", 2).await,
            [vec!["1*"]]
        );

        let arn = "arn:aws:ssm:us-east-1:123456789012:document/Doc";
        let other = house.other_admin().await;
        for (shared, expected) in [
            ("$DEFAULT", vec![vec!["1*"]]),
            ("$LATEST", vec![vec!["3"]]),
            ("$ALL", vec![vec!["3"], vec!["2"], vec!["1*"]]),
        ] {
            let share = json!({
                "Name": "Doc", "PermissionType": "Share", "AccountIdsToAdd": ["210987654321"],
                "SharedDocumentVersion": shared,
            });
            house.done("ModifyDocumentPermission", share).await;
            assert_eq!(numbers(&house, other.clone(), arn, 1).await, expected, "{shared}");
        }
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_document("Doc", "1").await;
        house
            .refuses(
                NAME,
                &[
                    (json!({}), "ValidationException"),
                    (json!({"Name": "Other"}), "InvalidDocument"),
                    (json!({"Name": "Doc", "MaxResults": 51}), "ValidationException"),
                    (json!({"Name": "Doc", "NextToken": "x"}), "InvalidNextToken"),
                ],
            )
            .await;
    }
}
