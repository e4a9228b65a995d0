//! The `cloudtrail` service: the audit log, as CloudTrail's event history.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Clock;
use drawbridge_store::Store;

mod lookup_events;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<CloudTrail, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[lookup_events::OPERATION];

/// The `cloudtrail` service of one server.
pub struct CloudTrail {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl CloudTrail {
    /// Brings the parts together.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}
