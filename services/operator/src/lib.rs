//! The `operator` service: Drawbridge's own operations for whoever runs the server.
//!
//! Those on accounts are for the oldest account, the one that the server started with: an administrator of any other
//! account may do everything there, and nothing here. Those that explain decisions are for whoever may simulate them.
//! Those on session floors are for each account's own, and for those of an organization from the account that manages it.

mod create_account;
mod error;
mod explain;
mod list_accounts;
mod principals;
mod question;
mod session_floor;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod who_can;

use std::sync::Arc;

use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_session::{Account, Caller, Clock, Explainer, Random};
use drawbridge_store::{Foundation, RootKey, Store};

/// An operation of this service.
pub type Operation = drawbridge_session::Operation<Operator, AwsError>;

/// The operations, by their names on the wire.
pub const OPERATIONS: &[Operation] = &[
    create_account::OPERATION,
    explain::OPERATION,
    list_accounts::OPERATION,
    session_floor::DELETE,
    session_floor::GET,
    session_floor::PUT,
    who_can::OPERATION,
];

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
    pub fn new(foundation: Foundation, explainer: Arc<dyn Explainer>) -> Self {
        Self {
            store: foundation.store,
            root: foundation.root,
            clock: foundation.clock,
            random: foundation.random,
            explainer,
        }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }

    /// Returns every account, and the oldest of them, if that is the caller's.
    fn accounts(&self, caller: &Caller) -> Result<(Vec<Account>, Account), AwsError> {
        let accounts = self.store.accounts();
        let management = Account::oldest(&accounts)
            .filter(|oldest| oldest.id == *caller.principal.account())
            .cloned();
        match management {
            Some(management) => Ok((accounts, management)),
            None => Err(Family::Json
                .access_denied("Accounts are looked after from the account that the server started with.")),
        }
    }
}
