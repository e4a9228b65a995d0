//! Service models: which operations exist, what their input may look like and which errors they answer.
//!
//! The JSON under `models/` is made by `cargo xtask models` from AWS's public service descriptions (names, types and
//! constraints only), plus hand-written files of the same form for what has no public description.

mod pattern;
mod read;
mod shape;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use http::StatusCode;

use crate::error::{AwsError, Family};

pub use shape::{Kind, Member, Shape, ShapeId};

/// One service's operations, as parsed from its trimmed model.
#[derive(Debug)]
pub struct Service {
    pub(crate) wire: Arc<Wire>,
    pub(crate) operations: BTreeMap<String, Operation>,
}

impl Service {
    /// The wire family that it speaks.
    pub fn family(&self) -> Family {
        self.wire.family
    }

    /// The service name in a signature's scope, such as `iam`.
    pub fn signing_name(&self) -> &str {
        &self.wire.signing_name
    }

    /// What may stand before the operation's dot in `X-Amz-Target`; nothing unless the family is [`Family::Json`].
    ///
    /// Some clients send a prefix with dots (`cloudtrail`'s) whole, others only its last part.
    pub fn target_prefixes(&self) -> impl Iterator<Item = &str> {
        let whole = self.wire.target_prefix.as_deref();
        let last = whole
            .and_then(|whole| whole.rsplit_once('.'))
            .map(|(_, last)| last);
        whole.into_iter().chain(last)
    }

    /// Finds an operation by its exact name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// All operations, by name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }

    /// The status of an error that any of the operations declares, by its code on the wire.
    pub fn error_status(&self, code: &str) -> Option<StatusCode> {
        self.operations()
            .find_map(|operation| operation.errors.get(code).copied())
    }

    /// Reads a model written in a test.
    #[cfg(test)]
    pub(crate) fn of_json(text: &str) -> Self {
        built_in(&[text])
    }
}

/// How a service's requests and answers travel.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) family: Family,
    pub(crate) signing_name: String,
    /// Empty where requests carry none.
    pub(crate) api_version: String,
    pub(crate) target_prefix: Option<String>,
    /// Empty where answers are not XML.
    pub(crate) xml_namespace: String,
}

impl Wire {
    /// The code of the error that answers an input against the model. CloudWatch Logs has one of its own.
    pub(crate) fn broken_constraint(&self) -> &'static str {
        match self.signing_name.as_str() {
            "logs" => "InvalidParameterException",
            _ => "ValidationException",
        }
    }
}

/// One operation: its name, the shapes of input and output, and its errors.
#[derive(Debug)]
pub struct Operation {
    pub(crate) name: String,
    pub(crate) input: Option<ShapeId>,
    pub(crate) output: Option<ShapeId>,
    pub(crate) result_wrapper: Option<String>,
    pub(crate) errors: BTreeMap<String, StatusCode>,
    pub(crate) shapes: Arc<[Shape]>,
    pub(crate) wire: Arc<Wire>,
}

impl Operation {
    /// The operation's name, such as `StartSession`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The wire family of its service.
    pub fn family(&self) -> Family {
        self.wire.family
    }

    /// The shape of the input; `None` takes nothing.
    pub fn input(&self) -> Option<&Shape> {
        self.input.map(|id| self.shape(id))
    }

    /// The shape of the output; `None` answers nothing.
    pub fn output(&self) -> Option<&Shape> {
        self.output.map(|id| self.shape(id))
    }

    /// The element that the query dialect puts around the output.
    pub(crate) fn result_wrapper(&self) -> Option<&str> {
        self.result_wrapper.as_deref()
    }

    /// The shape a member or element refers to.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        &self.shapes[id.0]
    }

    /// The codes of the errors that the model declares, with their statuses.
    pub fn errors(&self) -> impl Iterator<Item = (&str, StatusCode)> {
        self.errors.iter().map(|(code, status)| (code.as_str(), *status))
    }

    /// Makes one of the operation's errors, with the status its model declares (400 if it declares none).
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> AwsError {
        let status = self.errors.get(code).copied().unwrap_or(StatusCode::BAD_REQUEST);
        AwsError::new(code, message).with_status(status)
    }
}

/// The `ssm` service (`AmazonSSM.<Operation>`), with the operations that only agents call.
pub fn ssm() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        built_in(&[
            include_str!("../models/ssm.json"),
            include_str!("../models/ssm-agent.json"),
        ])
    })
}

/// The `iam` service (query, version 2010-05-08).
pub fn iam() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/iam.json")]))
}

/// The `ec2` service (EC2 query, version 2016-11-15): tags, and instances as managed nodes show themselves.
pub fn ec2() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/ec2.json")]))
}

/// The `cloudtrail` service (`CloudTrail_20131101.<Operation>`).
pub fn cloudtrail() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/cloudtrail.json")]))
}

/// The `kms` service (`TrentService.<Operation>`).
pub fn kms() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/kms.json")]))
}

/// The `logs` service (`Logs_20140328.<Operation>`).
pub fn logs() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/logs.json")]))
}

/// The `organizations` service (`AWSOrganizationsV20161128.<Operation>`).
pub fn organizations() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/organizations.json")]))
}

/// The `sts` service (query, version 2011-06-15).
pub fn sts() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/sts.json")]))
}

/// The `ec2messages` service (`EC2WindowsMessageDeliveryService.<Operation>`).
pub fn ec2messages() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/ec2messages.json")]))
}

/// Drawbridge's own operations (`Drawbridge.<Operation>`).
pub fn drawbridge() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| built_in(&[include_str!("../models/drawbridge.json")]))
}

fn built_in(texts: &[&str]) -> Service {
    read::service(texts).expect("the models in this crate are read by its tests")
}

#[cfg(test)]
mod tests;
