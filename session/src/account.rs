//! Accounts, and the organization that some of them belong to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, OrganizationId};

/// An account: it owns identities, nodes and sessions, and no other account sees them unless both agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id, never reused.
    pub id: AccountId,
    /// Its name, 1 to 50 characters, for people.
    pub name: String,
    /// Whom to write to.
    pub email: String,
    /// The organization it belongs to.
    pub organization: Option<OrganizationId>,
    /// When it was made.
    pub created_at: Timestamp,
}
