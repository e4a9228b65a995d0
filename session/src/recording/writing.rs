//! Who makes recordings, as the relay knows them.

use async_trait::async_trait;

use crate::ids::SessionId;
use crate::record::Ending;

/// Records sessions; told by the relay when they begin and end.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Makes a place for the recording of a session whose record is stored, or takes it up again after a restart.
    ///
    /// When this returns, the place is on the disk, and everything that the journal gets of the session will be in it.
    ///
    /// # Errors
    ///
    /// When the session cannot be recorded.
    async fn begin(&self, session: &SessionId) -> Result<(), RecorderError>;

    /// Notes that a session is over; must not block.
    fn end(&self, session: &SessionId, ending: &Ending);
}

/// Why a session cannot be recorded, in words for whoever wanted it.
#[derive(Debug, thiserror::Error)]
#[error("the session cannot be recorded: {0}")]
pub struct RecorderError(pub String);

/// Records nothing: for servers in tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unrecorded;

#[async_trait]
impl Recorder for Unrecorded {
    async fn begin(&self, _: &SessionId) -> Result<(), RecorderError> {
        Ok(())
    }

    fn end(&self, _: &SessionId, _: &Ending) {}
}
