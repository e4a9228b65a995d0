//! A document as most operations describe it.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::document::{Content, ParameterDefinition};
use drawbridge_session::{Caller, Tag};
use drawbridge_store::TagsOf;
use jiff::Timestamp;
use serde::Serialize;

use super::view::{Owner, View};
use super::{ACTIVE, SCHEMA_VERSION, SESSION, own, written};
use crate::error::internal;
use crate::{Ssm, wire};

/// A document as clients print it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Description {
    hash: String,
    hash_type: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    owner: String,
    #[serde(serialize_with = "wire::epoch")]
    created_date: Timestamp,
    status: &'static str,
    document_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    parameters: Vec<Parameter>,
    platform_types: Vec<&'static str>,
    document_type: &'static str,
    schema_version: &'static str,
    latest_version: String,
    default_version: String,
    document_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<String>,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_value: Option<String>,
}

impl Description {
    /// Describes a document, with its tags where it is the caller's.
    pub(super) async fn of(ssm: &Ssm, caller: &Caller, view: View) -> Result<Self, AwsError> {
        let View { facts, content } = view;
        let content = written::stored(&content, facts.version.format)?;
        let tags = match facts.owner {
            Owner::Caller(_) => {
                let of = TagsOf::document(own(caller, &facts.name));
                ssm.store.tags(of).await.map_err(internal)?
            }
            Owner::Provider(_) | Owner::Other(_) => Vec::new(),
        };
        Ok(Self {
            platform_types: facts.platform_names(),
            owner: facts.owner.as_str().to_owned(),
            name: facts.name,
            latest_version: facts.latest_version.to_string(),
            default_version: facts.default_version.to_string(),
            document_version: facts.version.number.to_string(),
            hash: facts.version.sha256,
            hash_type: "Sha256",
            display_name: facts.version.display_name,
            version_name: facts.version.name,
            created_date: facts.version.created_at,
            status: ACTIVE,
            parameters: parameters(&content),
            description: content.description,
            document_type: SESSION,
            schema_version: SCHEMA_VERSION,
            document_format: facts.version.format.name(),
            target_type: facts.version.target_type,
            tags,
        })
    }
}

fn parameters(content: &Content) -> Vec<Parameter> {
    let parameter = |(name, definition): (&String, &ParameterDefinition)| Parameter {
        name: name.clone(),
        kind: definition.kind.name(),
        description: definition.description.clone(),
        default_value: definition.default_text(),
    };
    content.parameters.iter().map(parameter).collect()
}
