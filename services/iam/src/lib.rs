//! The `iam` service: identities of an account: users, groups, roles, policies, profiles and keys.

mod simulate;

use std::fmt;
use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Clock, Random};
use drawbridge_store::{RootKey, Store};

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Iam, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[simulate::CUSTOM, simulate::PRINCIPAL];

/// The `iam` service of one server.
pub struct Iam {
    store: Arc<dyn Store>,
    root: Arc<RootKey>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Iam {
    /// Brings the parts together.
    pub fn new(
        store: Arc<dyn Store>,
        root: Arc<RootKey>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            store,
            root,
            clock,
            random,
        }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}

impl fmt::Debug for Iam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iam").finish_non_exhaustive()
    }
}
