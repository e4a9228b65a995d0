//! The `s3` service: buckets and objects.

use std::fmt;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::Store;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<S3, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[];

/// The `s3` service of one server.
pub struct S3 {
    #[expect(dead_code, reason = "no operation is there yet")]
    store: Arc<dyn Store>,
}

impl S3 {
    /// Brings the parts together.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").finish_non_exhaustive()
    }
}
