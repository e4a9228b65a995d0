//! What the operations share: the store, keys, time and chance.

use std::sync::Arc;

use drawbridge_session::keys::Keys;
use drawbridge_session::{Clock, Random};
use drawbridge_store::{Foundation, Reserve, RootKey, Store};

use crate::open_keys::OpenKeys;
use crate::{OPERATIONS, Operation};

/// The `logs` service of one server.
pub struct Logs {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) root: Arc<RootKey>,
    pub(crate) keys: Arc<dyn Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) open_keys: OpenKeys,
    /// What events leave of the disk.
    pub(crate) reserve: Arc<Reserve>,
}

impl Logs {
    /// Brings the parts together.
    pub fn new(foundation: Foundation, keys: Arc<dyn Keys>, reserve: Arc<Reserve>) -> Self {
        Self {
            store: foundation.store,
            root: foundation.root,
            keys,
            clock: foundation.clock,
            random: foundation.random,
            open_keys: OpenKeys::default(),
            reserve,
        }
    }

    /// Finds an operation.
    pub fn operation(name: &str) -> Option<&'static Operation> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }
}
