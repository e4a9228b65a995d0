//! A session's log, as the session has it.

use bytes::Bytes;
use drawbridge_protocol::wire::PayloadType;

use crate::logs::SessionLog;
use crate::sessions::{Logged, SessionFolder};

/// The log of a session, and the note in its folder that a worker which is to end is shipping it.
pub(super) struct Logging {
    log: SessionLog,
    folder: SessionFolder,
    is_closed: bool,
}

impl Logging {
    pub(super) fn new(log: SessionLog, folder: SessionFolder) -> Self {
        Self {
            log,
            folder,
            is_closed: false,
        }
    }

    /// Takes what the session says.
    pub(super) fn record(&self, payload_type: PayloadType, bytes: &Bytes) {
        self.log.record(payload_type, bytes);
    }

    /// Says whether the session should say no more for now.
    pub(super) fn is_behind(&self) -> bool {
        self.log.is_behind()
    }

    /// Says whether everything is where it goes; begins to ship it when it is not.
    pub(super) fn ship(&mut self) -> bool {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.log.close();
            if let Err(error) = self.folder.set_shipping() {
                tracing::warn!(%error, "cannot note that the session's log is being shipped");
            }
        }
        self.log.is_shipped()
    }

    /// Says whether everything has been said and not everything is where it goes.
    pub(super) fn is_shipping(&self) -> bool {
        self.is_closed && !self.log.is_shipped()
    }

    /// Carries on, until there is news of the other two. Cancel safe.
    pub(super) async fn progress(&mut self) {
        self.log.progress().await;
    }

    /// Ships what there is, and says how that went.
    pub(super) async fn finish(mut self) -> Logged {
        self.ship();
        self.log.finish().await
    }
}
