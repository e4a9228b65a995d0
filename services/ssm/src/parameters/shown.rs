//! A parameter as clients get it.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, Resource};
use drawbridge_store::Parameter;
use jiff::Timestamp;
use serde::Serialize;

use super::named::Named;
use super::{not_found, own};
use crate::error::internal;
use crate::{Ssm, wire};

/// A parameter with its value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Shown {
    name: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    value: String,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    #[serde(serialize_with = "wire::epoch")]
    last_modified_date: Timestamp,
    #[serde(rename = "ARN")]
    arn: String,
    data_type: &'static str,
}

impl Shown {
    /// Finds what a request names.
    ///
    /// # Errors
    ///
    /// `ParameterNotFound` and `ParameterVersionNotFound`.
    pub(super) async fn find(ssm: &Ssm, caller: &Caller, text: &str) -> Result<Self, AwsError> {
        let Named::Own { name, selector } = Named::parse(caller, text) else {
            return Err(not_found(text));
        };
        let read = async |version| {
            let found = ssm.store.parameter(own(caller, &name), version).await;
            found.map_err(internal)
        };
        let found = match selector {
            None => read(None).await?,
            // Nobody can give labels here, so that a selector is a version or nothing that is there.
            Some(selector) => match selector.parse().ok() {
                Some(version) => read(Some(version)).await?,
                None => None,
            },
        };
        match (found, selector) {
            (Some(parameter), selector) => Ok(Self::new(parameter, selector)),
            (None, Some(selector)) if read(None).await?.is_some() => Err(AwsError::new(
                "ParameterVersionNotFound",
                format!(
                    "Systems Manager could not find version {selector} of {name}. Verify the version and try again."
                ),
            )),
            (None, _) => Err(not_found(text)),
        }
    }

    fn new(parameter: Parameter, selector: Option<&str>) -> Self {
        let resource = Resource::parameter(&parameter.region, &parameter.account, &parameter.name);
        Self {
            arn: resource.arn().to_owned(),
            name: parameter.name,
            kind: parameter.kind.as_str(),
            value: parameter.value,
            version: parameter.version,
            selector: selector.map(|selector| format!(":{selector}")),
            last_modified_date: parameter.modified_at,
            data_type: "text",
        }
    }
}
