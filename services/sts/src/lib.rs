//! The `sts` service: who a caller is, and credentials that end by themselves.
//!
//! The operations answer JSON; the gateway writes it as the query dialect's XML.
//!
//! | module | owns |
//! |---|---|
//! | `caller_identity`, `session_token`, `assume_role`, `decode` | one operation each |
//! | `role_arn` | the role that a request names, and its account |
//! | `session_tags` | the tags of a session, and which go on to the next |
//! | `session_policies` | the policies that limit a session |
//! | `packing` | how much of a session token they may fill |
//! | [`authorization_message`] | why a request was denied, sealed for whoever may know |

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Clock, Random};
use drawbridge_store::{Foundation, RootKey, Store};

mod assume_role;
pub mod authorization_message;
mod caller_identity;
mod credentials;
mod decode;
mod error;
mod packing;
mod role_arn;
mod session_policies;
mod session_tags;
mod session_token;
#[cfg(test)]
mod tests;

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Sts, AwsError>;

/// The operations, by the names of their `Action`.
pub const OPERATIONS: &[Operation] = &[
    assume_role::OPERATION,
    decode::OPERATION,
    caller_identity::OPERATION,
    session_token::OPERATION,
];

/// The `sts` service of one server.
pub struct Sts {
    store: Arc<dyn Store>,
    root: Arc<RootKey>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Sts {
    /// Brings the parts together.
    pub fn new(foundation: Foundation) -> Self {
        Self {
            store: foundation.store,
            root: foundation.root,
            clock: foundation.clock,
            random: foundation.random,
        }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}
