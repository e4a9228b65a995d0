//! Takes up the sessions that a server before this one left behind.

use std::collections::HashSet;
use std::time::Duration;

use drawbridge_protocol::data_channel::relay::RelayCore;
use drawbridge_session::{AuthorizedSession, Ending, Session, SessionState};
use drawbridge_store::Store;

use super::{RecoveryError, SessionRelay};
use crate::journal::{JournalError, SessionDigest};
use crate::live::Recovery;
use crate::particulars::particulars;

impl SessionRelay {
    /// Goes on with every session where its journal says it is; ends those of which it says too little.
    pub(super) async fn recover(&self, store: &dyn Store) -> Result<(), RecoveryError> {
        let sessions = store.live_sessions().await?;
        let mut recovery = self.read_journal(&sessions).await?;
        for session in sessions {
            if let Err(error) = self.registry.recorder.begin(&session.id).await {
                // What it has written is in the journal, and stays there; the next start tries again.
                tracing::error!(session.id = %session.id, error = &error as &dyn std::error::Error, "not recorded on");
            }
            let recovered = recovery.take(&SessionDigest::of(&session.id));
            if session.state == SessionState::Terminating && !recovered.core.is_ending() {
                self.end_again(&session);
                continue;
            }
            let authorized = AuthorizedSession::recall(&session);
            let age = self.registry.clock.now().duration_since(session.started_at);
            let age = Duration::try_from(age).unwrap_or_default();
            let particulars = particulars(authorized, session.start, recovered.node, self.timers, age);
            let core = RelayCore::recover(
                particulars.config.clone(),
                recovered.core,
                self.message_ids(),
                self.now(),
            );
            tracing::info!(session.id = %session.id, node.id = %session.node, "took up a session");
            self.run(particulars, core, None);
        }
        Ok(())
    }

    /// Ends a session whose record says that it was ending, while its journal does not say how.
    fn end_again(&self, session: &Session) {
        self.registry.nodes.terminate(&session.node, &session.id);
        let details = "terminated; the server restarted before the node confirmed it".to_owned();
        let ending = Ending {
            at: self.registry.clock.now(),
            details,
            exit_code: None,
        };
        self.registry.recorder.end(&session.id, &ending);
        self.registry.note(&session.id, SessionState::Terminated(ending));
        // It was read for nobody, unless the recorder tracks it.
        let digest = SessionDigest::of(&session.id);
        self.surroundings.journal.track(digest);
        self.surroundings.journal.forget(digest);
    }

    async fn read_journal(&self, sessions: &[Session]) -> Result<Recovery, JournalError> {
        let digests: HashSet<_> = sessions
            .iter()
            .map(|session| SessionDigest::of(&session.id))
            .collect();
        let journal = self.surroundings.journal.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut recovery = Recovery::default();
            journal.recover(&digests, |session, recorded| recovery.absorb(session, recorded))?;
            Ok(recovery)
        });
        read.await
            .map_err(|_panicked_or_shut_down| JournalError::Closed)?
    }
}
