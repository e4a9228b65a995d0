//! The operations on session documents, and the document of a session that starts.
//!
//! | module | owns |
//! |---|---|
//! | `named` | what a request calls a document: by its name or its ARN |
//! | `view` | a document as the caller may see it: their own, one of every account, or one that is shared with them |
//! | `written` | texts that become documents, and the other way around |
//! | `choose` | the document of a session that starts |

pub(crate) mod choose;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
mod description;
mod error;
mod filter;
pub(crate) mod get;
pub(crate) mod list;
mod named;
pub(crate) mod share;
pub(crate) mod shares;
pub(crate) mod update;
pub(crate) mod update_default;
pub(crate) mod versions;
mod view;
mod written;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Needs, Resource};
use drawbridge_store::{Document, DocumentAt};
use serde_json::Value;

use crate::error::internal;
use crate::{Ssm, input};

/// The only type of document that is kept.
const SESSION: &str = "Session";

/// The only schema of documents of that type.
const SCHEMA_VERSION: &str = "1.0";

/// What a document that can be used says of its state.
const ACTIVE: &str = "Active";

/// Needs the operation's action on the document that a request names.
fn needs_document(caller: &Caller, input: &Value) -> Needs {
    resource(caller, input::text(input, "Name")).into()
}

/// Names the document that a request calls by its name or its ARN.
pub(crate) fn resource(caller: &Caller, name: &str) -> Resource {
    Resource::document(&caller.region, &caller.account, name)
}

/// Returns where a document of the caller's own is.
fn own<'a>(caller: &'a Caller, name: &'a str) -> DocumentAt<'a> {
    DocumentAt {
        account: &caller.account,
        region: &caller.region,
        name,
    }
}

/// Finds a document of the caller's own, for its tags.
pub(crate) async fn find_own(ssm: &Ssm, caller: &Caller, name: &str) -> Result<Option<Document>, AwsError> {
    match named::Named::parse(caller, name) {
        named::Named::Own(name) => ssm.store.document(own(caller, name)).await.map_err(internal),
        named::Named::Provided(_) | named::Named::Foreign { .. } | named::Named::Nowhere => Ok(None),
    }
}
