//! The `operator` service: Drawbridge's own operations for whoever runs the server.

mod error;
mod explain;
mod principals;
mod question;
#[cfg(test)]
mod testing;
mod who_can;

use std::fmt;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Clock, Explainer, Random};
use drawbridge_store::{RootKey, Store};

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Operator, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[explain::OPERATION, who_can::OPERATION];

/// The `operator` service of one server.
pub struct Operator {
    store: Arc<dyn Store>,
    root: Arc<RootKey>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    explainer: Arc<dyn Explainer>,
}

impl Operator {
    /// Brings the parts together.
    pub fn new(
        store: Arc<dyn Store>,
        root: Arc<RootKey>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        explainer: Arc<dyn Explainer>,
    ) -> Self {
        Self {
            store,
            root,
            clock,
            random,
            explainer,
        }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}
