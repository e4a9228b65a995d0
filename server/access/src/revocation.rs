//! Ends the live sessions, and closes the control channels, that are no longer allowed.
//!
//! Policies, tags, access keys and floors change while sessions run. After a change every live session and every open
//! control channel is decided on again, by the question of its start, and every session is held against the floor; what
//! is not allowed any more is ended at both ends.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::{Authority as _, AuthorityError, Relay, RelayError, Session};
use drawbridge_store::StoreError;
use tokio::time::sleep;

use crate::channels::Open;
use crate::{Access, OpenChannels, objection};

/// Changes come in bursts (a role, its policies, their attachments); they are looked at together.
const SETTLE: Duration = Duration::from_millis(250);

/// How soon a sweep that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Ends sessions, and closes channels, whose grounds are gone.
pub struct Revocation {
    access: Access,
    relay: Arc<dyn Relay>,
    channels: Arc<OpenChannels>,
}

/// Watches for changes until it is aborted; harmless at any moment.
pub async fn watch_live_sessions(revocation: Revocation) {
    let mut changes = revocation.access.store.access_changes();
    // What changed while no server ran is looked at once, at the start.
    loop {
        match revocation.sweep().await {
            Ok(0) => {}
            Ok(ended) => tracing::info!(ended, "ended what is no longer allowed"),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot decide again on the live sessions"
                );
                sleep(RETRY).await;
                continue;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
        sleep(SETTLE).await;
        changes.borrow_and_update();
    }
}

impl Revocation {
    /// Decides by `access` and ends through `relay`.
    pub fn new(access: Access, relay: Arc<dyn Relay>, channels: Arc<OpenChannels>) -> Self {
        Self {
            access,
            relay,
            channels,
        }
    }

    /// Decides again on every open channel and live session; returns how many of them were ended.
    ///
    /// One that cannot be decided on keeps none of the others from it; the error is returned at the end.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let mut ended = 0;
        let mut failed = None;
        for Open { grounds, cut } in self.channels.all() {
            let outcome = self.access.objection(&grounds).await;
            if let Some(reason) = noting(outcome, &mut failed) {
                let principal = grounds.caller.principal.arn();
                tracing::warn!(principal.arn = principal, reason, "closing a channel");
                cut.cancel();
                ended += 1;
            }
        }
        for session in self.access.store.live_sessions().await? {
            let outcome = objection::to_session(&self.access, &session).await;
            if let Some(reason) = noting(outcome, &mut failed) {
                ended += usize::from(self.end(&session, &reason).await);
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    async fn end(&self, session: &Session, reason: &str) -> bool {
        tracing::warn!(session.id = %session.id, node.id = %session.node, reason, "ending a session");
        match self.relay.terminate(&session.id, reason).await {
            Ok(()) => true,
            Err(RelayError::UnknownSession(_)) => false,
            Err(error) => {
                tracing::error!(session.id = %session.id, error = &error as &dyn std::error::Error, "cannot end a session");
                false
            }
        }
    }
}

fn noting(
    outcome: Result<Option<String>, AuthorityError>,
    failed: &mut Option<StoreError>,
) -> Option<String> {
    outcome.unwrap_or_else(|error| {
        *failed = Some(StoreError::new("decide again", error));
        None
    })
}
