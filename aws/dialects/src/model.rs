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

use crate::error::AwsError;

pub use shape::{Kind, Member, Shape, ShapeId};

/// One service's operations, as parsed from its trimmed model.
#[derive(Debug)]
pub struct Service {
    pub(crate) operations: BTreeMap<String, Operation>,
}

impl Service {
    /// Finds an operation by its exact name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// Reads a model written in a test.
    #[cfg(test)]
    pub(crate) fn of_json(text: &str) -> Self {
        built_in(&[text])
    }

    /// All operations, by name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
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
}

impl Operation {
    /// The operation's name, such as `StartSession`.
    pub fn name(&self) -> &str {
        &self.name
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
mod tests {
    use http::StatusCode;

    use super::{Kind, Service, drawbridge, ec2messages, ssm, sts};

    fn all() -> [&'static Service; 4] {
        [ssm(), sts(), ec2messages(), drawbridge()]
    }

    #[test]
    fn reads_every_model() {
        assert_eq!(ssm().operations().count(), 24);
        assert_eq!(sts().operations().count(), 1);
        assert_eq!(ec2messages().operations().count(), 6);
        assert_eq!(drawbridge().operations().count(), 2);
    }

    #[test]
    fn every_pattern_translates() {
        for operation in all().into_iter().flat_map(Service::operations) {
            for shape in operation.shapes.iter() {
                if let Some(pattern) = &shape.limits.pattern {
                    assert!(pattern.is_usable(), "{}: {}", shape.name(), pattern.source());
                }
            }
        }
    }

    #[test]
    fn errors_have_statuses() {
        let start = ssm().operation("StartSession").unwrap();
        let errors = start.errors().collect::<Vec<_>>();
        assert!(errors.contains(&("TargetNotConnected", StatusCode::BAD_REQUEST)));
        assert!(errors.contains(&("InternalServerError", StatusCode::INTERNAL_SERVER_ERROR)));
        assert_eq!(
            start.error("InvalidDocument", "x").status(),
            StatusCode::BAD_REQUEST
        );
    }

    #[test]
    fn members_keep_their_names_and_requirement() {
        let input = ssm().operation("StartSession").unwrap().input().unwrap();
        let Kind::Structure(members) = input.kind() else {
            panic!("inputs are structures")
        };
        let target = members.iter().find(|member| member.name == "Target").unwrap();
        assert!(target.required);
        assert!(ssm().operation("startsession").is_none());
    }
}
