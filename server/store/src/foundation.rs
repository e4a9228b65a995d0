//! What every service stands on.

use std::sync::Arc;

use drawbridge_session::{Clock, Random};

use crate::{RootKey, Store};

/// The store, the key that seals secrets, time and chance.
#[derive(Clone)]
pub struct Foundation {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The key that seals what the store must not show.
    pub root: Arc<RootKey>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
}
