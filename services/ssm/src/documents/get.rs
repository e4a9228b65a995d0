//! `GetDocument`: answers the content of a document, in the format that is asked for.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::view::View;
use super::written::{self, WireFormat};
use super::{ACTIVE, SESSION, needs_document};
use crate::{Operation, Ssm, input, wire};

pub(crate) const OPERATION: Operation = Operation {
    name: "GetDocument",
    action: "ssm:GetDocument",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(get(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    document_version: Option<String>,
    version_name: Option<String>,
    document_format: Option<WireFormat>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    name: String,
    #[serde(serialize_with = "wire::epoch")]
    created_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    document_version: String,
    status: &'static str,
    content: String,
    document_type: &'static str,
    document_format: &'static str,
}

async fn get(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let (version, version_name) = (input.document_version.as_deref(), input.version_name.as_deref());
    let View { facts, content } = View::find(&ssm, &caller, &input.name, version, version_name).await?;
    let written = facts.version.format;
    let wanted = input.document_format.unwrap_or_default().wanted(written);
    input::write(&Output {
        name: facts.name,
        created_date: facts.version.created_at,
        display_name: facts.version.display_name,
        version_name: facts.version.name,
        document_version: facts.version.number.to_string(),
        status: ACTIVE,
        content: written::convert(content, written, wanted)?,
        document_type: SESSION,
        document_format: wanted.name(),
    })
}

#[cfg(test)]
mod tests {
    use drawbridge_session::document::{BUILTIN_NAMES, builtin};
    use serde_json::json;

    use super::*;
    use crate::testing::{House, shell_document};

    const YAML: &str =
        "# a comment\nschemaVersion: '1.0'\nsessionType: Standard_Stream\ninputs:\n  runAsEnabled: 'true'\n";

    #[tokio::test]
    async fn a_document_is_answered_as_it_was_given_or_in_the_other_format() {
        let house = House::new().await;
        house.give_document("Json", "one").await;
        let yaml =
            json!({"Name": "Yaml", "DocumentType": "Session", "DocumentFormat": "YAML", "Content": YAML});
        house.done("CreateDocument", yaml).await;
        let get = async |name: &str, format: Value| {
            let mut input = json!({"Name": name});
            input["DocumentFormat"] = format;
            let answer = house.done("GetDocument", input).await;
            let text = |member: &str| answer[member].as_str().expect("a text").to_owned();
            (text("DocumentFormat"), text("Content"))
        };
        let given = ("YAML".to_owned(), YAML.to_owned());
        assert_eq!(get("Yaml", json!("YAML")).await, given);
        assert_eq!(get("Yaml", json!("TEXT")).await, given);
        let (format, json_text) = get("Yaml", Value::Null).await;
        assert_eq!(format, "JSON");
        let value: Value = serde_json::from_str(&json_text).expect("JSON");
        assert_eq!(
            value,
            json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"runAsEnabled": "true"}})
        );
        let given = ("JSON".to_owned(), shell_document("one"));
        assert_eq!(get("Json", json!("JSON")).await, given);
        let (format, yaml) = get("Json", json!("YAML")).await;
        assert_eq!(format, "YAML");
        assert!(yaml.contains("description: one"), "{yaml}");
    }

    #[tokio::test]
    async fn provided_documents_are_in_every_account_and_belong_to_none() {
        let house = House::new().await;
        for name in BUILTIN_NAMES {
            for called in [name.to_owned(), format!("arn:aws:ssm:us-east-1::document/{name}")] {
                let shown = house.done("GetDocument", json!({"Name": called})).await;
                assert_eq!(shown["Name"], name);
                assert_eq!(shown["Content"].as_str(), builtin(name).map(|(text, _)| text));
                let described = house.done("DescribeDocument", json!({"Name": called})).await;
                let owner = if name.starts_with("AWS-") {
                    "Amazon"
                } else {
                    "Drawbridge"
                };
                assert_eq!(described["Document"]["Owner"], owner);
            }
        }
        let described = house
            .done(
                "DescribeDocument",
                json!({"Name": "AWS-StartPortForwardingSession"}),
            )
            .await;
        let names: Vec<_> = described["Document"]["Parameters"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|parameter| (&parameter["Name"], &parameter["DefaultValue"]))
            .collect();
        assert_eq!(
            names,
            [
                (&json!("localPortNumber"), &json!("0")),
                (&json!("portNumber"), &json!("80"))
            ]
        );
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let on = |name: &str, member: &str, value: Value| {
            let mut input = json!({"Name": name});
            input[member] = value;
            input
        };
        for operation in ["GetDocument", "DescribeDocument"] {
            house
                .refuses(
                    operation,
                    &[
                        (json!({}), "ValidationException"),
                        (json!({"Name": "a b"}), "ValidationException"),
                        (json!({"Name": "Other"}), "InvalidDocument"),
                        (json!({"Name": "../Doc"}), "InvalidDocument"),
                        (json!({"Name": "AWS-Other"}), "InvalidDocument"),
                        (
                            json!({"Name": "arn:aws:ssm:eu-west-1:123456789012:document/Doc"}),
                            "InvalidDocument",
                        ),
                        (
                            json!({"Name": "arn:aws:ssm:us-east-1:123456789012:parameter/Doc"}),
                            "InvalidDocument",
                        ),
                        (
                            json!({"Name": "arn:aws:ssm:us-east-1:210987654321:document/Doc"}),
                            "AccessDeniedException",
                        ),
                        (on("Doc", "DocumentVersion", json!("2")), "InvalidDocumentVersion"),
                        (
                            on("Doc", "DocumentVersion", json!("99999999999")),
                            "InvalidDocumentVersion",
                        ),
                        (on("Doc", "VersionName", json!("none")), "InvalidDocumentVersion"),
                        (
                            on("AWS-StartSSHSession", "DocumentVersion", json!("2")),
                            "InvalidDocumentVersion",
                        ),
                    ],
                )
                .await;
        }
        let error = house
            .ask("GetDocument", json!({"Name": "Other"}))
            .await
            .expect_err("absent");
        assert_eq!(error.message(), "Document with name Other does not exist.");
    }

    #[tokio::test]
    async fn a_number_and_a_name_must_be_of_one_version() {
        let house = House::new().await;
        house.give_document("Doc", "one").await;
        let second = json!({"Name": "Doc", "Content": shell_document("two"), "VersionName": "second"});
        house.done("UpdateDocument", second).await;
        let get = |version: &str| json!({"Name": "Doc", "DocumentVersion": version, "VersionName": "second"});
        let shown = house.done("GetDocument", get("2")).await;
        assert_eq!(shown["VersionName"], "second");
        house
            .refuses("GetDocument", &[(get("1"), "InvalidDocumentVersion")])
            .await;
    }
}
