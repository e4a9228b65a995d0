//! The `kms` service: keys that never leave the server.

use std::fmt;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::Store;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Kms, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[];

/// The `kms` service of one server.
pub struct Kms {
    #[expect(dead_code, reason = "no operation is there yet")]
    store: Arc<dyn Store>,
}

impl Kms {
    /// Brings the parts together.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kms").finish_non_exhaustive()
    }
}
