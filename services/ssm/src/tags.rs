//! The operations on tags.

pub(crate) mod add;
pub(crate) mod list;
pub(crate) mod remove;

use std::collections::HashSet;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, ManagedNode, Need, Resource, Tag};
use drawbridge_store::tags::MAX_TAGS;
use drawbridge_store::{Document, Parameter, TagTarget, TagsOf};
use serde_json::Value;

use crate::{Ssm, documents, input, parameters};

/// What is tagged.
enum Tagged {
    Node(Box<ManagedNode>),
    Document(Document),
    Parameter(Box<Parameter>),
}

impl Tagged {
    fn tags(&self) -> TagsOf<'_> {
        match self {
            Self::Node(node) => TagsOf::node(node),
            Self::Document(document) => TagsOf::document(document.at()),
            Self::Parameter(parameter) => TagsOf::parameter(parameter.at()),
        }
    }
}

/// Needs the operation's action on what is tagged.
fn need(caller: &Caller, input: &Value) -> Need {
    let id = input::text(input, "ResourceId");
    Need::on(match input::text(input, "ResourceType") {
        DOCUMENT => documents::resource(caller, id),
        PARAMETER => parameters::resource(caller, id),
        _ => Resource::node(&caller.region, &caller.account, id),
    })
}

/// Finds what is tagged.
async fn find(ssm: &Ssm, caller: &Caller, kind: &str, id: &str) -> Result<Tagged, AwsError> {
    let absent = |what: &str| {
        AwsError::new(
            "InvalidResourceId",
            format!("{what} {id} does not exist in this account and region."),
        )
    };
    match kind {
        NODE => {
            let node = ssm.node(caller, id).await?;
            let node = node.filter(|node| node.id.is_registered());
            let node = node.ok_or_else(|| absent("Managed node"))?;
            Ok(Tagged::Node(Box::new(node)))
        }
        DOCUMENT => {
            let document = documents::find_own(ssm, caller, id).await?;
            document.map(Tagged::Document).ok_or_else(|| absent("Document"))
        }
        PARAMETER => {
            let parameter = parameters::find_own(ssm, caller, id).await?;
            let parameter = parameter.ok_or_else(|| absent("Parameter"))?;
            Ok(Tagged::Parameter(Box::new(parameter)))
        }
        other => Err(AwsError::new(
            "InvalidResourceType",
            format!("Resources of type {other} cannot be tagged; {NODE}, {DOCUMENT} and {PARAMETER} can."),
        )),
    }
}

const NODE: &str = TagTarget::ManagedInstance.as_str();

const DOCUMENT: &str = TagTarget::Document.as_str();

const PARAMETER: &str = TagTarget::Parameter.as_str();

/// Says what is wrong with the tags that something is to begin with.
pub(crate) fn fault(tags: &[Tag]) -> Option<String> {
    if tags.len() > MAX_TAGS {
        return Some(format!("At most {MAX_TAGS} tags can be given."));
    }
    let mut keys = HashSet::new();
    tags.iter().find_map(|tag| {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            Some("Tag keys that start with aws: are reserved.".to_owned())
        } else if keys.insert(tag.key.to_ascii_lowercase()) {
            None
        } else {
            Some(format!("Tag key {} is given more than once.", tag.key))
        }
    })
}
