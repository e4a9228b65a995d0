//! The `logs` service: log groups, streams and events.

use std::fmt;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::Store;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Logs, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[];

/// The `logs` service of one server.
pub struct Logs {
    #[expect(dead_code, reason = "no operation is there yet")]
    store: Arc<dyn Store>,
}

impl Logs {
    /// Brings the parts together.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}
