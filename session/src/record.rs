//! A session as it is stored, and the states it may pass through.
//!
//! ```text
//!   Connecting ⇄ Disconnected ⇄ Connected      (active)
//!        └────────────┼─────────────┘
//!                     ▼
//!                Terminating
//!                     ▼
//!            Terminated │ Failed               (history, 30 days)
//! ```
//!
//! An active session may also end at once, without the stop at `Terminating`. Nothing leaves an ended state.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::SessionStart;
use crate::grounds::Grounds;
use crate::ids::{AccountId, NodeId, Region, SessionId};
use crate::policy::AuthorizedSession;

/// One authorized use of a data channel, from its start to thirty days after its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its id, unique for ever.
    pub id: SessionId,
    /// The account it belongs to.
    pub account: AccountId,
    /// The region it belongs to.
    pub region: Region,
    /// The node it runs on.
    pub node: NodeId,
    /// The ARN of who started it.
    pub owner_arn: String,
    /// The `aws:userid` of who started it.
    pub owner_id: String,
    /// Why, as the owner said, at most 256 characters.
    pub reason: Option<String>,
    /// What it runs.
    pub start: SessionStart,
    /// Where it stands.
    pub state: SessionState,
    /// When it started.
    pub started_at: Timestamp,
    /// What it was allowed on; `None` for a session that started before grounds were kept.
    pub grounds: Option<Grounds>,
}

impl Session {
    /// Creates the record of a session that an allow decision permits, without its grounds.
    pub fn new(
        authorized: &AuthorizedSession,
        region: Region,
        reason: Option<String>,
        start: SessionStart,
        now: Timestamp,
    ) -> Self {
        Self {
            id: authorized.session().clone(),
            account: authorized.account().clone(),
            region,
            node: authorized.node().clone(),
            owner_arn: authorized.owner_arn().to_owned(),
            owner_id: authorized.owner_id().to_owned(),
            reason,
            start,
            state: SessionState::Connecting,
            started_at: now,
            grounds: None,
        }
    }
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionState {
    /// An end is still missing for the first time.
    Connecting,
    /// Both ends are there.
    Connected,
    /// The client left; the session waits for it.
    Disconnected,
    /// The end was asked for; the node has not confirmed it.
    Terminating,
    /// It ran and ended.
    Terminated(Ending),
    /// It could not start, or could not go on.
    Failed(Ending),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// When.
    pub at: Timestamp,
    /// Why, for people.
    pub details: String,
    /// The exit code of what ran, where the node reported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// Says that a session cannot pass from one state to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session that is {from} cannot become {to}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: &'static str,
    /// The state it was to take.
    pub to: &'static str,
}

impl SessionState {
    /// Passes to another state, or says why not; to stay is allowed unless the session has ended.
    pub fn pass_to(self, next: Self) -> Result<Self, IllegalTransition> {
        let refused = IllegalTransition {
            from: self.as_str(),
            to: next.as_str(),
        };
        match (&self, &next) {
            (Self::Terminated(_) | Self::Failed(_), _) => Err(refused),
            (_, Self::Terminated(_) | Self::Failed(_) | Self::Terminating) => Ok(next),
            (Self::Terminating, _) => Err(refused),
            // A session that was joined once has started; only its client can be missing again.
            (Self::Connected, Self::Connecting) => Err(refused),
            (Self::Connecting | Self::Connected | Self::Disconnected, _) => Ok(next),
        }
    }

    /// Returns whether `DescribeSessions` lists it under `Active`.
    pub fn is_active(&self) -> bool {
        match self {
            Self::Connecting | Self::Connected | Self::Disconnected => true,
            Self::Terminating | Self::Terminated(_) | Self::Failed(_) => false,
        }
    }

    /// Returns how it ended, if it has.
    pub fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Terminated(ending) | Self::Failed(ending) => Some(ending),
            Self::Connecting | Self::Connected | Self::Disconnected | Self::Terminating => None,
        }
    }

    /// Returns the word of the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Connected => "Connected",
            Self::Disconnected => "Disconnected",
            Self::Terminating => "Terminating",
            Self::Terminated(_) => "Terminated",
            Self::Failed(_) => "Failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending() -> Ending {
        Ending {
            at: Timestamp::UNIX_EPOCH,
            details: "done".into(),
            exit_code: None,
        }
    }

    fn all() -> Vec<SessionState> {
        vec![
            SessionState::Connecting,
            SessionState::Connected,
            SessionState::Disconnected,
            SessionState::Terminating,
            SessionState::Terminated(ending()),
            SessionState::Failed(ending()),
        ]
    }

    #[test]
    fn passes_only_along_the_arrows() {
        // One row per state in the order of `all`, one column per next state.
        let allowed = ["yyyyyy", "nyyyyy", "yyyyyy", "nnnyyy", "nnnnnn", "nnnnnn"];
        for (from, row) in all().iter().zip(allowed) {
            for (to, expected) in all().iter().zip(row.chars()) {
                let passed = from.clone().pass_to(to.clone());
                assert_eq!(
                    passed.is_ok(),
                    expected == 'y',
                    "{} to {}",
                    from.as_str(),
                    to.as_str()
                );
            }
        }
    }

    #[test]
    fn says_which_step_it_refused() {
        let error = SessionState::Failed(ending())
            .pass_to(SessionState::Connected)
            .expect_err("ended");
        assert_eq!(
            error.to_string(),
            "a session that is Failed cannot become Connected"
        );
    }
}
