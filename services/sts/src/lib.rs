//! The `sts` service: who a caller is.
//!
//! The operation answers JSON; the gateway writes it as the query dialect's XML.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Caller;
use http::StatusCode;
use serde_json::Value;

mod caller_identity;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Sts, AwsError>;

/// The operations, by the names of their `Action`.
pub const OPERATIONS: &[Operation] = &[caller_identity::OPERATION];

/// The `sts` service of one server.
#[derive(Debug, Default)]
pub struct Sts;

impl Sts {
    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}
