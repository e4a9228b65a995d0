//! Ends the live sessions, and closes the control channels, that are no longer allowed.
//!
//! Policies, tags and access keys change while sessions run. After a change every live session and every open control
//! channel is decided on again, by the question of its start; what is not allowed any more is ended at both ends.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::iam::Directory;
use drawbridge_session::{
    Authority as _, AuthorityError, Caller, Decision, Need, NodeId, Relay, RelayError, Resource, Session,
};
use drawbridge_store::{Store, StoreError};
use tokio::time::sleep;

use crate::{Access, OpenChannels};

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
            Ok(ended) => tracing::info!(ended, "ended sessions that are no longer allowed"),
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

    /// Decides again on every open channel and live session; returns how many sessions were ended.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        self.sweep_channels().await?;
        let mut ended = 0;
        for session in self.access.store.live_sessions().await? {
            let Some(grounds) = &session.grounds else {
                continue;
            };
            if let Some(reason) = self.objection(&grounds.caller, &grounds.needs).await? {
                ended += usize::from(self.end(&session, &reason).await);
            }
        }
        Ok(ended)
    }

    async fn sweep_channels(&self) -> Result<(), StoreError> {
        for (node, caller) in self.channels.all() {
            let needs = [open_channel_need(&caller, "ssmmessages:OpenControlChannel")];
            if let Some(reason) = self.objection(&caller, &needs).await? {
                tracing::warn!(node.id = %node, reason, "closing a control channel");
                self.relay.close_control_channel(&node).await;
            }
        }
        Ok(())
    }

    /// Why a session would not be allowed to start now, or a channel to be opened.
    async fn objection(&self, caller: &Caller, needs: &[Need]) -> Result<Option<String>, StoreError> {
        if !may_still_sign(self.access.store.as_ref(), caller).await? {
            return Ok(Some(
                "the access key that started it is not active any more".to_owned(),
            ));
        }
        let decided = self.access.decide(caller, needs).await;
        match decided.map_err(|error: AuthorityError| StoreError::new("decide again", error))? {
            Decision::Allow(_) => Ok(None),
            Decision::Deny(denied) => Ok(Some(format!("no longer allowed: {denied}"))),
        }
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

/// What a node needs to open one of its channels.
pub fn open_channel_need(node: &Caller, action: &str) -> Need {
    let id = node.principal.node().map_or("", NodeId::as_str);
    Need::also(action, Resource::message_channel(&node.region, &node.account, id))
}

/// Says whether the long-lived key that a request was signed with is still there and active.
///
/// Temporary credentials run out while their sessions go on; whoever they were made for is looked at by the decision.
async fn may_still_sign(store: &dyn Store, caller: &Caller) -> Result<bool, StoreError> {
    let Some(id) = caller.access_key_id.as_ref().filter(|id| !id.is_temporary()) else {
        return Ok(true);
    };
    if let Some(node) = caller.principal.node() {
        let key = store.node_access_key(id).await?;
        return Ok(key.is_some_and(|key| key.node == *node));
    }
    let directory = store.directory(caller.principal.account());
    let active = |directory: &Directory| {
        directory
            .find_access_key(id)
            .is_some_and(|found| found.key.active)
    };
    Ok(directory.as_deref().is_some_and(active))
}

impl std::fmt::Debug for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocation").finish_non_exhaustive()
    }
}
