//! `CreateDocument`: makes a document. The one that was made at the first session gives way if nobody touched it.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::DEFAULT_SHELL_DOCUMENT;
use drawbridge_session::{Audit, Call, Caller, Need, Needs, SignedWith, Tag};
use drawbridge_store::{CreateDocumentError, NewDocumentVersion, WantedVersion};
use serde::Deserialize;
use serde_json::{Value, json};

use super::description::Description;
use super::named::is_reserved;
use super::view::View;
use super::written::{self, WireFormat};
use super::{SESSION, own, resource};
use crate::error::internal;
use crate::{Operation, Ssm, floor, input, tags};

pub(crate) const OPERATION: Operation = Operation {
    name: "CreateDocument",
    action: "ssm:CreateDocument",
    signed_with: SignedWith::AccessKey,
    needs,
    audit: Audit::WRITE,
    handler: |ssm, call| Box::pin(create(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    content: String,
    name: String,
    document_type: Option<String>,
    document_format: Option<WireFormat>,
    display_name: Option<String>,
    version_name: Option<String>,
    target_type: Option<String>,
    tags: Option<Vec<Tag>>,
    requires: Option<Value>,
    attachments: Option<Value>,
}

fn needs(caller: &Caller, input: &Value) -> Needs {
    let document = resource(caller, input::text(input, "Name"));
    Need::on(document)
        .with_request_tags(&input::tags(input, "Tags"))
        .into()
}

async fn create(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    check(&input)?;
    let format = input.document_format.unwrap_or_default().written()?;
    let content = written::check(&input.content, format)?;
    floor::check_written(&ssm, &caller, &input.name, &content, "InvalidDocumentContent").await?;
    let first = NewDocumentVersion {
        name: input.version_name.as_deref(),
        display_name: input.display_name.as_deref(),
        target_type: input.target_type.as_deref(),
        format,
        platforms: content.platforms(),
        content: &input.content,
        created_at: ssm.clock.now(),
    };
    let at = own(&caller, &input.name);
    let tags = input.tags.as_deref().unwrap_or_default();
    let created = ssm.store.create_document(at, first, tags).await;
    created.map_err(|error| refusal(error, &input.name))?;
    tracing::info!(
        document.name = input.name,
        principal.id = caller.principal.user_id(),
        "document created"
    );
    let view = View::find_wanted(&ssm, &caller, &input.name, WantedVersion::Latest).await?;
    let description = Description::of(&ssm, &caller, view).await?;
    Ok(json!({ "DocumentDescription": input::write(&description)? }))
}

fn check(input: &Input) -> Result<(), AwsError> {
    if is_reserved(&input.name) {
        return Err(AwsError::validation(format!(
            "Document name {} begins with a prefix that is reserved: aws, amazon, amzn and drawbridge-, in any case.",
            input.name
        )));
    }
    match input.document_type.as_deref() {
        Some(SESSION) => {}
        None => {
            return Err(AwsError::new(
                "InvalidDocumentContent",
                "No document type was given, which stands for Command. This server keeps documents of type Session \
                 only: give the document type Session.",
            ));
        }
        Some(other) => {
            return Err(AwsError::new(
                "InvalidDocumentContent",
                format!("This server keeps documents of type Session only, not of type {other}."),
            ));
        }
    }
    for (member, given) in [
        ("Requires", input.requires.is_some()),
        ("Attachments", input.attachments.is_some()),
    ] {
        if given {
            return Err(AwsError::validation(format!(
                "Documents of type Session have no {member}."
            )));
        }
    }
    let fault = input.tags.as_deref().and_then(tags::fault);
    fault.map_or(Ok(()), |fault| Err(AwsError::validation(fault)))
}

fn refusal(error: CreateDocumentError, name: &str) -> AwsError {
    match error {
        CreateDocumentError::Exists => {
            let mut message = format!("Document with same name {name} already exists");
            if name == DEFAULT_SHELL_DOCUMENT {
                message.push_str(
                    ", and somebody made or changed it. Hint: change it with UpdateDocument, import it into what \
                     manages it, or delete it first",
                );
            }
            AwsError::new("DocumentAlreadyExists", message)
        }
        CreateDocumentError::TooMany => AwsError::new(
            "DocumentLimitExceeded",
            "You can have at most 500 active SSM documents.",
        ),
        CreateDocumentError::Store(error) => internal(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use drawbridge_session::Clock as _;

    use super::*;
    use crate::testing::{House, shell_document};

    fn with(member: &str, value: Value) -> Value {
        let mut input = json!({"Name": "Doc", "DocumentType": "Session", "Content": shell_document("")});
        input[member] = value;
        input
    }

    #[tokio::test]
    async fn answers_what_was_made() {
        let house = House::new().await;
        let content = json!({
            "schemaVersion": "1.0", "description": "a tunnel", "sessionType": "Port",
            "parameters": {
                "portNumber": {"type": "String", "description": "where", "default": "80"},
                "host": {"type": "String"},
            },
            "properties": {"portNumber": "{{ portNumber }}", "type": "LocalPortForwarding"},
        });
        let input = json!({
            "Name": "My_Doc.1-x", "DocumentType": "Session", "Content": content.to_string(), "VersionName": "first",
            "DisplayName": "My document", "TargetType": "/AWS::EC2::Instance", "DocumentFormat": "JSON",
            "Tags": [{"Key": "Team", "Value": "web"}],
        });
        let answer = house.done("CreateDocument", input).await;
        let mut shown = answer["DocumentDescription"].clone();
        let hash = shown["Hash"].take();
        assert_eq!(hash.as_str().map(str::len), Some(64));
        assert_eq!(
            shown,
            json!({
                "Hash": null, "HashType": "Sha256", "Name": "My_Doc.1-x", "DisplayName": "My document",
                "VersionName": "first", "Owner": "123456789012", "CreatedDate": 1_767_323_045.0, "Status": "Active",
                "DocumentVersion": "1", "Description": "a tunnel",
                "Parameters": [
                    {"Name": "host", "Type": "String"},
                    {"Name": "portNumber", "Type": "String", "Description": "where", "DefaultValue": "80"},
                ],
                "PlatformTypes": ["Windows", "Linux", "MacOS"], "DocumentType": "Session", "SchemaVersion": "1.0",
                "LatestVersion": "1", "DefaultVersion": "1", "DocumentFormat": "JSON",
                "TargetType": "/AWS::EC2::Instance", "Tags": [{"Key": "Team", "Value": "web"}],
            })
        );
        let described = house.ask("DescribeDocument", json!({"Name": "My_Doc.1-x"})).await;
        assert_eq!(described.expect("described")["Document"]["Hash"], hash);
    }

    #[tokio::test]
    async fn refuses_what_is_wrong() {
        let house = House::new().await;
        house.give_document("Taken", "").await;
        let content = |value: Value| with("Content", Value::from(value.to_string()));
        let unknown =
            json!({"schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {"runAs": "root"}});
        let many: Value = (0..51)
            .map(|it| json!({"Key": format!("k{it}"), "Value": ""}))
            .collect();
        house
            .refuses(
                "CreateDocument",
                &[
                    (json!({}), "ValidationException"),
                    (with("Content", json!("")), "ValidationException"),
                    (with("Content", json!({})), "SerializationException"),
                    (with("Name", json!("ab")), "ValidationException"),
                    (with("Name", json!("../etc/passwd")), "ValidationException"),
                    (with("Name", json!("a\u{0}b")), "ValidationException"),
                    (with("Name", json!("x".repeat(129))), "ValidationException"),
                    (
                        with("Name", json!("arn:aws:ssm:us-east-1:1:document/x")),
                        "ValidationException",
                    ),
                    (with("Name", json!("AWS-StartSSHSession")), "ValidationException"),
                    (with("Name", json!("amazonDoc")), "ValidationException"),
                    (with("Name", json!("Drawbridge-Doc")), "ValidationException"),
                    (with("Name", json!("Taken")), "DocumentAlreadyExists"),
                    (with("DocumentType", json!("Command")), "InvalidDocumentContent"),
                    (with("DocumentType", json!("Shell")), "ValidationException"),
                    (with("DocumentType", Value::Null), "InvalidDocumentContent"),
                    (with("DocumentFormat", json!("TEXT")), "InvalidDocumentContent"),
                    (with("DocumentFormat", json!("XML")), "ValidationException"),
                    (with("VersionName", json!("a b")), "ValidationException"),
                    (with("DisplayName", json!("a\tb")), "ValidationException"),
                    (
                        with("TargetType", json!("AWS::EC2::Instance")),
                        "ValidationException",
                    ),
                    (
                        with("Requires", json!([{"Name": "Other"}])),
                        "ValidationException",
                    ),
                    (with("Attachments", json!([])), "ValidationException"),
                    (with("Tags", many), "ValidationException"),
                    (
                        with("Tags", json!([{"Key": "aws:x", "Value": ""}])),
                        "ValidationException",
                    ),
                    (with("Content", json!("{")), "InvalidDocumentContent"),
                    (with("Content", json!("[]")), "InvalidDocumentContent"),
                    (
                        with("Content", json!("[".repeat(60_000))),
                        "InvalidDocumentContent",
                    ),
                    (
                        content(json!({"schemaVersion": "2.2"})),
                        "InvalidDocumentSchemaVersion",
                    ),
                    (content(json!({"schemaVersion": "1.0"})), "InvalidDocumentContent"),
                    (content(unknown.clone()), "InvalidDocumentContent"),
                    (
                        with("Content", json!(" ".repeat(64 * 1024 + 1))),
                        "MaxDocumentSizeExceeded",
                    ),
                ],
            )
            .await;
        let error = house
            .ask("CreateDocument", content(unknown))
            .await
            .expect_err("refused");
        assert!(error.message().starts_with("`inputs.runAs` "), "{error}");
        let error = house.ask("CreateDocument", with("Name", json!("Taken"))).await;
        assert_eq!(
            error.expect_err("there").message(),
            "Document with same name Taken already exists"
        );
    }

    #[tokio::test]
    async fn yaml_that_is_a_bomb_is_refused() {
        let house = House::new().await;
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            let _ = std::fmt::Write::write_fmt(
                &mut bomb,
                format_args!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(",")),
            );
        }
        let deep = "[".repeat(30_000);
        for content in [bomb, deep] {
            let mut input = with("DocumentFormat", json!("YAML"));
            input["Content"] = Value::from(content);
            let error = house.ask("CreateDocument", input).await.expect_err("refused");
            assert_eq!(error.code(), "InvalidDocumentContent");
        }
    }

    #[tokio::test]
    async fn the_preferences_that_nobody_touched_give_way() {
        let house = House::new().await;
        house.started().await;
        let describe = json!({"Name": DEFAULT_SHELL_DOCUMENT});
        let automatic = house.done("DescribeDocument", describe.clone()).await;
        assert_eq!(automatic["Document"]["Owner"], "123456789012");
        let create = |description: &str| {
            let mut input = with("Name", json!(DEFAULT_SHELL_DOCUMENT));
            input["Content"] = Value::from(shell_document(description));
            input
        };
        house.done("CreateDocument", create("ours")).await;
        let ours = house.done("DescribeDocument", describe).await;
        assert_eq!(ours["Document"]["Description"], "ours");
        assert_eq!(ours["Document"]["LatestVersion"], "1");
        let error = house
            .ask("CreateDocument", create("again"))
            .await
            .expect_err("there");
        assert_eq!(error.code(), "DocumentAlreadyExists");
        assert!(
            error.message().contains("Hint: change it with UpdateDocument"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn preferences_that_somebody_edited_stay() {
        let house = House::new().await;
        house.started().await;
        let edit = json!({"Name": DEFAULT_SHELL_DOCUMENT, "Content": shell_document("edited"), "DocumentVersion": "$LATEST"});
        house.done("UpdateDocument", edit).await;
        let error = house
            .ask("CreateDocument", with("Name", json!(DEFAULT_SHELL_DOCUMENT)))
            .await;
        assert_eq!(error.expect_err("there").code(), "DocumentAlreadyExists");
    }

    #[tokio::test]
    async fn a_policy_may_ask_for_tags_and_names() {
        let house = House::new().await;
        let statement = json!([{
            "Effect": "Allow", "Action": "ssm:CreateDocument",
            "Resource": "arn:aws:ssm:us-east-1:123456789012:document/Team-*",
            "Condition": {"StringEquals": {"aws:RequestTag/Team": "web"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}},
        }]);
        let alice = house.give_user("alice", statement).await;
        let ask = async |name: &str, tags: BTreeMap<&str, &str>| {
            let tags: Value = tags
                .iter()
                .map(|(key, value)| json!({"Key": key, "Value": value}))
                .collect();
            let mut input = with("Tags", tags);
            input["Name"] = json!(name);
            house
                .ask_as(alice.clone(), "CreateDocument", input)
                .await
                .map(drop)
                .map_err(|error| error.code().to_owned())
        };
        let denied = Err("AccessDeniedException".to_owned());
        assert_eq!(ask("Team-a", BTreeMap::from([("Team", "db")])).await, denied);
        assert_eq!(
            ask("Team-a", BTreeMap::from([("Team", "web"), ("x", "y")])).await,
            denied
        );
        assert_eq!(ask("Other", BTreeMap::from([("Team", "web")])).await, denied);
        assert_eq!(ask("Team-a", BTreeMap::from([("Team", "web")])).await, Ok(()));
    }

    #[tokio::test]
    async fn the_time_is_that_of_the_request() {
        let house = House::new().await;
        house.clock.advance(std::time::Duration::from_secs(7));
        house.give_document("Doc", "").await;
        let shown = house.done("GetDocument", json!({"Name": "Doc"})).await;
        #[expect(clippy::cast_precision_loss, reason = "seconds are few")]
        let now = house.clock.now().as_second() as f64;
        assert_eq!(shown["CreatedDate"], now);
    }
}
