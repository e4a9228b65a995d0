use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawbridge_session::Grounds;
use tokio_util::sync::CancellationToken;

/// The channels that are open by a decision of their own, so that it can be taken again: control channels of nodes, and
/// those of people who joined somebody's session. The channels of a session's own ends go with the session.
#[derive(Default)]
pub struct OpenChannels {
    open: Mutex<HashMap<u64, Open>>,
    next: AtomicU64,
}

#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) grounds: Arc<Grounds>,
    pub(crate) cut: CancellationToken,
}

/// A channel in [`OpenChannels`], until it is dropped.
pub struct OpenChannel {
    channels: Arc<OpenChannels>,
    id: u64,
    cut: CancellationToken,
}

impl OpenChannels {
    /// Notes a channel and what it is open on.
    pub fn open(self: &Arc<Self>, grounds: Grounds) -> OpenChannel {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let cut = CancellationToken::new();
        let open = Open {
            grounds: Arc::new(grounds),
            cut: cut.clone(),
        };
        self.lock().insert(id, open);
        OpenChannel {
            channels: Arc::clone(self),
            id,
            cut,
        }
    }

    pub(crate) fn all(&self) -> Vec<Open> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenChannel {
    /// Returns what is cancelled when the channel is no longer allowed.
    pub fn cut(&self) -> &CancellationToken {
        &self.cut
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        self.channels.lock().remove(&self.id);
    }
}
