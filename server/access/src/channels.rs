use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawbridge_session::{Caller, NodeId};

/// The control channels that are open, each with the request that opened it, so that it can be decided on again.
#[derive(Default)]
pub struct OpenChannels(Mutex<HashMap<NodeId, Arc<Caller>>>);

/// A control channel in [`OpenChannels`], until it is dropped.
pub struct OpenChannel {
    channels: Arc<OpenChannels>,
    node: NodeId,
    opened_by: Arc<Caller>,
}

impl OpenChannels {
    /// Notes a channel, in the place of an older one of the same node.
    pub fn open(self: &Arc<Self>, node: &NodeId, opened_by: Caller) -> OpenChannel {
        let opened_by = Arc::new(opened_by);
        self.lock().insert(node.clone(), Arc::clone(&opened_by));
        OpenChannel {
            channels: Arc::clone(self),
            node: node.clone(),
            opened_by,
        }
    }

    pub(crate) fn all(&self) -> Vec<(NodeId, Arc<Caller>)> {
        let entries = self.lock();
        let entries = entries.iter();
        entries
            .map(|(node, caller)| (node.clone(), Arc::clone(caller)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Arc<Caller>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        let mut channels = self.channels.lock();
        // A newer channel of the node may stand in its place.
        if channels
            .get(&self.node)
            .is_some_and(|caller| Arc::ptr_eq(caller, &self.opened_by))
        {
            channels.remove(&self.node);
        }
    }
}

impl fmt::Debug for OpenChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenChannels").finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenChannel")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}
