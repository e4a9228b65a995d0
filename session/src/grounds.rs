//! What a session was allowed on, kept so that it can be decided again.

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::need::Need;
use crate::operation::Call;

/// The request that started a session: who asked, when and from where, and what was needed.
///
/// Policies change while sessions run. The question stays the one that was asked at the start, whatever became of the
/// caller's address or of the hour; only the policies, the tags and the credentials are those of today.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grounds {
    /// Who asked.
    pub caller: Caller,
    /// What was needed.
    pub needs: Vec<Need>,
}

impl Grounds {
    /// Takes the grounds of a call.
    pub fn of(call: &Call) -> Self {
        Self {
            caller: call.caller().clone(),
            needs: call.needs().to_vec(),
        }
    }
}
