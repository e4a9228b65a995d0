//! `DescribeDocument`: tells what a document is, without its content.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Call, SignedWith};
use serde::Deserialize;
use serde_json::{Value, json};

use super::description::Description;
use super::needs_document;
use super::view::View;
use crate::{Operation, Ssm, input};

pub(crate) const OPERATION: Operation = Operation {
    name: "DescribeDocument",
    action: "ssm:DescribeDocument",
    signed_with: SignedWith::AccessKey,
    needs: needs_document,
    audit: Audit::READ,
    handler: |ssm, call| Box::pin(describe(ssm, call)),
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    document_version: Option<String>,
    version_name: Option<String>,
}

async fn describe(ssm: Arc<Ssm>, call: Call) -> Result<Value, AwsError> {
    let (caller, _, input) = call.into_parts();
    let input: Input = input::read(input)?;
    let (version, version_name) = (input.document_version.as_deref(), input.version_name.as_deref());
    let view = View::find(&ssm, &caller, &input.name, version, version_name).await?;
    let description = Description::of(&ssm, &caller, view).await?;
    Ok(json!({ "Document": input::write(&description)? }))
}
