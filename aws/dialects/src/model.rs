//! Service models: which operations exist, what their input may look like and which errors they answer.
//!
//! The JSON under `models/` is made by `cargo xtask models` from AWS's public service descriptions (names, types and
//! constraints only), plus hand-written files of the same form for what has no public description.

mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;

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
    empty()
}

/// The `sts` service (query, version 2011-06-15).
pub fn sts() -> &'static Service {
    empty()
}

/// The `ec2messages` service (`EC2WindowsMessageDeliveryService.<Operation>`).
pub fn ec2messages() -> &'static Service {
    empty()
}

/// Drawbridge's own operations (`Drawbridge.<Operation>`).
pub fn drawbridge() -> &'static Service {
    empty()
}

fn empty() -> &'static Service {
    static EMPTY: Service = Service {
        operations: BTreeMap::new(),
    };
    &EMPTY
}
