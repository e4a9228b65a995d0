//! The operations on parameters: named texts that session documents can refer to as `{{ssm:name}}`.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod get_many;
mod named;
pub(crate) mod put;
mod shown;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Needs, Resource};
use drawbridge_store::{Parameter, ParameterAt};
use serde_json::Value;

use crate::error::internal;
use crate::{Ssm, input};

/// Needs the operation's action on the parameter that a request names.
fn needs_parameter(caller: &Caller, input: &Value) -> Needs {
    resource(caller, input::text(input, "Name")).into()
}

/// Names the parameter that a request calls by its name or its ARN, with or without a version.
pub(crate) fn resource(caller: &Caller, text: &str) -> Resource {
    named::Named::parse(caller, text).resource(caller)
}

/// Returns where a parameter of the caller's own is.
fn own<'a>(caller: &'a Caller, name: &'a str) -> ParameterAt<'a> {
    ParameterAt {
        account: &caller.account,
        region: &caller.region,
        name,
    }
}

/// Finds a parameter of the caller's own, for its tags.
pub(crate) async fn find_own(ssm: &Ssm, caller: &Caller, text: &str) -> Result<Option<Parameter>, AwsError> {
    match named::Named::parse(caller, text) {
        named::Named::Own { name, selector: None } => ssm
            .store
            .parameter(own(caller, &name), None)
            .await
            .map_err(internal),
        named::Named::Own { .. } | named::Named::Elsewhere { .. } => Ok(None),
    }
}

fn not_found(text: &str) -> AwsError {
    AwsError::new("ParameterNotFound", format!("Parameter {text} not found."))
}
