//! How long and how often is tried.

use std::sync::Arc;
use std::time::Duration;

use drawbridge_session::Random;

use crate::backoff::Backoff;
use crate::identity::NodeError;

/// The times of shipping a log.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Between two looks for lines that are complete.
    pub(super) tick: Duration,
    /// How long output is collected before it is written down.
    pub(super) collect: Duration,
    /// Between attempts of a call that failed.
    pub(super) backoff: Backoff,
    /// Attempts of one call when nobody is in the session any more.
    pub(super) attempts: u32,
    /// How long everything may take that is done after the end of the session.
    pub(super) patience: Duration,
    /// How long the checks before the session may take.
    pub(super) check: Duration,
}

impl Pace {
    /// Streams every second, as AWS's agent does; gives a call up after seven attempts in about half a minute.
    pub(crate) const NORMAL: Self = Self {
        tick: Duration::from_secs(1),
        collect: Duration::from_millis(100),
        backoff: Backoff::LOGS,
        attempts: 7,
        patience: Duration::from_secs(10 * 60),
        // The server gives a session up that nobody opens for longer.
        check: Duration::from_secs(12),
    };
}

/// The attempts of one call.
pub(super) struct Attempts {
    backoff: Backoff,
    random: Arc<dyn Random>,
    left: u32,
}

impl Attempts {
    pub(super) fn new(pace: &Pace, random: &Arc<dyn Random>) -> Self {
        Self {
            backoff: pace.backoff.clone(),
            random: Arc::clone(random),
            left: pace.attempts,
        }
    }

    /// Waits before the next attempt; the error comes back when there is to be none.
    pub(super) async fn after(&mut self, error: NodeError) -> Result<(), NodeError> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || !error.is_transient() {
            return Err(error);
        }
        tracing::debug!(error = crate::sessions::chain(&error), "tried again soon");
        tokio::time::sleep(self.delay()).await;
        Ok(())
    }

    /// Draws how long to wait, whatever is left.
    pub(super) fn delay(&mut self) -> Duration {
        self.backoff.next(self.random.as_ref())
    }
}
