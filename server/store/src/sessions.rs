//! Sessions, live and past.

use async_trait::async_trait;
use drawbridge_session::record::IllegalTransition;
use drawbridge_session::{AccountId, Region, Session, SessionId, SessionState};
use jiff::Timestamp;

use crate::{StoreError, TokenGrant};

/// Which sessions to list, newest first.
#[derive(Debug, Clone)]
pub struct SessionPage<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The region.
    pub region: &'a Region,
    /// The active ones, or the history.
    pub active: bool,
    /// The earliest end that a past session may have.
    pub ended_since: Timestamp,
    /// The last session of the page before, by its start and id.
    pub before: Option<(Timestamp, SessionId)>,
    /// How many at most.
    pub limit: u32,
}

/// Why a session did not change its state.
#[derive(Debug, thiserror::Error)]
pub enum StateChangeError {
    /// No session has this id.
    #[error("there is no session {0}")]
    Unknown(SessionId),
    /// The states do not follow each other.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many sessions may be live at one time; `None` for any number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// Of one owner.
    pub per_owner: Option<u32>,
    /// On one node.
    pub per_node: Option<u32>,
}

/// Why a session was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateSessionError {
    /// Its owner has as many as one may have.
    #[error("its owner has {0} live sessions already, which is the limit")]
    TooManyOfOwner(u32),
    /// Its node has as many as one may have.
    #[error("its node has {0} live sessions already, which is the limit")]
    TooManyOnNode(u32),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Remembers sessions; an id that was issued once is known for ever.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Stores a new session and the first token of its client, in one transaction, unless it would be one too many.
    async fn create_session(
        &self,
        session: &Session,
        token: &TokenGrant,
        limits: SessionLimits,
    ) -> Result<(), CreateSessionError>;

    /// Finds a session by its id, live or past.
    async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError>;

    /// Lists sessions.
    async fn sessions(&self, page: SessionPage<'_>) -> Result<Vec<Session>, StoreError>;

    /// Lists the sessions that have not ended, of every account: what a relay has to recover when it starts.
    async fn live_sessions(&self) -> Result<Vec<Session>, StoreError>;

    /// Passes a session to another state and returns it; tokens of a session that ends are withdrawn.
    async fn change_session(&self, id: &SessionId, next: SessionState) -> Result<Session, StateChangeError>;
}
